/* sae_group.c - see sae_group.h. */
#include "worker/jobs/sae_group.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/fs.h"

static const char *const columns[] = {"pwmcc",         "mmcs",     "hungarian",
                                      "hungarian_abs", "subspace", "grassmann"};

/* Loads one member; one without a dictionary is left out if its own result says why. */
static enum err_code add(struct sae_group *g, const struct job_input *in,
                         const struct sae_part *part, struct err *e)
{
    const char *verdict = in->result ? json_str(json_get(in->result, "verdict")) : NULL;
    struct buf path = {0};
    enum err_code rc = ERR_OK;

    if (part->step < 0)
        buf_fmt(&path, "%s/%s", in->dir, SAE_FILE);
    else
        buf_fmt(&path, "%s/checkpoints/sae_step%" PRId64 ".pt", in->dir,
                part->step);
    if (verdict && !strcmp(verdict, "negative") && !fs_is_file(path.data)) {
        g->n_left_out++;
    } else {
        rc = sae_dict_load(&g->dict[g->n], path.data, e);
        if (!rc && part->prefix > g->dict[g->n].f)
            rc = err_set(e, ERR_INVALID, "%s: prefix %zu of %zu features", in->dir, part->prefix, g->dict[g->n].f);
        if (!rc && part->prefix)
            g->dict[g->n].f = part->prefix;
        if (!rc)
            g->in[g->n++] = in;
    }
    buf_free(&path);
    if (!rc && g->n && g->dict[g->n - 1].d != g->dict[0].d)
        rc = err_set(e, ERR_INVALID, "%s: d_model is %zu, %zu in the first", in->dir,
                     g->dict[g->n - 1].d, g->dict[0].d);
    return rc;
}

static bool are_unique(const struct sae_group *g)
{
    for (size_t i = 0; i < g->n; i++)
        for (size_t j = 0; j < i; j++)
            if (g->dict[i].seed == g->dict[j].seed)
                return false;
    return true;
}

enum err_code sae_group_load(struct sae_group *g, struct job *j, const char *input,
                             const struct sae_part *part, struct err *e)
{
    static const struct sae_part whole = {-1, 0};
    size_t n = 0;

    while (job_input_at(j, input, n))
        n++;
    *g = (struct sae_group){.dict = calloc(n + 1, sizeof *g->dict),
                            .in = calloc(n + 1, sizeof *g->in)};
    if (!g->dict || !g->in)
        return err_set(e, ERR_NOMEM, "%s: %zu inputs: out of memory", input, n);
    for (size_t i = 0; i < n; i++)
        if (add(g, job_input_at(j, input, i), part ? part : &whole, e))
            return err_wrap(e, "%s", input);
    g->has_unique_seeds = are_unique(g);
    return ERR_OK;
}

void sae_group_free(struct sae_group *g)
{
    for (size_t i = 0; g->dict && i < g->n; i++)
        sae_dict_free(&g->dict[i]);
    free(g->dict);
    free(g->in);
    *g = (struct sae_group){0};
}

struct dict sae_group_dict(const struct sae_group *g, size_t i)
{
    return (struct dict){g->dict[i].dir, g->dict[i].f, g->dict[i].d};
}

size_t sae_group_rank_max(const struct sae_group *g)
{
    size_t k = g->n ? g->dict[0].d : 0;

    for (size_t i = 0; i < g->n; i++)
        k = g->dict[i].f < k ? g->dict[i].f : k;
    return k;
}

static enum err_code room(struct sae_pairs *p, size_t n, const struct pair_options *o,
                          struct err *e)
{
    bool ok;

    *p = (struct sae_pairs){.a = calloc(n, sizeof *p->a), .b = calloc(n, sizeof *p->b)};
    ok = p->a && p->b;
    for (int c = 0; c < PAIR_COLUMNS; c++) {
        bool is_wanted = c <= PAIR_MMCS || (c <= PAIR_HUNGARIAN_ABS && o->hungarian) ||
                         (c >= PAIR_SUBSPACE && c <= PAIR_GRASSMANN && o->subspace_k > 0) ||
                         (c == PAIR_SHARED && o->hungarian && o->has_encoders);

        p->col[c] = is_wanted ? calloc(n, sizeof *p->col[c]) : NULL;
        ok = ok && (p->col[c] || !is_wanted);
    }
    return ok ? ERR_OK : err_set(e, ERR_NOMEM, "%zu pairs: out of memory", n);
}

/* Matchings of pair i; and the share of latents that decoders and encoders give the same partner
 * (Paulo & Belrose 2025), of the larger dictionary. */
static enum err_code matchings(struct sae_pairs *p, size_t i, const struct sae_dict *a,
                               const struct sae_dict *b, struct err *e)
{
    const struct dict da = {a->dir, a->f, a->d}, db = {b->dir, b->f, b->d};
    const struct dict ea = {a->enc, a->f, a->d}, eb = {b->enc, b->f, b->d};
    uint32_t *by_dec = malloc(2 * a->f * sizeof *by_dec);
    double mean, n_same = 0;
    enum err_code rc;

    if (!by_dec)
        return err_set(e, ERR_NOMEM, "%zu partners: out of memory", a->f);
    uint32_t *by_enc = by_dec + a->f;
    rc = match_hungarian(&p->col[PAIR_HUNGARIAN][i], by_dec, &da, &db, false, e);
    if (!rc)
        rc = match_hungarian(&p->col[PAIR_HUNGARIAN_ABS][i], NULL, &da, &db, true, e);
    if (!rc && p->col[PAIR_SHARED]) {
        rc = match_hungarian(&mean, by_enc, &ea, &eb, false, e);
        for (size_t f = 0; f < a->f && !rc; f++)
            n_same += by_dec[f] != UINT32_MAX && by_dec[f] == by_enc[f];
        p->col[PAIR_SHARED][i] = n_same / (double)(a->f > b->f ? a->f : b->f);
    }
    free(by_dec);
    return rc;
}

static enum err_code one_pair(struct sae_pairs *p, const struct sae_dict *first,
                              const struct sae_dict *second, bool hungarian, struct err *e)
{
    const struct dict da = {first->dir, first->f, first->d}, db = {second->dir, second->f, second->d};
    const struct dict *a = &da, *b = &db;
    struct match m;
    size_t i = p->n;

    if (match_max(&m, a, b, e))
        return e->code;
    p->col[PAIR_PWMCC][i] = m.pwmcc;
    p->col[PAIR_MMCS][i] = m.mmcs;
    if (hungarian && matchings(p, i, first, second, e))
        return e->code;
    return ERR_OK;
}

/* Bases [n,k,d] of all members, each made once; k 0: none. */
static enum err_code bases(double **out, const struct sae_group *g, size_t k, struct err *e)
{
    size_t d = g->n ? g->dict[0].d : 0;

    *out = k ? malloc((g->n + 1) * k * d * sizeof **out) : NULL;
    if (k && !*out)
        return err_set(e, ERR_NOMEM, "subspaces of %zu SAEs: out of memory", g->n);
    for (size_t i = 0; k && i < g->n; i++) {
        struct dict dict = sae_group_dict(g, i);

        if (match_basis(*out + i * k * d, &dict, k, e))
            return e->code;
    }
    return ERR_OK;
}

static enum err_code all_pairs(struct sae_pairs *p, struct job *j, const struct sae_group *g,
                               const struct pair_options *o, const double *basis, struct err *e)
{
    size_t total = g->n * (g->n - 1) / 2, k = o->subspace_k, d = g->n ? g->dict[0].d : 0;

    for (size_t a = 0; a < g->n; a++)
        for (size_t b = a + 1; b < g->n; b++) {
            struct subspace sub;

            if (job_stop_wanted(j))
                return err_set(e, ERR_STOPPED, "stopped at pair %zu of %zu", p->n, total);
            if (one_pair(p, &g->dict[a], &g->dict[b], o->hungarian, e))
                return e->code;
            if (k > 0) {
                if (match_subspace(&sub, basis + a * k * d, basis + b * k * d, k, d, e))
                    return e->code;
                p->col[PAIR_SUBSPACE][p->n] = sub.overlap;
                p->col[PAIR_GRASSMANN][p->n] = sub.grassmann;
            }
            p->a[p->n] = (uint32_t)a;
            p->b[p->n++] = (uint32_t)b;
            if (o->is_reported)
                job_progress(j, (int64_t)p->n, (int64_t)total, "pairs");
        }
    return ERR_OK;
}

enum err_code sae_pairs_compare(struct sae_pairs *p, struct job *j, const struct sae_group *g,
                                const struct pair_options *o, struct err *e)
{
    size_t total = g->n * (g->n - 1) / 2;
    struct pair_options all = *o;
    double *basis = NULL;

    all.has_encoders = g->n > 0;
    for (size_t i = 0; i < g->n; i++)
        all.has_encoders = all.has_encoders && g->dict[i].enc;
    enum err_code rc = room(p, total ? total : 1, &all, e);
    if (!rc)
        rc = bases(&basis, g, o->subspace_k, e);
    if (!rc)
        rc = all_pairs(p, j, g, &all, basis, e);
    free(basis);
    return rc;
}

void sae_pairs_free(struct sae_pairs *p)
{
    free(p->a);
    free(p->b);
    for (int c = 0; c < PAIR_COLUMNS; c++)
        free(p->col[c]);
    *p = (struct sae_pairs){0};
}

void sae_pairs_blob(struct job *j, const char *name, const struct sae_pairs *p,
                    const struct sae_group *g)
{
    struct buf out = {0};

    buf_str(&out, "seed_a,seed_b");
    for (int c = 0; c < (int)ARRAY_LEN(columns); c++)
        buf_fmt(&out, ",%s", columns[c]);
    buf_char(&out, '\n');
    for (size_t i = 0; i < p->n; i++) {
        int64_t a = g->has_unique_seeds ? g->dict[p->a[i]].seed : (int64_t)p->a[i];
        int64_t b = g->has_unique_seeds ? g->dict[p->b[i]].seed : (int64_t)p->b[i];

        buf_fmt(&out, "%" PRId64 ",%" PRId64, a, b);
        for (int c = 0; c < (int)ARRAY_LEN(columns); c++) {
            buf_char(&out, ',');
            if (p->col[c])
                buf_f64(&out, p->col[c][i]);
        }
        buf_char(&out, '\n');
    }
    job_blob(j, name, "text/csv", out.data);
    buf_free(&out);
}
