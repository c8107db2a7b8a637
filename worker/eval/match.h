/* match.h - how well the features of two dictionaries agree.
 *
 * A dictionary is a set of unit directions, rows of [f,d].  C = A B^T is made tile by tile; only the
 * one-to-one matchings hold all of it (f_a * f_b floats).  Sums in double.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "worker/num/real.h"

struct dict {
    const real *dir; /* [f,d], unit rows */
    size_t f, d;
};

struct match {
    double pwmcc;      /* 1/2 (mean_i max_j |C_ij| + mean_j max_i |C_ij|) */
    double mmcs;       /* 1/2 (mean_i max_j C_ij + mean_j max_i C_ij) */
    double mmcs_rows;  /* mean_i max_j C_ij */
};
MUST_CHECK enum err_code match_max(struct match *out, const struct dict *a, const struct dict *b,
                                   struct err *e);
/* best [a->f]: the largest |cos| of each feature of a with any of b. */
MUST_CHECK enum err_code match_best(real *best, const struct dict *a, const struct dict *b,
                                    struct err *e);
/* Largest |cos| between two features of one dictionary; 0 for a single feature. */
MUST_CHECK enum err_code match_duplicates(double *out, const struct dict *a, struct err *e);

/* Maximum-weight one-to-one matching; mean of the min(f_a, f_b) matched values of C, or of |C|.
 * partner [f_a] (may be NULL): feature of b, or UINT32_MAX. */
MUST_CHECK enum err_code match_hungarian(double *mean, uint32_t *partner, const struct dict *a,
                                         const struct dict *b, bool is_abs, struct err *e);

struct subspace {
    double overlap;   /* mean squared cosine of the principal angles */
    double grassmann; /* norm of the principal angles */
};
/* basis [k,d]: the first k left singular vectors of the [d,f] dictionary; k at most d and f. */
MUST_CHECK enum err_code match_basis(double *basis, const struct dict *a, size_t k, struct err *e);
/* Of two bases [k,d]. */
MUST_CHECK enum err_code match_subspace(struct subspace *out, const double *a, const double *b,
                                        size_t k, size_t d, struct err *e);
