/* data_make.h - knobs of `data_make`: data with known ground truth.
 *
 * task `organism`: the model organism of Song et al. 2025 (arXiv 2505.20254, synthetic/):
 * unit-norm atoms, |N(0,1)| coefficients on n_active uniformly chosen atoms.  Result: an
 * activation matrix (acts.h) and the true dictionary truth.pt [n_atoms, d_model].
 */
#pragma once
#include "common/cfg.h"

#define DATA_MAKE_FIELDS(X)                                                                        \
    X(ENUM, task, "organism", 0, 0, "organism", "what to make")                                    \
    X(I64, d_model, "16", 1, 65536, "dims", "dimension of a row")                                  \
    X(I64, n_atoms, "32", 1, 1 << 20, "atoms", "size of the true dictionary")                      \
    X(I64, n_active, "3", 1, 4096, "atoms", "atoms active in a row")                               \
    X(I64, n_rows, "50000", 1, 1LL << 32, "rows", "rows to make")                                  \
    X(I64, seed, "0", 0, INT64_MAX, "", "root of the dictionary's and the rows' streams")

struct data_make_cfg {
    DATA_MAKE_FIELDS(CFG_MEMBER)
};
