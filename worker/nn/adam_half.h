/* adam_half.h - AdamW on rows of which weights or moments lie in bfloat16.
 *
 * A step is made in float as adam.h says and rounded when stored.  Rounding to nearest loses every
 * step that is smaller than half a unit of its weight, 2^-9 of it: training stops.  Stochastic rounding
 * goes up with the probability of what is cut off, so the steps arrive in the mean.  Its random bits
 * are a function of (seed, step, row, part, index) alone: no state, any number of threads.
 */
#pragma once
#include "worker/nn/adam.h"

struct adam_round {
    uint64_t seed;
    bool is_nearest;
};

/* Entries [at, at + n) of row number `row`, of which any of data16, m16, v16 may be set; step counts
 * from 1. */
void adam_half_range(struct param *p, uint32_t row, size_t at, size_t n, const struct adam_coef *c,
                     int64_t step, const struct adam_round *r);
