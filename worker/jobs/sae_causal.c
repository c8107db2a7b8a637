/* sae_causal.c - a causal check of agreement between seeds.
 *
 * Each SAE's features are scored by how well the other SAEs match them.  The best matched ones are
 * ablated in the model, and so are as many of the worse matched half whose activation mass is nearest,
 * so that a difference is not one of size.  Everything else of the activation stays as it is.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/kinds/sae_causal.h"
#include "common/stats.h"
#include "worker/eval/match.h"
#include "worker/data/acts.h"
#include "worker/jobs/sae_splice.h"
#include "worker/runner/impl.h"
#include "worker/sae/format.h"
#include "worker/sae/sae_io.h"

enum { MATCHED, OTHER, GROUPS };
enum { MODE_AS_IT_IS, MODE_ABLATE, MODE_STEER = MODE_ABLATE + GROUPS, MODES = MODE_STEER + GROUPS };

/* What one SAE gives, by group. */
struct effect {
    double loss[GROUPS], acc[GROUPS], kl[GROUPS], match[GROUPS], mass[GROUPS];
    double ce, right;
    size_t n_features;
};

struct causal {
    const struct sae_causal_cfg *cfg;
    struct splice splice;
    struct acts acts;
    struct sae_model *m;     /* [n] */
    struct sae_dict *dict;   /* [n] */
    size_t n;
    bool has_acts, has_model;
};

static void close_all(struct causal *v)
{
    for (size_t i = 0; i < v->n; i++) {
        sae_model_free(&v->m[i]);
        sae_dict_free(&v->dict[i]);
    }
    free(v->m);
    free(v->dict);
    if (v->has_acts)
        acts_close(&v->acts);
    if (v->has_model)
        lm_file_close(&v->splice.file);
}

static enum err_code open_sae(struct causal *v, const char *dir, struct err *e)
{
    const struct sae_format_opts o = {0};
    struct sae_model *m = &v->m[v->n];
    struct buf path = {0};
    enum err_code rc;

    if (sae_format_read(m, dir, "saegrid", &o, e))
        return e->code;
    buf_fmt(&path, "%s/%s", dir, SAE_FILE);
    rc = sae_dict_load(&v->dict[v->n], path.data, e);
    buf_free(&path);
    v->n++; /* the model is freed by close_all, whatever became of the dictionary */
    if (!rc && (m->scale != SAE_SCALE_NONE || m->is_rescaled))
        rc = err_set(e, ERR_INVALID, "%s: rescales its input: a feature's part of x is not a_f d_f", dir);
    if (!rc && m->is_transcoder)
        rc = err_set(e, ERR_INVALID, "%s: a transcoder: its features are no part of what it reads", dir);
    if (!rc && m->d != v->acts.d)
        rc = err_set(e, ERR_INVALID, "%s: takes %zu dims, the rows have %zu", dir, m->d, v->acts.d);
    return rc;
}

static enum err_code open_all(struct causal *v, const struct job *j, struct err *e)
{
    size_t n = 0;

    *v = (struct causal){.cfg = j->cfg};
    while (job_input_at(j, "saes", n))
        n++;
    if (n < 2)
        return err_set(e, ERR_INVALID, "saes: %zu given: a feature is matched with those of another SAE", n);
    v->m = calloc(n, sizeof *v->m);
    v->dict = calloc(n, sizeof *v->dict);
    if (!v->m || !v->dict)
        return err_set(e, ERR_NOMEM, "%zu SAEs: out of memory", n);
    if (acts_open(&v->acts, job_input(j, "acts")->dir, e))
        return err_wrap(e, "acts");
    v->has_acts = true;
    for (size_t i = 0; i < n; i++)
        if (open_sae(v, job_input_at(j, "saes", i)->dir, e))
            return err_wrap(e, "saes");
    if (splice_open(&v->splice, j, &v->m[0], e))
        return e->code;
    v->has_model = true;
    if (v->splice.n > (size_t)v->cfg->n_examples)
        v->splice.n = (size_t)v->cfg->n_examples;
    return ERR_OK;
}

static enum err_code plan(struct job *j, struct job_plan *p, struct err *e)
{
    struct causal v;
    enum err_code rc = open_all(&v, j, e);

    for (size_t i = 0; !rc && i < v.n; i++) {
        size_t splice = splice_bytes(&v.splice, &v.m[i]);
        size_t rows = sae_infer_bytes(&v.m[i], sae_infer_rows(&v.m[i], v.acts.n));

        splice = rows > splice ? rows : splice;
        p->arena_bytes = splice > p->arena_bytes ? splice : p->arena_bytes;
    }
    p->n_steps = rc ? 0 : (int64_t)v.splice.n;
    close_all(&v);
    return rc ? err_wrap(e, "sae_causal") : ERR_OK;
}

/* --- which features ---------------------------------------------------------------------------- */

/* score [f]: mean over the other SAEs of the best |cos|. */
static enum err_code score_features(double *score, const struct causal *v, size_t own, struct err *e)
{
    const struct dict a = {v->dict[own].dir, v->dict[own].f, v->dict[own].d};
    real *best = malloc(a.f * sizeof *best);

    if (!best)
        return err_set(e, ERR_NOMEM, "%zu features: out of memory", a.f);
    for (size_t i = 0; i < v->n; i++) {
        const struct dict b = {v->dict[i].dir, v->dict[i].f, v->dict[i].d};

        if (i != own && match_best(best, &a, &b, e)) {
            free(best);
            return e->code;
        }
        for (size_t f = 0; i != own && f < a.f; f++)
            score[f] += (double)best[f] / (double)(v->n - 1);
    }
    free(best);
    return ERR_OK;
}

/* mass [f]: mean over the rows of a_f |d_f|. */
static enum err_code weigh_features(double *mass, const struct causal *v, size_t own, struct job *j,
                                    struct err *e)
{
    const struct sae_model *m = &v->m[own];
    size_t mark = arena_mark(j->arena), rows = sae_infer_rows(m, v->acts.n);
    struct sae_infer w;

    sae_infer_new(&w, m, rows, j->arena);
    for (size_t at = 0; at < v->acts.n; at += rows) {
        size_t now = v->acts.n - at < rows ? v->acts.n - at : rows;

        if (!sae_infer_run(&w, v->acts.x + at * v->acts.d, now))
            return err_set(e, ERR_INVALID, "a pre-activation is not finite");
        for (size_t i = 0; i < now; i++)
            for (size_t f = 0; f < m->f; f++)
                mass[f] += fabs((double)w.a[i * m->f + f]);
    }
    for (size_t f = 0; f < m->f; f++)
        mass[f] *= sae_model_norm(m, f) / (double)v->acts.n;
    arena_reset(j->arena, mark);
    return ERR_OK;
}

struct ranked {
    double score;
    size_t feature;
};

static int by_score(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;

    if (x->score != y->score)
        return x->score < y->score ? 1 : -1;
    return x->feature < y->feature ? -1 : 1;
}

/* The feature of order[from..n) that is not chosen yet and whose mass is nearest. */
static size_t nearest(const struct ranked *order, size_t from, size_t n, const double *mass, double want,
                      const unsigned char *chosen)
{
    size_t best = SIZE_MAX;

    for (size_t i = from; i < n; i++) {
        size_t f = order[i].feature;

        if (!chosen[f] && (best == SIZE_MAX || fabs(mass[f] - want) < fabs(mass[best] - want)))
            best = f;
    }
    return best;
}

static void note(struct effect *x, int group, double score, double mass)
{
    x->match[group] += score / (double)x->n_features;
    x->mass[group] += mass;
}

/* chosen [GROUPS][f] */
static enum err_code choose(unsigned char *chosen, struct effect *x, const double *score, const double *mass,
                            size_t f, size_t want, struct err *e)
{
    struct ranked *order = malloc(f * sizeof *order);
    size_t alive = 0;

    if (!order)
        return err_set(e, ERR_NOMEM, "%zu features: out of memory", f);
    for (size_t i = 0; i < f; i++)
        if (mass[i] > 0)
            order[alive++] = (struct ranked){score[i], i};
    qsort(order, alive, sizeof *order, by_score);
    x->n_features = want < alive / 4 ? want : alive / 4;
    for (size_t i = 0; i < x->n_features; i++) {
        size_t own = order[i].feature;
        size_t other = nearest(order, alive / 2, alive, mass, mass[own], chosen + OTHER * f);

        chosen[MATCHED * f + own] = chosen[OTHER * f + other] = 1;
        note(x, MATCHED, score[own], mass[own]);
        note(x, OTHER, score[other], mass[other]);
    }
    free(order);
    return x->n_features ? ERR_OK
                         : err_set(e, ERR_INVALID, "%zu features are alive: too few to compare groups", alive);
}

/* --- what becomes of the model ------------------------------------------------------------------ */

static enum err_code run_modes(struct effect *x, struct causal *v, size_t own, struct job *j,
                               const unsigned char *chosen, struct err *e)
{
    const struct sae_model *m = &v->m[own];
    struct splice_mode modes[MODES] = {[MODE_AS_IT_IS] = {SPLICE_AS_IT_IS, NULL, 0}};
    struct splice_sums sums[MODES];

    for (int g = 0; g < GROUPS; g++) {
        modes[MODE_ABLATE + g] = (struct splice_mode){SPLICE_EDIT, chosen + (size_t)g * m->f, 0};
        modes[MODE_STEER + g] = (struct splice_mode){SPLICE_EDIT, chosen + (size_t)g * m->f, (real)v->cfg->steer};
    }
    if (splice_measure(&v->splice, j, m, modes, MODES, sums, e))
        return e->code;
    const double n = (double)sums[0].n;
    x->ce = sums[0].loss / n;
    x->right = (double)sums[0].n_right / n;
    for (int g = 0; g < GROUPS; g++) {
        x->loss[g] = sums[MODE_ABLATE + g].loss / n - x->ce;
        x->acc[g] = x->right - (double)sums[MODE_ABLATE + g].n_right / n;
        x->kl[g] = sums[MODE_STEER + g].kl / n;
    }
    return ERR_OK;
}

static enum err_code one_sae(struct effect *x, struct causal *v, size_t own, struct job *j, struct err *e)
{
    size_t f = v->m[own].f;
    double *score = calloc(2 * f, sizeof *score), *mass = score + f;
    unsigned char *chosen = calloc(GROUPS, f);
    enum err_code rc = score && chosen ? ERR_OK : err_set(e, ERR_NOMEM, "%zu features: out of memory", f);

    if (!rc)
        rc = score_features(score, v, own, e);
    if (!rc)
        rc = weigh_features(mass, v, own, j, e);
    if (!rc)
        rc = choose(chosen, x, score, mass, f, (size_t)v->cfg->n_features, e);
    if (!rc)
        rc = run_modes(x, v, own, j, chosen, e);
    free(score);
    free(chosen);
    return rc;
}

/* --- report ------------------------------------------------------------------------------------- */

static void report_means(struct job *j, const struct effect *x, size_t n)
{
    static const struct {
        const char *name;
        size_t at;
    } rows[] = {
        {"causal_matched", offsetof(struct effect, loss[MATCHED])}, {"causal_other", offsetof(struct effect, loss[OTHER])},
        {"causal_acc_matched", offsetof(struct effect, acc[MATCHED])}, {"causal_acc_other", offsetof(struct effect, acc[OTHER])},
        {"steer_matched", offsetof(struct effect, kl[MATCHED])}, {"steer_other", offsetof(struct effect, kl[OTHER])},
        {"match_matched", offsetof(struct effect, match[MATCHED])}, {"match_other", offsetof(struct effect, match[OTHER])},
        {"mass_matched", offsetof(struct effect, mass[MATCHED])}, {"mass_other", offsetof(struct effect, mass[OTHER])},
        {"ce_orig", offsetof(struct effect, ce)}, {"acc_orig", offsetof(struct effect, right)},
    };

    for (size_t r = 0; r < ARRAY_LEN(rows); r++) {
        double sum = 0;

        for (size_t i = 0; i < n; i++)
            sum += *(const double *)((const char *)&x[i] + rows[r].at);
        job_metric(j, rows[r].name, sum / (double)n);
    }
    job_metric(j, "n_seeds", (double)n);
}

/* gap, matched [n] */
static void report_spread(struct job *j, const double *gap, const double *matched, size_t n)
{
    double low, high, mean = stats_mean(matched, n);

    job_series_unit(j, "SAE");
    for (size_t i = 0; i < n; i++)
        job_series(j, "causal_gap", (int64_t)i, gap[i]);
    stats_t_interval(gap, n, 0.95, &low, &high);
    job_metric(j, "causal_gap", stats_mean(gap, n));
    job_metric(j, "causal_gap_std", stats_std(gap, n));
    job_metric(j, "causal_gap_low", low);
    job_metric(j, "causal_gap_high", high);
    if (mean > 0)
        job_metric(j, "causal_consistency", fmax(0, 1 - stats_std(matched, n) / mean));
    else
        job_metric_absent(j, "causal_consistency", "ablating the matched features does not raise the loss");
    job_summary(j, "Loss added by ablating matched features: %.4f; beyond that by others of equal mass: %.4f "
                   "(95 %% interval over %zu SAEs %.4f to %.4f).",
                mean, stats_mean(gap, n), n, low, high);
}

static enum err_code measure(struct causal *v, struct job *j, struct err *e)
{
    struct effect *x = calloc(v->n, sizeof *x);
    double *gap = calloc(2 * v->n, sizeof *gap), *matched = gap + v->n, value;
    enum err_code rc = x && gap ? ERR_OK : err_set(e, ERR_NOMEM, "%zu SAEs: out of memory", v->n);

    for (size_t i = 0; i < v->n && !rc; i++) {
        rc = one_sae(&x[i], v, i, j, e);
        gap[i] = x[i].loss[MATCHED] - x[i].loss[OTHER];
        matched[i] = x[i].loss[MATCHED];
    }
    if (!rc) {
        job_summary(j, "%zu features of each group of %zu SAEs, %zu examples.", x[0].n_features, v->n, v->splice.n);
        report_means(j, x, v->n);
        report_spread(j, gap, matched, v->n);
        if (job_input_metric(job_input(j, "acts"), "leak", &value))
            job_metric(j, "leak", value);
    }
    free(x);
    free(gap);
    return rc;
}

static enum err_code run(struct job *j, struct err *e)
{
    struct causal v;
    enum err_code rc = open_all(&v, j, e);

    if (!rc)
        rc = measure(&v, j, e);
    close_all(&v);
    return rc ? err_wrap(e, "sae_causal") : ERR_OK;
}

const struct job_impl job_impl_sae_causal = {"sae_causal", plan, run};
