/* sae_quality.c - see sae_quality.h. */
#include "worker/jobs/sae_quality.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "worker/eval/match.h"
#include "worker/eval/rank.h"
#include "worker/num/vec.h"

size_t sae_quality_bytes(const struct sae_model *m, size_t n)
{
    size_t rows = sae_infer_rows(m, n);

    return sae_infer_bytes(m, rows) + arena_need(rows * m->o, sizeof(real)) +
           arena_need(m->o, sizeof(double)) + arena_need(recon_room(m->o), sizeof(double)) + arena_need(m->f, sizeof(uint64_t)) +
           arena_need(m->f, sizeof(double));
}

enum err_code sae_quality_fits(const struct sae_model *m, const struct acts_pair *acts,
                               struct err *e)
{
    if (acts->x.d != m->d)
        return err_set(e, ERR_INVALID, "acts: rows of %zu dims, the SAE takes %zu", acts->x.d, m->d);
    if (acts->y.d != m->o)
        return err_set(e, ERR_INVALID, "target: rows of %zu dims, the SAE predicts %zu", acts->y.d, m->o);
    if (acts->has_y != m->is_transcoder)
        return err_set(e, ERR_INVALID, acts->has_y ? "target: the SAE is not a transcoder"
                                                   : "target: a transcoder predicts other rows than it reads");
    if (acts->x.n < 1)
        return err_set(e, ERR_INVALID, "acts: no rows");
    return ERR_OK;
}

/* --- weights ---------------------------------------------------------------------------------- */

static real *unit_rows(const real *x, size_t f, size_t d, struct err *e)
{
    real *out = malloc(f * d * sizeof *out);

    if (!out) {
        err_set(e, ERR_NOMEM, "%zu x %zu directions: out of memory", f, d);
        return NULL;
    }
    memcpy(out, x, f * d * sizeof *out);
    for (size_t i = 0; i < f; i++)
        vec_normalise(out + i * d, d);
    return out;
}

/* Rank of the uncentred [f,d]: its Gram matrix [d,d] stands in for the covariance. */
static enum err_code rank_of(double *out, const real *dir, size_t f, size_t d, struct err *e)
{
    double *gram = calloc(d * d, sizeof *gram);
    struct rank rank;
    enum err_code rc;

    if (!gram)
        return err_set(e, ERR_NOMEM, "%zu x %zu: out of memory", d, d);
    for (size_t i = 0; i < f; i++)
        for (size_t a = 0; a < d; a++)
            for (size_t b = a; b < d; b++)
                gram[a * d + b] += (double)dir[i * d + a] * (double)dir[i * d + b];
    for (size_t a = 0; a < d; a++)
        for (size_t b = 0; b < a; b++)
            gram[a * d + b] = gram[b * d + a];
    rc = rank_of_covariance(&rank, gram, d, e);
    *out = rank.erank;
    free(gram);
    return rc;
}

static enum err_code alignment(struct job *j, const struct sae_model *m, struct err *e)
{
    static const char *const names[] = {"align_mean", "align_cos"};
    double *dot = calloc(m->f, sizeof *dot), sum = 0, cosines = 0;

    for (size_t i = 0; m->is_transcoder && i < ARRAY_LEN(names); i++)
        job_metric_absent(j, names[i], "a transcoder reads and writes at different hooks");
    if (m->is_transcoder) {
        free(dot);
        return ERR_OK;
    }
    if (!dot)
        return err_set(e, ERR_NOMEM, "%zu features: out of memory", m->f);
    for (size_t i = 0; i < m->f; i++) {
        const real *w = m->enc + i * m->d, *dir = m->dir + i * m->d;
        double norm = sqrt(vec_sumsq(w, m->d) * vec_sumsq(dir, m->d));

        for (size_t c = 0; c < m->d; c++)
            dot[i] += (double)w[c] * (double)dir[c];
        sum += dot[i];
        cosines += norm > 0 ? dot[i] / norm : 0;
    }
    job_metric(j, "align_mean", sum / (double)m->f);
    job_metric(j, "align_cos", cosines / (double)m->f);
    job_histogram(j, "alignment", dot, m->f);
    free(dot);
    return ERR_OK;
}

enum err_code sae_quality_weights(struct job *j, const struct sae_model *m, struct err *e)
{
    real *dir = unit_rows(m->dir, m->f, m->o, e), *enc = dir ? unit_rows(m->enc, m->f, m->d, e) : NULL;
    double value = 0;
    enum err_code rc = dir && enc ? ERR_OK : e->code;

    if (!rc) {
        struct dict d = {dir, m->f, m->o};

        rc = match_duplicates(&value, &d, e);
        job_metric(j, "dup_cos_max", value);
    }
    if (!rc) {
        struct dict d = {enc, m->f, m->d};

        rc = match_duplicates(&value, &d, e);
        job_metric(j, "enc_dup_cos_max", value);
    }
    if (!rc) {
        rc = rank_of(&value, dir, m->f, m->o, e);
        job_metric(j, "dec_erank", value);
    }
    if (!rc)
        rc = alignment(j, m, e);
    free(dir);
    free(enc);
    return rc;
}

/* --- rows ------------------------------------------------------------------------------------- */

struct pass {
    struct sae_infer infer;
    struct recon recon;
    real *rows;
    double *density;         /* [f] */
    uint64_t *count;         /* [f] */
    double l1;
    uint64_t n_on;
};

static void count_active(struct pass *p)
{
    size_t f = p->infer.m->f;

    for (size_t r = 0; r < p->infer.n; r++)
        for (size_t i = 0; i < f; i++) {
            real a = p->infer.a[r * f + i];

            p->count[i] += a != 0;
            p->n_on += a != 0;
            p->l1 += fabs((double)a);
        }
}

static enum err_code all_rows(struct pass *p, struct job *j, const struct acts_pair *acts, size_t n,
                              float *keep, struct err *e)
{
    size_t d = acts->x.d, o = acts->y.d;

    for (size_t at = 0; at < n; at += p->infer.n_max) {
        size_t take = n - at < p->infer.n_max ? n - at : p->infer.n_max;

        if (job_stop_wanted(j))
            return err_set(e, ERR_STOPPED, "stopped at row %zu of %zu", at, n);
        if (!sae_infer_run(&p->infer, acts->x.x + at * d, take))
            return err_set(e, ERR_INVALID, "rows %zu to %zu: a pre-activation is not finite", at,
                           at + take - 1);
        for (size_t i = 0; i < take * o; i++)
            p->rows[i] = (real)acts->y.x[at * o + i];
        recon_add(&p->recon, p->rows, p->infer.xhat, take);
        count_active(p);
        for (size_t i = 0; keep && i < take * o; i++)
            keep[at * o + i] = (float)p->infer.xhat[i];
        job_progress(j, (int64_t)(at + take), (int64_t)n, "rows");
    }
    return ERR_OK;
}

static void report(struct job *j, struct pass *p, size_t n, struct sae_quality *out)
{
    size_t f = p->infer.m->f;
    const struct recon_result r = recon_result(&p->recon);
    const struct {
        const char *name;
        double value;
    } rows[] = {{"ev", r.ev},
                {"ev_residvar", r.ev_residvar},
                {"ev_husai_global", r.ev_husai_global},
                {"ev_husai_train", r.ev_husai_train},
                {"ev_legacy", r.ev_legacy},
                {"nmse_raw", r.nmse_raw},
                {"mse", r.mse},
                {"mse_sum", r.mse_sum},
                {"cosine", r.cosine},
                {"l2_ratio", r.l2_ratio},
                {"rel_bias", r.rel_bias},
                {"l0", (double)p->n_on / (double)n},
                {"l1", p->l1 / (double)n},
                {"n_rows", (double)n}};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        job_metric(j, rows[i].name, rows[i].value);
    for (size_t i = 0; i < f; i++)
        p->density[i] = log10((double)p->count[i] / (double)n + 1e-10);
    job_histogram(j, "log10_activation_frequency", p->density, f);
    const struct density den = density_of(p->count, f, n);
    job_metric(j, "dead_pct", den.dead_pct);
    job_metric(j, "dense_pct", den.dense_pct);
    job_metric(j, "freq_min", den.min);
    job_metric(j, "freq_median", den.median);
    job_metric(j, "freq_mean", den.mean);
    job_metric(j, "freq_max", den.max);
    *out = (struct sae_quality){r, (double)p->n_on / (double)n, den.dead_pct};
}

enum err_code sae_quality_rows(struct job *j, const struct sae_model *m, const struct acts_pair *acts,
                               size_t n, float *keep, struct sae_quality *out, struct err *e)
{
    size_t mark = arena_mark(j->arena), rows = sae_infer_rows(m, n);
    struct pass p = {0};
    enum err_code rc;

    sae_infer_new(&p.infer, m, rows, j->arena);
    p.rows = arena_new(j->arena, real, rows * m->o);
    double *mean = arena_new(j->arena, double, m->o);
    double *room = arena_new(j->arena, double, recon_room(m->o));
    p.count = arena_new(j->arena, uint64_t, m->f);
    p.density = arena_new(j->arena, double, m->f);
    recon_means(mean, acts->y.x, n, m->o);
    recon_init(&p.recon, mean, room, m->o);
    rc = all_rows(&p, j, acts, n, keep, e);
    if (!rc)
        report(j, &p, n, out);
    arena_reset(j->arena, mark);
    return rc;
}
