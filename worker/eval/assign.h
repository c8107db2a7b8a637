/* assign.h - the linear assignment problem: shortest augmenting paths (Jonker & Volgenant 1987). */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

/* Minimum-cost matching of every row to its own column; cost [n_rows,n_cols], n_rows <= n_cols.
 * column [n_rows].  Equal costs: the lower column.  O(n_rows^2 n_cols). */
MUST_CHECK enum err_code assign_min(uint32_t *column, const float *cost, size_t n_rows,
                                    size_t n_cols, struct err *e);
