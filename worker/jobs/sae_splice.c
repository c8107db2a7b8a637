/* sae_splice.c - see sae_splice.h. */
#include "worker/jobs/sae_splice.h"

#include <math.h>
#include <string.h>

#include "common/fs.h"

enum { CHUNK = 1024, META_MAX = 1 << 20 };
enum { AS_IT_IS, WITH_SAE, WITH_ZERO, MODES }; /* of a report */

struct run {
    const struct splice *s;
    struct lm lm;
    struct lm_acts acts;
    struct batch batch;
    struct sae_infer infer;
    float *x;                /* [infer.n_max,d] */
    real *seen;              /* [nodes,d] what a transcoder reads, by node */
    uint32_t *row;           /* [infer.n_max] which rows these are */
    real *own;               /* [n_out,v] the model's own log-probabilities */
    const struct splice_mode *modes, *mode;
    size_t n_modes;
    bool is_bad;
};

/* --- where the rows came from ------------------------------------------------------------------ */

/* A transcoder's second hook: it must come later in the pass. */
static enum err_code read_hook_out(struct splice *s, const struct json *doc, struct err *e)
{
    const char *hook = doc ? json_str(json_get(doc, "hook_out")) : NULL;

    if (!hook || !lm_hook_parse(hook, &s->tap.hook_out))
        return err_set(e, ERR_INVALID, "acts: no hook_out: where a transcoder's output goes is not known");
    if (s->tap.hook_out <= s->tap.hook)
        return err_set(e, ERR_INVALID, "acts: hook_out: %s comes before the hook that is read", hook);
    return ERR_OK;
}

static enum err_code read_meta(struct splice *s, const struct job *j, const struct sae_model *m,
                               struct err *e)
{
    struct buf path = {0};
    struct json *doc = NULL;
    int64_t layer = -1, seed = 0, from = -1, to = -1;
    enum err_code rc = ERR_OK;

    buf_fmt(&path, "%s/acts.meta.json", job_input(j, "acts")->dir);
    if (!fs_is_file(path.data))
        rc = err_set(e, ERR_INVALID, "acts: not the activations of a model: leave out `model`");
    if (!rc)
        rc = json_read(path.data, META_MAX, &doc, e);
    const char *model = json_str(json_get(doc, "model")), *hook = json_str(json_get(doc, "hook"));
    const struct json *at = doc ? json_get(doc, "positions") : NULL;
    if (!rc && (!model || !hook || !lm_hook_parse(hook, &s->tap.hook) || !at ||
                !json_i64(json_get(doc, "layer"), &layer) || !json_i64(json_first(at), &from) ||
                !json_i64(json_next(json_first(at)), &to) || layer < 0 || from < 0 || to <= from))
        rc = err_set(e, ERR_CORRUPT, "%s: does not say where the rows come from", path.data);
    if (!rc && strcmp(model, job_input(j, "model")->job))
        rc = err_set(e, ERR_INVALID, "model: the rows of `acts` come from job %.12s, not from %.12s",
                     model, job_input(j, "model")->job);
    if (!rc && m->is_transcoder)
        rc = read_hook_out(s, doc, e);
    else
        s->tap.hook_out = s->tap.hook;
    json_i64(json_get(doc, "seed"), &seed);
    s->seed = (uint64_t)seed;
    s->tap.layer = (size_t)layer;
    s->tap.read = (struct batch_read){(size_t)from, (size_t)(to - from)};
    json_free(doc);
    buf_free(&path);
    return rc;
}

enum err_code splice_open(struct splice *s, const struct job *j, const struct sae_model *m,
                          struct err *e)
{
    const struct task_kind *kind;
    struct buf path = {0};
    enum err_code rc;

    *s = (struct splice){0};
    if (read_meta(s, j, m, e))
        return e->code;
    buf_fmt(&path, "%s/%s", job_input(j, "model")->dir, LM_FILE);
    rc = lm_file_open(&s->file, path.data, e);
    buf_free(&path);
    if (rc)
        return rc;
    kind = task_find(s->file.origin.task);
    if (!kind || s->file.origin.modulus < 1 || s->file.origin.modulus > 1 << 14 ||
        s->tap.layer >= s->file.cfg.n_layers) {
        rc = err_set(e, ERR_INVALID, "model: task \"%s\", modulus %lld, block %zu: not known",
                     s->file.origin.task, (long long)s->file.origin.modulus, s->tap.layer);
        lm_file_close(&s->file);
        return rc;
    }
    task_plan(&s->task, kind->name, s->file.origin.modulus, kind->n_extract);
    s->n = s->task.n;
    return ERR_OK;
}

/* --- one pass ---------------------------------------------------------------------------------- */

static size_t chunk_of(const struct task *t)
{
    return t->n < CHUNK ? t->n : CHUNK;
}


size_t splice_bytes(const struct splice *s, const struct sae_model *m)
{
    const struct lm_cfg *c = &s->file.cfg;
    size_t n = chunk_of(&s->task), rows = sae_infer_rows(m, CHUNK);
    struct batch_read read = batch_answers(&s->task);
    size_t len = read.from + read.count, n_out = n * read.count;

    return lm_bytes(c, false) + task_bytes(&s->task) + batch_bytes(n, len, read.count) +
           lm_acts_bytes(c, n * len, n_out, false) + sae_infer_bytes(m, rows) +
           arena_need(rows * m->d, sizeof(float)) + arena_need(rows, sizeof(uint32_t)) +
           arena_need(m->is_transcoder ? n * len * m->d : 0, sizeof(real)) +
           arena_need(n_out * c->n_vocab, sizeof(real));
}

/* row [d] += (factor - 1) times the part of the chosen features */
static void edit(const struct run *r, real *row, size_t i)
{
    const struct sae_model *m = r->infer.m;

    for (size_t f = 0; f < m->f; f++) {
        real a = r->mode->chosen[f] ? (r->mode->factor - 1) * r->infer.a[i * m->f + f] : 0;

        for (size_t c = 0; a != 0 && c < m->d; c++)
            row[c] += a * m->dir[f * m->d + c];
    }
}

static void put_back(struct run *r, real *rows, size_t n)
{
    size_t d = r->infer.m->o;

    if (n == 0)
        return;
    if (r->mode->kind != SPLICE_ZERO && !sae_infer_run(&r->infer, r->x, n)) {
        r->is_bad = true;
        return;
    }
    for (size_t i = 0; i < n; i++) {
        real *row = rows + r->row[i] * d;

        if (r->mode->kind == SPLICE_EDIT)
            edit(r, row, i);
        for (size_t c = 0; r->mode->kind != SPLICE_EDIT && c < d; c++)
            row[c] = r->mode->kind == SPLICE_SAE ? r->infer.xhat[i * d + c] : 0;
    }
}

/* What a transcoder reads, kept until its output is due. */
static void look(void *ctx, const real *rows, const int32_t *node, size_t n)
{
    struct run *r = ctx;
    size_t d = r->infer.m->d;

    for (size_t i = 0; i < n; i++)
        memcpy(r->seen + (node ? (size_t)node[i] : i) * d, rows + i * d, d * sizeof *rows);
}

/* The patch: rows of the positions that the SAE was made for. */
static void rewrite(void *ctx, real *rows, const int32_t *node, size_t n)
{
    struct run *r = ctx;
    const struct batch_read read = r->s->tap.read;
    size_t d = r->infer.m->d, got = 0;

    for (size_t i = 0; i < n; i++) {
        size_t at = node ? (size_t)node[i] : i, pos = (size_t)r->batch.pos[at];
        const real *from = r->seen ? r->seen + at * d : rows + i * d;

        if (pos < read.from || pos >= read.from + read.count)
            continue;
        for (size_t c = 0; c < d; c++)
            r->x[got * d + c] = (float)from[c];
        r->row[got++] = (uint32_t)i;
        if (got == r->infer.n_max) {
            put_back(r, rows, got);
            got = 0;
        }
    }
    put_back(r, rows, got);
}

/* logits [v] become log-probabilities; returns the index of the largest. */
static size_t log_softmax(real *z, size_t v)
{
    double sum = 0;
    size_t best = 0;

    for (size_t i = 1; i < v; i++)
        best = z[i] > z[best] ? i : best;
    const real max = z[best];
    for (size_t i = 0; i < v; i++)
        sum += exp((double)(z[i] - max));
    for (size_t i = 0; i < v; i++)
        z[i] = (real)((double)(z[i] - max) - log(sum));
    return best;
}

static void score(struct run *r, const struct lm_batch *b, struct splice_sums *sum)
{
    size_t v = r->lm.cfg.n_vocab;

    for (size_t i = 0; i < b->n_out; i++) {
        real *z = r->acts.logits + i * v;
        size_t best = log_softmax(z, v);

        sum->loss -= (double)z[b->target[i]];
        sum->n_right += best == (size_t)b->target[i];
        sum->n++;
        if (r->mode->kind == SPLICE_AS_IT_IS)
            memcpy(r->own + i * v, z, v * sizeof *z);
        for (size_t k = 0; r->mode->kind != SPLICE_AS_IT_IS && k < v; k++) {
            double own = (double)r->own[i * v + k];

            sum->kl += exp(own) * (own - (double)z[k]);
        }
    }
}

static enum err_code all_examples(struct run *r, struct job *j, struct splice_sums *sums,
                                  struct err *e)
{
    const struct task *t = &r->s->task;
    const struct lm_patch patch = {.layer = r->s->tap.layer, .hook = r->s->tap.hook_out,
                                   .look_at = r->s->tap.hook, .rewrite = rewrite,
                                   .look = r->seen ? look : NULL, .ctx = r};
    size_t chunk = chunk_of(t);

    for (size_t first = 0; first < r->s->n; first += chunk) {
        size_t n = r->s->n - first < chunk ? r->s->n - first : chunk;

        if (job_stop_wanted(j))
            return err_set(e, ERR_STOPPED, "stopped at example %zu of %zu", first, r->s->n);
        batch_build(&r->batch, t, NULL, first, n, batch_answers(t));
        const struct lm_batch b = lm_batch_of(&r->batch);
        for (size_t mode = 0; mode < r->n_modes; mode++) {
            r->mode = &r->modes[mode];
            r->acts.patch = r->mode->kind == SPLICE_AS_IT_IS ? NULL : &patch;
            lm_logits(&r->lm, &r->acts, &b);
            score(r, &b, &sums[mode]);
        }
        if (r->is_bad)
            return err_set(e, ERR_INVALID, "sae: a pre-activation is not finite");
        job_progress(j, (int64_t)(first + n), (int64_t)r->s->n, "examples");
    }
    return ERR_OK;
}

static void report(struct job *j, const struct splice *s,
                   const struct splice_sums sums[MODES])
{
    static const char *const hooks[] = {
#define X(name, text) text,
        LM_HOOKS(X)
#undef X
    };
    const double n = (double)sums[AS_IT_IS].n;
    const double own = sums[AS_IT_IS].loss / n, sae = sums[WITH_SAE].loss / n;
    const double zero = sums[WITH_ZERO].loss / n;
    const double kl = sums[WITH_SAE].kl / n, kl_zero = sums[WITH_ZERO].kl / n;

    job_metric(j, "ce_orig", own);
    job_metric(j, "ce_sae", sae);
    job_metric(j, "ce_zero", zero);
    job_metric(j, "delta_lm_loss", sae - own);
    job_metric(j, "ce_score", (zero - sae) / (zero - own));
    job_metric(j, "kl_sae", kl);
    job_metric(j, "kl_zero", kl_zero);
    job_metric(j, "kl_score", (kl_zero - kl) / kl_zero);
    job_metric(j, "acc_orig", (double)sums[AS_IT_IS].n_right / n);
    job_metric(j, "acc_sae", (double)sums[WITH_SAE].n_right / n);
    job_metric(j, "acc_zero", (double)sums[WITH_ZERO].n_right / n);
    job_summary(j, "Spliced in at `%s` of block %zu, positions %zu to %zu: accuracy %.4f (%.4f without, "
                   "%.4f with zeros), loss recovered %.4f.",
                hooks[s->tap.hook_out], s->tap.layer, s->tap.read.from,
                s->tap.read.from + s->tap.read.count - 1, (double)sums[WITH_SAE].n_right / n,
                (double)sums[AS_IT_IS].n_right / n, (double)sums[WITH_ZERO].n_right / n,
                (zero - sae) / (zero - own));
}

enum err_code splice_measure(struct splice *s, struct job *j, const struct sae_model *m,
                             const struct splice_mode *modes, size_t n_modes,
                             struct splice_sums *sums, struct err *e)
{
    const struct lm_cfg *c = &s->file.cfg;
    const struct batch_read read = batch_answers(&s->task);
    size_t mark = arena_mark(j->arena), chunk = chunk_of(&s->task);
    struct run r = {.s = s, .modes = modes, .n_modes = n_modes};
    enum err_code rc;

    memset(sums, 0, n_modes * sizeof *sums);
    if (c->d_model != m->d || c->d_model != m->o)
        return err_set(e, ERR_INVALID, "model: d_model %zu, the SAE takes %zu and gives %zu", c->d_model,
                       m->d, m->o);
    lm_init(&r.lm, c, false, j->arena);
    if (lm_file_read(&s->file, &r.lm, e))
        return err_wrap(e, "model");
    task_make(&s->task, s->seed, "acts.data", j->arena);
    batch_init(&r.batch, &s->task, chunk, read, j->arena);
    lm_acts_init(&r.acts, c, r.batch.n_max, chunk * read.count, false, j->arena);
    sae_infer_new(&r.infer, m, sae_infer_rows(m, CHUNK), j->arena);
    r.x = arena_new(j->arena, float, r.infer.n_max * m->d);
    r.row = arena_new(j->arena, uint32_t, r.infer.n_max);
    r.seen = m->is_transcoder ? arena_new(j->arena, real, r.batch.n_max * m->d) : NULL;
    r.own = arena_new(j->arena, real, chunk * read.count * c->n_vocab);
    rc = all_examples(&r, j, sums, e);
    arena_reset(j->arena, mark);
    return rc;
}

enum err_code splice_report(struct splice *s, struct job *j, const struct sae_model *m,
                            struct err *e)
{
    static const struct splice_mode modes[MODES] = {
        [AS_IT_IS] = {SPLICE_AS_IT_IS, NULL, 0}, [WITH_SAE] = {SPLICE_SAE, NULL, 0},
        [WITH_ZERO] = {SPLICE_ZERO, NULL, 0}};
    struct splice_sums sums[MODES];

    if (splice_measure(s, j, m, modes, MODES, sums, e))
        return e->code;
    report(j, s, sums);
    return ERR_OK;
}
