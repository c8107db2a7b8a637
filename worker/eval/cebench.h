/* cebench.h - CE-Bench's contrastive slice: do a few features tell two rows apart?
 *
 * Of a pair: d = |v1 - v2|, i = |mean of both - mean of all pairs so far|, each as z-scores over the
 * features; the scores are the greatest z of d, of i, and of d + i, mean over the pairs.  (The
 * published code adds the running mean to itself, so that it stays 0; here it is of the pairs.)
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

struct cebench {
    double contrastive, independent, interpretability;
};
/* Pairs (one[i], two[i]) of rows of a [.,f]; n >= 1. */
MUST_CHECK enum err_code cebench_measure(struct cebench *out, const float *a, size_t f,
                                          const uint32_t *one, const uint32_t *two, size_t n,
                                          struct err *e);
