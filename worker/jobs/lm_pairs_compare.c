/* lm_pairs_compare.c - two models on the same minimal pairs (worker/eval/pairstat.h). */
#include <string.h>

#include "common/kinds/lm_pairs_compare.h"
#include "worker/eval/pairstat.h"
#include "worker/jobs/pair_scores.h"
#include "worker/runner/impl.h"

static enum err_code plan(struct job *j, struct job_plan *p, struct err *e)
{
    (void)j, (void)p, (void)e; /* two tables of a few megabytes */
    return ERR_OK;
}

static enum err_code compare(struct job *j, const struct pair_scores *a, const struct pair_scores *b,
                             struct err *e)
{
    const struct lm_pairs_compare_cfg *c = j->cfg;

    if (strcmp(a->mode, b->mode) != 0)
        return err_set(e, ERR_INVALID, "one was scored in mode %s, the other in %s", a->mode, b->mode);
    if (a->n != b->n || strcmp(a->keys, b->keys) != 0)
        return err_set(e, ERR_INVALID, "the two were not scored on the same pairs (%zu and %zu)", a->n, b->n);
    const struct pair_delta_in in = {
        .a_good = a->good, .a_bad = a->bad, .b_good = b->good, .b_bad = b->bad, .group = a->group,
        .n = a->n, .n_groups = a->n_groups, .n_boot = (size_t)c->n_boot, .seed = (uint64_t)c->seed,
        .tie_is_right = strcmp(a->mode, "legacy") != 0};
    struct pair_delta d = pair_delta(&in);

    job_metric(j, "pair_delta", d.accuracy);
    job_metric(j, "pair_delta_low", d.ci_low);
    job_metric(j, "pair_delta_high", d.ci_high);
    job_metric(j, "pair_detectable", d.detectable);
    job_metric(j, "p_mcnemar", d.p_mcnemar);
    job_metric(j, "pairs_gained", (double)d.n_gained);
    job_metric(j, "pairs_lost", (double)d.n_lost);
    job_metric(j, "margin_delta", d.margin);
    job_metric(j, "margin_delta_low", d.margin_low);
    job_metric(j, "margin_delta_high", d.margin_high);
    job_summary(j, "Accuracy %+.4f against the baseline, 95 %% interval %+.4f to %+.4f over %zu pairs; "
                   "%zu gained, %zu lost (McNemar p = %.3g); %.4f could have been found.",
                d.accuracy, d.ci_low, d.ci_high, a->n, d.n_gained, d.n_lost, d.p_mcnemar, d.detectable);
    job_summary(j, "Margin %+.4f nats, interval %+.4f to %+.4f.", d.margin, d.margin_low, d.margin_high);
    return ERR_OK;
}

static enum err_code run(struct job *j, struct err *e)
{
    struct pair_scores a, b;

    if (pair_scores_read(&a, job_input(j, "pairs")->dir, e))
        return err_wrap(e, "lm_pairs_compare: pairs");
    enum err_code rc = pair_scores_read(&b, job_input(j, "baseline")->dir, e);
    if (rc) {
        pair_scores_free(&a);
        return err_wrap(e, "lm_pairs_compare: baseline");
    }
    rc = compare(j, &a, &b, e);
    pair_scores_free(&a);
    pair_scores_free(&b);
    return rc ? err_wrap(e, "lm_pairs_compare") : ERR_OK;
}

const struct job_impl job_impl_lm_pairs_compare = {"lm_pairs_compare", plan, run};
