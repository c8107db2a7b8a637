/* surrogate.h - control rows that keep some of a matrix's statistics: x [n,d], in place.
 *
 * gaussian: rows drawn from N(mean, covariance) of the columns of x, by eigenvectors, so that a
 * covariance without full rank is kept as it is.  shuffle: each column permuted on its own: the
 * marginals stay, the correlations go.
 */
#pragma once
#include <stdint.h>

#include "common/err.h"

MUST_CHECK enum err_code surrogate_gaussian(float *x, size_t n, size_t d, uint64_t seed,
                                            struct err *e);
MUST_CHECK enum err_code surrogate_shuffle(float *x, size_t n, size_t d, uint64_t seed,
                                           struct err *e);
