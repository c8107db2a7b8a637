/* sae_pick.c - adaptive sparsity: of several comparisons, the smallest L0 that is not told apart from
 * the most stable one.
 *
 * Most stable: the greatest lower bound of trained minus random.  Not told apart: the upper bound of
 * its own difference reaches that.  `k: $pick.k_pick` trains further SAEs there.
 */
#include <math.h>

#include "common/kinds/sae_pick.h"
#include "worker/runner/impl.h"

struct condition {
    double l0, ev, lcb, ucb;
};

static enum err_code plan(struct job *j, struct job_plan *p, struct err *e)
{
    (void)e;
    while (job_input_at(j, "compares", (size_t)p->n_steps))
        p->n_steps++;
    return ERR_OK;
}

static bool read_one(struct condition *c, const struct job_input *in)
{
    double high, low;

    if (!job_input_metric(in, "l0_mean", &c->l0) || !job_input_metric(in, "ev_mean", &c->ev) ||
        !job_input_metric(in, "delta_lcb", &c->lcb) || !job_input_metric(in, "ci_high", &high) ||
        !job_input_metric(in, "random_ci_low", &low))
        return false;
    c->ucb = high - low;
    return true;
}

static enum err_code run(struct job *j, struct err *e)
{
    const struct sae_pick_cfg *cfg = j->cfg;
    struct condition c, best = {.lcb = -INFINITY}, pick = {.l0 = INFINITY};
    const struct job_input *in;
    double ev = -INFINITY, n_ties = 0;

    for (size_t i = 0; (in = job_input_at(j, "compares", i)) != NULL; i++)
        if (read_one(&c, in) && c.ev > ev)
            ev = c.ev;
    for (size_t i = 0; (in = job_input_at(j, "compares", i)) != NULL; i++)
        if (read_one(&c, in) && c.ev >= ev - cfg->ev_drop && c.lcb > best.lcb)
            best = c;
    if (!isfinite(best.lcb))
        return err_set(e, ERR_INVALID, "sae_pick: compares: none has a baseline, intervals and SAEs with EV and L0");
    for (size_t i = 0; (in = job_input_at(j, "compares", i)) != NULL; i++) {
        if (!read_one(&c, in) || c.ev < ev - cfg->ev_drop || c.ucb < best.lcb)
            continue;
        n_ties++;
        pick = c.l0 < pick.l0 ? c : pick;
    }
    job_metric(j, "k_pick", round(pick.l0));
    job_metric(j, "ev_pick", pick.ev);
    job_metric(j, "lcb_pick", pick.lcb);
    job_metric(j, "n_pick_ties", n_ties);
    job_summary(j, "L0 %.1f: EV %.4f, trained minus random at least %.4f; %.0f condition(s) are not told apart from "
                   "the best.",
                pick.l0, pick.ev, pick.lcb, n_ties);
    return ERR_OK;
}

const struct job_impl job_impl_sae_pick = {"sae_pick", plan, run};
