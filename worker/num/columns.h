/* columns.h - pre-activations held feature by feature, [f,n]: biases, and ranks over a batch. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "worker/num/real.h"
#include "worker/num/topk.h"

/* x += b; false if a result is not finite. */
bool column_add(real *x, real b, size_t n);
enum { KTH_SCRATCH = 1 << 16 };

/* The value of the `want`-th largest of the positive entries of x [n], exactly; *n_ties says how
 * many entries equal to it are among the `want`.  Fewer positive ones than that: the least positive
 * number, and all of them are.  scratch [KTH_SCRATCH]; want > 0. */
real kth_positive(size_t *n_ties, const real *x, size_t n, size_t want, topk_key *scratch);
