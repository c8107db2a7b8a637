/* columns.h - z held feature by feature, [f,n], and the sums that go over one feature's rows.
 *
 * row [n]: the rows meant, ascending; NULL: rows 0..n-1.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "worker/num/real.h"
#include "worker/num/topk.h"

/* x += b; false if a result is not finite. */
bool column_add(real *x, real b, size_t n);
/* h [n] = dir . g[row] over d dims; g [rows,d] */
void column_dots(real *restrict h, const uint32_t *restrict row, size_t n, const real *restrict dir,
                 const real *restrict g, size_t d);
/* out [d] += sum_j a_j x[row_j]; zero a_j are skipped. */
void column_axpy(real *restrict out, const real *restrict a, const uint32_t *restrict row, size_t n,
                 const real *restrict x, size_t d);
enum { KTH_SCRATCH = 1 << 16 };

/* The value of the `want`-th largest of the positive entries of x [n], exactly; *n_ties says how
 * many entries equal to it are among the `want`.  Fewer positive ones than that: the least positive
 * number, and all of them are.  scratch [KTH_SCRATCH]; want > 0. */
real kth_positive(size_t *n_ties, const real *x, size_t n, size_t want, topk_key *scratch);
