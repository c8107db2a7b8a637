/* sae_bench.h - knobs of `sae_bench`: slices in the manner of SAEBench and CE-Bench on a task's own labels. */
#pragma once
#include "common/cfg.h"

#define SAE_BENCH_FIELDS(X)                                                                        \
    X(I64, n_train, "4000", 10, 1LL << 32, "rows", "rows that probes are fitted on, before balancing") \
    X(I64, n_test, "1000", 10, 1LL << 32, "rows", "other rows, that they are tested on")           \
    X(I64, n_contrasts, "200", 1, 1LL << 32, "pairs", "contrasted rows of each label")                 \
    X(I64, seed, "0", 0, INT64_MAX, "", "of the choice of rows and of the shuffled labels")

struct sae_bench_cfg {
    SAE_BENCH_FIELDS(CFG_MEMBER)
};
