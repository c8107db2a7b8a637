/* bias_rule.h - group bias adaptation (Chen et al. 2025, arXiv:2506.14002).
 *
 * Features are split at random into groups; group k has a target activation frequency p_k, geometric
 * from `high` to `low`.  Every `every` steps, with p the share of rows on which a feature was active
 * and r its largest activation since the last time:
 *   p > p_k:  b = max(b - gamma r, -1)      p < eps:  b = min(b + gamma T_k, 0),
 * T_k the mean of the positive r of its group.  The paper's constants and its normalisation of the
 * inputs are unverified.
 */
#pragma once
#include "worker/sae/sae.h"

struct bias_rule {
    double high, low, gamma, eps;
    int64_t every;
    size_t n_groups;
    uint32_t *group;   /* [f] */
    double *fired;     /* [f] rows since the last adaptation */
    real *peak;        /* [f] */
    double since[2];   /* steps, rows */
};

size_t bias_rule_bytes(size_t f);
/* The constants are the caller's. */
void bias_rule_new(struct bias_rule *b, size_t f, struct arena *a);
void bias_rule_split(struct bias_rule *b, size_t f, uint64_t seed);
/* After every step. */
void bias_rule_step(struct bias_rule *b, struct sae *s, const struct sae_work *w);
