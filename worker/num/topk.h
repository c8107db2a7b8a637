/* topk.h - the k largest entries of a row, exactly and deterministically.
 *
 * Ties are won by the lower index.  Indices come out ascending.  A threshold from group maxima
 * leaves little more than k candidates, so the cost is about one pass over the row.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "worker/num/real.h"

#ifdef REAL_IS_DOUBLE
typedef int64_t topk_key; /* orders as the numbers do */
#else
typedef int32_t topk_key;
#endif

struct topk_scratch {
    real *bound;    /* [f] */
    topk_key *key;  /* [f + TOPK_SLACK] */
    uint32_t *cand; /* [f + TOPK_SLACK] */
};

enum { TOPK_SLACK = 16 };

/* z += bias (NULL: none), then the k largest; with `positive`, of those > 0 only.
 * idx, val [k].  Returns how many, or SIZE_MAX if an entry of z is not finite. */
size_t topk_row(uint32_t *idx, real *val, real *z, const real *bias, size_t f, size_t k,
                bool positive, const struct topk_scratch *s);

/* The same of a list: value_i belongs to entry cand_i, i < n, ascending; both lists have TOPK_SLACK
 * entries to spare. */
size_t topk_pick(uint32_t *idx, real *val, const uint32_t *cand, real *value, size_t n, size_t k,
                 bool positive, const struct topk_scratch *s);

/* cand = indices of entries of z [f] that are >= t, ascending; returns their number.  cand has
 * f + TOPK_SLACK entries. */
size_t topk_gather(uint32_t *cand, const real *z, size_t f, real t);

/* The k-th largest of g >= k group maxima is a lower bound of the k-th largest entry.  Groups for k
 * of f entries, a multiple of 16 (0: too few entries for it to help); a number with at least k of
 * the maxima at or above it, and not many more. */
size_t topk_groups(size_t f, size_t k);
real topk_bound(const real *m, size_t g, size_t k);
