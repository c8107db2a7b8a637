/* rows.h - the same small thing done to many rows: many sums at a time, each in the order of vec.h. */
#pragma once
#include <stddef.h>

#include "worker/num/real.h"

/* Removes from every row of grad [n,d] what is parallel to that row of dir [n,d]. */
void rows_project(real *restrict grad, const real *restrict dir, size_t n, size_t d);
/* Every row of x [n,d] gets length 1, save rows of zeros. */
void rows_normalise(real *x, size_t n, size_t d);
/* out_i = the sum of row i of x [n,d], in double, from its first entry to its last. */
void rows_sum(real *restrict out, const real *restrict x, size_t n, size_t d);
