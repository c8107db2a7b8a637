/* sae_absorb.c - feature absorption on text: rows are labelled by the first letter of their token. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "common/kinds/sae_absorb.h"
#include "common/rng.h"
#include "common/stats.h"
#include "worker/data/acts.h"
#include "worker/data/tokens.h"
#include "worker/eval/absorb.h"
#include "worker/eval/absorb_ref.h"
#include "worker/jobs/acts_ids.h"
#include "worker/num/vec.h"
#include "worker/runner/impl.h"
#include "worker/sae/format.h"

enum { LETTERS = 26, NO_LETTER = 255 };
#define DENSE_F1_MIN 0.6 /* letters that a dense probe finds enter SAEBench's mean */

/* Rows of one definition: the first n_train fit. */
struct rows {
    uint32_t *row;           /* [n] of acts */
    float *x, *a;            /* [n,d], [n,f] */
    unsigned char *letter;   /* [n] */
    size_t n, n_train;
};

struct absorption {
    struct job *j;
    const struct sae_absorb_cfg *cfg;
    struct sae_model m;
    struct acts acts;
    struct tokenizer tok;
    bool has_tok;
    uint32_t *id;            /* [acts.n] */
    real *unit;              /* [f,d] */
    unsigned char *y;        /* [n] */
    struct buf table;
};

/* --- letters ------------------------------------------------------------------------------------ */

static bool is_ascii_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* First letter of an id's text behind spaces, 0 for A; is_word: the whole is letters behind one space
 * at most. */
static unsigned char letter_of(const struct tokenizer *t, uint32_t id, bool is_word)
{
    size_t n = 0, at = 0;
    const char *text = id < t->n_vocab ? tokenizer_bytes(t, id, &n) : NULL;

    while (text && at < n && text[at] == ' ')
        at++;
    if (!text || at == n || !is_ascii_letter(text[at]) || (is_word && at > 1))
        return NO_LETTER;
    for (size_t i = at; is_word && i < n; i++)
        if (!is_ascii_letter(text[i]))
            return NO_LETTER;
    return (unsigned char)((text[at] | 32) - 'a');
}

/* --- opening ------------------------------------------------------------------------------------ */

static void close_all(struct absorption *s)
{
    if (s->has_tok)
        tokenizer_close(&s->tok);
    acts_close(&s->acts);
    sae_model_free(&s->m);
    free(s->id);
    free(s->unit);
    free(s->y);
    buf_free(&s->table);
}

static enum err_code open_all(struct absorption *s, struct job *j, struct err *e)
{
    const struct sae_format_opts o = {0};

    *s = (struct absorption){.j = j, .cfg = j->cfg};
    if (sae_format_read(&s->m, job_input(j, "sae")->dir, "saegrid", &o, e))
        return err_wrap(e, "sae");
    if (s->m.is_transcoder)
        return err_set(e, ERR_INVALID, "sae: a transcoder: its directions are not in the space of the rows");
    if (acts_open(&s->acts, job_input(j, "acts")->dir, e))
        return err_wrap(e, "acts");
    if (s->acts.d != s->m.d)
        return err_set(e, ERR_INVALID, "acts: rows of %zu dims, the SAE takes %zu", s->acts.d, s->m.d);
    if (tokens_tokenizer(&s->tok, job_input(j, "data")->dir, e))
        return err_wrap(e, "data");
    s->has_tok = true;
    s->id = malloc(s->acts.n * sizeof *s->id);
    s->unit = malloc(s->m.f * s->m.d * sizeof *s->unit);
    s->y = malloc((size_t)s->cfg->rows + 1);
    if (!s->id || !s->unit || !s->y)
        return err_set(e, ERR_NOMEM, "%zu rows", s->acts.n);
    memcpy(s->unit, s->m.dir, s->m.f * s->m.d * sizeof *s->unit);
    for (size_t f = 0; f < s->m.f; f++)
        vec_normalise(s->unit + f * s->m.d, s->m.d);
    return acts_ids_read(s->id, s->acts.n, job_input(j, "acts"), job_input(j, "data")->dir, e);
}

static enum err_code plan(struct job *j, struct job_plan *p, struct err *e)
{
    const struct sae_absorb_cfg *c = j->cfg;
    struct absorption s;
    enum err_code rc = open_all(&s, j, e);

    if (!rc)
        p->arena_bytes = arena_need((size_t)c->rows, sizeof(uint32_t)) + arena_need((size_t)c->rows * s.m.d, sizeof(float)) +
                         arena_need((size_t)c->rows * s.m.f, sizeof(float)) + arena_need((size_t)c->rows, 1) +
                         sae_infer_bytes(&s.m, sae_infer_rows(&s.m, (size_t)c->rows));
    p->n_steps = 2 * LETTERS;
    close_all(&s);
    return rc ? err_wrap(e, "sae_absorb") : ERR_OK;
}

/* --- rows --------------------------------------------------------------------------------------- */

static enum err_code encode(struct absorption *s, struct rows *r, struct err *e)
{
    size_t most = sae_infer_rows(&s->m, r->n), f = s->m.f, d = s->m.d;
    struct sae_infer w;

    sae_infer_new(&w, &s->m, most, s->j->arena);
    for (size_t at = 0; at < r->n; at += most) {
        const size_t now = r->n - at < most ? r->n - at : most;

        if (!sae_infer_run(&w, r->x + at * d, now))
            return err_set(e, ERR_INVALID, "a pre-activation is not finite");
        for (size_t i = 0; i < now * f; i++)
            r->a[at * f + i] = (float)w.a[i];
    }
    return ERR_OK;
}

static enum err_code fill(struct absorption *s, struct rows *r, bool is_word, struct err *e)
{
    const size_t d = s->m.d;

    for (size_t i = 0; i < r->n; i++) {
        memcpy(r->x + i * d, s->acts.x + (size_t)r->row[i] * d, d * sizeof *r->x);
        r->letter[i] = letter_of(&s->tok, s->id[r->row[i]], is_word);
    }
    return encode(s, r, e);
}

static void rows_new(struct absorption *s, struct rows *r)
{
    const size_t n = (size_t)s->cfg->rows;

    *r = (struct rows){.row = arena_new(s->j->arena, uint32_t, n), .x = arena_new(s->j->arena, float, n * s->m.d),
                       .a = arena_new(s->j->arena, float, n * s->m.f), .letter = arena_new(s->j->arena, unsigned char, n)};
}

/* Words: four fifths of the types fit, the others test, each with at most per_type rows. */
static enum err_code word_rows(struct absorption *s, struct rows *r, struct err *e)
{
    const size_t v = s->tok.n_vocab, most[2] = {(size_t)s->cfg->rows * 4 / 5, (size_t)s->cfg->rows / 5};
    struct rng g = rng_stream((uint64_t)s->cfg->seed, "absorb.types");
    uint32_t *order = malloc((v + 1) * sizeof *order), *count = calloc(v + 1, sizeof *count);
    size_t n[2] = {0};

    if (!order || !count) {
        free(order), free(count);
        return err_set(e, ERR_NOMEM, "%zu ids", v);
    }
    rng_perm(&g, order, v);
    for (int test = 0; test < 2; test++)
        for (size_t i = 0; i < s->acts.n && n[test] < most[test]; i++) {
            const uint32_t id = s->id[i];

            if (id >= v || letter_of(&s->tok, id, true) == NO_LETTER || (order[id] % 5 == 0) != test ||
                count[id] >= (size_t)s->cfg->per_type)
                continue;
            count[id]++;
            r->row[r->n++] = (uint32_t)i;
            n[test]++;
        }
    r->n_train = n[0];
    free(order);
    free(count);
    return fill(s, r, true, e);
}

/* Tokens as they come, the first of them; four fifths, at random, fit. */
static enum err_code token_rows(struct absorption *s, struct rows *r, struct err *e)
{
    struct rng g = rng_stream((uint64_t)s->cfg->seed, "absorb.rows");

    for (size_t i = 0; i < s->acts.n && r->n < (size_t)s->cfg->rows; i++)
        if (letter_of(&s->tok, s->id[i], false) != NO_LETTER)
            r->row[r->n++] = (uint32_t)i;
    r->n_train = r->n * 4 / 5;
    for (size_t i = r->n; i > 1; i--) {
        const size_t other = rng_below(&g, i);
        const uint32_t t = r->row[i - 1];

        r->row[i - 1] = r->row[other];
        r->row[other] = t;
    }
    return fill(s, r, false, e);
}

static void label(struct absorption *s, const struct rows *r, size_t letter)
{
    for (size_t i = 0; i < r->n; i++)
        s->y[i] = r->letter[i] == letter;
}

/* --- definitions -------------------------------------------------------------------------------- */

struct means {
    double full[LETTERS], fraction[LETTERS], split[LETTERS], f1[LETTERS];
    size_t n;
};

static enum err_code saebench_letter(struct absorption *s, const struct rows *r, struct absorb *out, struct err *e)
{
    struct absorb_in in = {.x = r->x, .a = r->a, .dir = s->unit, .d = s->m.d, .f = s->m.f};
    enum err_code rc = probe_init(&in.dense, r->x, s->m.d, s->y, r->n_train, r->n - r->n_train, e);

    *out = (struct absorb){0};
    if (!rc)
        rc = probe_init(&in.latent, r->a, s->m.f, s->y, r->n_train, r->n - r->n_train, e);
    if (!rc && in.dense.n_train >= 2 * ABSORB_REF_ROWS_MIN && in.dense.n_test)
        rc = absorb_measure(out, &in, e);
    probe_free(&in.dense);
    probe_free(&in.latent);
    return rc;
}

static void put_num(struct buf *out, double v)
{
    buf_char(out, ',');
    if (isfinite(v))
        buf_f64(out, v);
}

static void report_saebench(struct absorption *s, const struct means *m)
{
    static const char *const names[] = {"absorption_saebench", "absorption_saebench_std", "absorption_saebench_full",
                                        "splitting_saebench", "letter_f1_saebench"};
    static const char *const few = "a dense probe finds fewer letters than min_letters";
    const double values[] = {stats_mean(m->fraction, m->n), stats_std(m->fraction, m->n), stats_mean(m->full, m->n),
                             stats_mean(m->split, m->n), stats_mean(m->f1, m->n)};
    const bool is_whole = m->n >= (size_t)s->cfg->min_letters;

    job_metric(s->j, "n_letters_saebench", (double)m->n);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (is_whole && isfinite(values[i]))
            job_metric(s->j, names[i], values[i]);
        else
            job_metric_absent(s->j, names[i], is_whole ? "one letter" : few);
    job_summary(s->j, "SAEBench's definition: %zu letters that a dense probe finds (F1 above %g on unseen words)%s.", m->n,
                DENSE_F1_MIN, is_whole ? "" : ": too few, not evaluated");
    if (is_whole)
        job_summary(s->j, "Absorption fraction %.4f, full absorption %.4f, %.2f main features a letter.", values[0], values[2], values[3]);
}

static enum err_code saebench(struct absorption *s, struct err *e)
{
    struct means m = {.n = 0};
    struct rows r;
    struct absorb out;

    rows_new(s, &r);
    if (word_rows(s, &r, e))
        return e->code;
    for (size_t letter = 0; letter < LETTERS; letter++) {
        if (job_stop_wanted(s->j))
            return err_set(e, ERR_STOPPED, "stopped at letter %zu", letter);
        label(s, &r, letter);
        if (saebench_letter(s, &r, &out, e))
            return e->code;
        buf_fmt(&s->table, "saebench,%c,%zu", (char)('A' + letter), out.n_rows);
        put_num(&s->table, out.dense_f1);
        put_num(&s->table, out.n_split);
        put_num(&s->table, out.n_rows ? out.fraction : NAN);
        put_num(&s->table, out.n_rows ? out.full : NAN);
        buf_char(&s->table, '\n');
        if (out.dense_f1 > DENSE_F1_MIN && out.n_rows) {
            m.fraction[m.n] = out.fraction;
            m.full[m.n] = out.full;
            m.split[m.n] = out.n_split;
            m.f1[m.n++] = out.dense_f1;
        }
        job_progress(s->j, (int64_t)letter + 1, 2 * LETTERS, "letters");
    }
    report_saebench(s, &m);
    return ERR_OK;
}

static enum err_code reference(struct absorption *s, struct err *e)
{
    double sum = 0, n_rows = 0, n_letters = 0;
    struct rows r;
    struct absorb_ref out;

    rows_new(s, &r);
    if (token_rows(s, &r, e))
        return e->code;
    for (size_t letter = 0; letter < LETTERS; letter++) {
        const struct absorb_ref_in in = {.x = r.x, .a = r.a, .dir = s->m.dir, .y = s->y, .d = s->m.d, .f = s->m.f,
                                         .n_train = r.n_train, .n_test = r.n - r.n_train,
                                         .n_candidates = (size_t)s->cfg->candidates};

        if (job_stop_wanted(s->j))
            return err_set(e, ERR_STOPPED, "stopped at letter %zu", letter);
        label(s, &r, letter);
        if (absorb_ref_measure(&out, &in, e))
            return e->code;
        buf_fmt(&s->table, "ref,%c,%zu", (char)('A' + letter), out.n_rows);
        put_num(&s->table, out.f1);
        put_num(&s->table, (double)out.n_main);
        put_num(&s->table, out.score);
        buf_str(&s->table, ",\n");
        if (out.n_rows) {
            sum += out.score * (double)out.n_rows;
            n_rows += (double)out.n_rows;
            n_letters++;
        }
        job_progress(s->j, LETTERS + (int64_t)letter + 1, 2 * LETTERS, "letters");
    }
    job_metric(s->j, "n_letters_ref", n_letters);
    job_metric(s->j, "n_rows_ref", n_rows);
    if (n_rows > 0)
        job_metric(s->j, "absorption_ref", sum / n_rows);
    else
        job_metric_absent(s->j, "absorption_ref", "no letter has rows that its probe finds");
    job_summary(s->j, "The reference's definition: %.4f over %.0f rows of %.0f letters.", sum / n_rows, n_rows, n_letters);
    return ERR_OK;
}

static enum err_code measure(struct absorption *s, struct err *e)
{
    const size_t mark = arena_mark(s->j->arena);

    buf_str(&s->table, "definition,letter,rows,f1,main_features,absorption,full\n");
    if (saebench(s, e))
        return e->code;
    arena_reset(s->j->arena, mark);
    if (reference(s, e))
        return e->code;
    job_blob(s->j, "letters", "text/csv", s->table.data);
    return ERR_OK;
}

static enum err_code run(struct job *j, struct err *e)
{
    struct absorption s;
    enum err_code rc = open_all(&s, j, e);

    if (!rc)
        rc = measure(&s, e);
    close_all(&s);
    return rc ? err_wrap(e, "sae_absorb") : ERR_OK;
}

const struct job_impl job_impl_sae_absorb = {"sae_absorb", plan, run};
