/* rank.h - how many dimensions a set of rows fills. */
#pragma once
#include <stddef.h>

#include "common/err.h"

struct rank {
    double erank;         /* exp(entropy of s_i / sum s), shares <= 1e-10 dropped */
    double erank_sq;      /* the same over s_i^2 */
    double participation; /* (sum s^2)^2 / sum s^4 */
};

/* s [d] gets the singular values of x [n,d] with its column means removed, greatest first.
 * Constant rows have rank 0. */
MUST_CHECK enum err_code rank_spectrum(struct rank *out, double *s, const float *x, size_t n,
                                       size_t d, struct err *e);
/* From the covariance (or any multiple of it) c [d,d], which is destroyed. */
MUST_CHECK enum err_code rank_of_covariance(struct rank *out, double *c, size_t d, struct err *e);
