/* ksharp.c - picks k_sharp from the degradation curve of a sae_intervene job.
 *
 * If no tested k stays within the limit there is no k_sharp: the metric is absent, the verdict
 * negative, and jobs that take the value do not run.
 */
#include "common/kinds/ksharp.h"

#include <inttypes.h>
#include <string.h>

#include "worker/eval/degrade.h"
#include "worker/runner/impl.h"

static const char *curve_text(const struct job_input *in, const char *curve)
{
    for (const struct json *b = json_first(json_get(in->result, "blobs")); b; b = json_next(b)) {
        const char *name = json_str(json_get(b, "name"));

        if (name && strcmp(name, curve) == 0)
            return json_str(json_get(b, "text"));
    }
    return NULL;
}

static enum err_code plan(struct job *j, struct job_plan *p, struct err *e)
{
    (void)j;
    (void)e;
    p->n_steps = 1;
    return ERR_OK;
}

static void report_none(struct job *j, const struct degrade_curve *c, double max_pct)
{
    static const char *const why = "no tested k stays within the limit";

    job_metric_absent(j, "k_sharp", why);
    job_metric_absent(j, "k_sharp_loss_pct", why);
    job_verdict(j, "negative", why);
    job_summary(j, "None of %zu tested k loses less than %g %% of perplexity: train an SAE that "
                   "reconstructs better, or test larger k.",
                c->n, max_pct);
}

static void report(struct job *j, const struct degrade_curve *c, int64_t k)
{
    const struct ksharp_cfg *cfg = j->cfg;

    job_metric(j, "k_sharp", (double)k);
    for (size_t i = 0; i < c->n; i++)
        if (c->point[i].k == k)
            job_metric(j, "k_sharp_loss_pct", c->point[i].pct);
    job_summary(j, "k_sharp = %" PRId64 ": the smallest of %zu tested k that loses less than %g %% of perplexity%s. "
                   "The curve is %smonotone.",
                k, c->n, cfg->max_degradation,
                strcmp(cfg->pick, "safe") == 0 ? ", as does every larger one" : "",
                degrade_is_monotone(c) ? "" : "not ");
}

static enum err_code run(struct job *j, struct err *e)
{
    const struct ksharp_cfg *cfg = j->cfg;
    const bool is_all = strcmp(cfg->positions, "all") == 0;
    const char *text = curve_text(job_input(j, "curve"),
                                  is_all ? "degradation_pct" : "degradation_pct_skip0");
    struct degrade_curve c;
    int64_t k;

    if (!text)
        return err_set(e, ERR_CORRUPT, "ksharp: curve: its result has no degradation curve");
    if (degrade_parse(&c, text, e))
        return err_wrap(e, "ksharp: curve");
    if (degrade_pick(&c, cfg->max_degradation, strcmp(cfg->pick, "safe") == 0, &k))
        report(j, &c, k);
    else
        report_none(j, &c, cfg->max_degradation);
    return ERR_OK;
}

const struct job_impl job_impl_ksharp = {"ksharp", plan, run};
