/* lm_gate.c - a base model has to solve its task, must not be shown the answers, and where there is a circuit to
 * look for has to have it.  What is missing misses: a test that was not made is none that was passed.
 */
#include <math.h>

#include "common/kinds/lm_gate.h"
#include "worker/runner/impl.h"

static enum err_code plan(struct job *j, struct job_plan *p, struct err *e)
{
    (void)j;
    (void)e;
    p->n_steps = 1;
    return ERR_OK;
}

static double metric_of(const struct job_input *in, const char *name)
{
    double v;

    return job_input_metric(in, name, &v) ? v : NAN;
}

/* The model says itself that its task has no residues. */
static bool has_no_residues(const struct job_input *in)
{
    return json_get(json_get(in->result, "absent"), "fourier_top5") != NULL;
}

static void fault(struct buf *why, const char *what, double v, const char *limit, double bound)
{
    buf_str(why, why->len ? "; " : "");
    if (isfinite(v))
        buf_fmt(why, "%s %.4g, %s %g", what, v, limit, bound);
    else
        buf_fmt(why, "%s is not known", what);
}

static enum err_code run(struct job *j, struct err *e)
{
    const struct lm_gate_cfg *cfg = j->cfg;
    const struct job_input *in = job_input(j, "model");
    double acc = metric_of(in, "val_acc"), leak = metric_of(in, "leak");
    double fourier = metric_of(in, "fourier_top5") / metric_of(in, "fourier_random");
    bool no_circuit = has_no_residues(in);
    struct buf why = {0};

    (void)e;
    if (!(acc >= cfg->min_acc))
        fault(&why, "accuracy", acc, "at least", cfg->min_acc);
    if (!(leak <= cfg->max_leak))
        fault(&why, "leak", leak, "at most", cfg->max_leak);
    if (!no_circuit && !(fourier >= cfg->min_fourier))
        fault(&why, "Fourier concentration over random", fourier, "at least", cfg->min_fourier);
    job_metric(j, "sound", why.len ? 0 : 1);
    job_metric(j, "base_acc", acc);
    job_metric(j, "leak", leak);
    if (no_circuit)
        job_metric_absent(j, "fourier_ratio", "the task's tokens are no residues");
    else
        job_metric(j, "fourier_ratio", fourier);
    job_verdict(j, why.len ? "negative" : "pass", why.len ? why.data : "accuracy, leak test and circuit test passed");
    job_summary(j, "%s%s.", why.len ? "Not to be used: " : "Sound: accuracy, leak test and circuit test passed", why.len ? why.data : "");
    buf_free(&why);
    return ERR_OK;
}

const struct job_impl job_impl_lm_gate = {"lm_gate", plan, run};
