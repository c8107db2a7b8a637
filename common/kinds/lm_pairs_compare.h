/* lm_pairs_compare.h - knobs of `lm_pairs_compare`: two models on the same minimal pairs. */
#pragma once
#include "common/cfg.h"

#define LM_PAIRS_COMPARE_FIELDS(X)                                                                 \
    X(I64, n_boot, "2000", 1, 1 << 24, "", "resamples of the pairs within their paradigms")        \
    X(I64, seed, "0", 0, INT64_MAX, "", "of the resamples")

struct lm_pairs_compare_cfg {
    LM_PAIRS_COMPARE_FIELDS(CFG_MEMBER)
};
