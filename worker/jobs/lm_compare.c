/* lm_compare.c - perplexity of an arm against its control, seed by seed (worker/jobs/lineage.h).
 *
 * Each pair gives its own change in %, and the mean over pairs with Student's interval is the tax.
 * The change against the untouched model stands beside it and decides nothing: a base that still
 * learns improves under any continued pretraining.  A model whose perplexity is not finite leaves
 * the tax without a value, which no gate lets pass.
 */
#include <math.h>
#include <stdlib.h>

#include "common/kinds/lm_compare.h"
#include "common/stats.h"
#include "worker/eval/contrast.h"
#include "worker/jobs/lineage.h"
#include "worker/runner/impl.h"

struct tax {
    struct job *j;
    size_t n;
    double *ppl, *control; /* [n] */
    double *pct, *none;    /* [n] change in % against control; zeros */
    double base;           /* NaN: no baseline */
    double n_scored;       /* of all of them */
    struct lineage pair;   /* evals -> control */
};

static size_t count(const struct job *j, const char *input)
{
    size_t n = 0;

    while (job_input_at(j, input, n))
        n++;
    return n;
}

static double change_pct(double from, double to)
{
    return 100 * (to - from) / from;
}

/* Perplexity of an evaluation, NaN if it has none. */
static enum err_code read_one(struct tax *t, const char *input, size_t i, double *ppl, struct err *e)
{
    const struct job_input *in = job_input_at(t->j, input, i);
    double n_scored;

    if (!job_input_metric(in, "ppl", ppl) || !isfinite(*ppl) || *ppl <= 0)
        *ppl = NAN;
    if (!job_input_metric(in, "n_scored", &n_scored))
        return err_set(e, ERR_INVALID, "%s: evaluation %zu lacks n_scored", input, i);
    if (isnan(t->n_scored))
        t->n_scored = n_scored;
    if (t->n_scored != n_scored)
        return err_set(e, ERR_INVALID,
                       "%s: evaluation %zu scored %.0f ids, others %.0f: not the same text and protocol",
                       input, i, n_scored, t->n_scored);
    return ERR_OK;
}

static enum err_code read_all(struct tax *t, struct err *e)
{
    for (size_t i = 0; i < t->n; i++) {
        if (read_one(t, "evals", i, &t->ppl[i], e) || read_one(t, "control", t->pair.partner[i], &t->control[i], e))
            return e->code;
        t->pct[i] = change_pct(t->control[i], t->ppl[i]);
    }
    return job_input_at(t->j, "baseline", 0) ? read_one(t, "baseline", 0, &t->base, e) : ERR_OK;
}

static void put_pairs(const struct tax *t)
{
    struct buf out = {0};

    buf_str(&out, "pair,seed,ppl,control,increase_pct,increase_base_pct\n");
    for (size_t i = 0; i < t->n; i++) {
        const double row[] = {t->ppl[i], t->control[i], t->pct[i], change_pct(t->base, t->ppl[i])};

        buf_fmt(&out, "%zu,%s", i, t->pair.seed[i]);
        for (size_t k = 0; k < ARRAY_LEN(row); k++) {
            buf_char(&out, ',');
            if (isfinite(row[k]))
                buf_f64(&out, row[k]);
        }
        buf_char(&out, '\n');
    }
    job_blob(t->j, "pairs_of_seeds", "text/csv", out.data);
    buf_free(&out);
}

static void put_metric(struct job *j, const char *name, double v, const char *why_absent)
{
    if (isfinite(v))
        job_metric(j, name, v);
    else
        job_metric_absent(j, name, why_absent);
}

static void report(const struct tax *t)
{
    static const char *const broken = "a model has no finite perplexity", *const one = "one seed";
    const struct contrast c = contrast_of(t->pct, t->none, t->n);
    const struct lm_compare_cfg *cfg = t->j->cfg;
    const double ppl = stats_mean(t->ppl, t->n), against_base = change_pct(t->base, ppl);

    job_metric(t->j, "n_seeds", (double)t->n);
    put_metric(t->j, "ppl", ppl, broken);
    put_metric(t->j, "ppl_std", t->n > 1 ? stats_std(t->ppl, t->n) : NAN, t->n > 1 ? broken : one);
    put_metric(t->j, "ppl_control", stats_mean(t->control, t->n), broken);
    put_metric(t->j, "ppl_increase_pct", c.diff, broken);
    put_metric(t->j, "ppl_increase_pct_low", c.low, t->n > 1 ? broken : one);
    put_metric(t->j, "ppl_increase_pct_high", c.high, t->n > 1 ? broken : one);
    put_metric(t->j, "ppl_increase_base_pct", against_base,
               job_input_at(t->j, "baseline", 0) ? broken : "no baseline");
    put_pairs(t);
    if (!isfinite(c.diff))
        job_verdict(t->j, "negative", broken);
    job_summary(t->j, "%s: perplexity %.4g, %+.3f %% against the control over %zu seeds (95 %% %+.3f to %+.3f), "
                      "%+.3f %% against the untouched model.",
                *cfg->label ? cfg->label : "arm", ppl, c.diff, t->n, c.low, c.high, against_base);
}

static enum err_code plan(struct job *j, struct job_plan *p, struct err *e)
{
    size_t n = count(j, "evals"), m = count(j, "control");

    if (n != m || n < 1)
        return err_set(e, ERR_INVALID,
                       "lm_compare: evals: %zu against %zu in control: pairs of equal seeds are compared",
                       n, m);
    p->n_steps = (int64_t)n;
    return ERR_OK;
}

static enum err_code run(struct job *j, struct err *e)
{
    struct tax t = {.j = j, .n = count(j, "evals"), .base = NAN, .n_scored = NAN};
    enum err_code rc;

    t.ppl = calloc(4 * t.n, sizeof *t.ppl);
    if (!t.ppl)
        return err_set(e, ERR_NOMEM, "lm_compare: %zu evaluations: out of memory", t.n);
    t.control = t.ppl + t.n;
    t.pct = t.control + t.n;
    t.none = t.pct + t.n;
    rc = lineage_pair(&t.pair, j, "evals", "control", e);
    if (!rc)
        rc = read_all(&t, e);
    if (!rc)
        report(&t);
    lineage_free(&t.pair);
    free(t.ppl);
    return rc ? err_wrap(e, "lm_compare") : ERR_OK;
}

const struct job_impl job_impl_lm_compare = {"lm_compare", plan, run};
