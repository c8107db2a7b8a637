/* lm_tokens_compare.h - knobs of `lm_tokens_compare`: which tokens an arm of continued pretraining
 * moves, in loss and in activation, against its control of the same seed.
 */
#pragma once
#include "common/cfg.h"

#define LM_TOKENS_COMPARE_FIELDS(X)                                                                \
    X(STR, label, "", 0, 0, "", "name of the arm in summaries and reports")                        \
    X(I64, min_count, "20", 1, 1LL << 40, "", "ids that occur less often are left out")            \
    X(I64, top, "25", 1, 1000, "ids", "rows of the table for each way to move most")               \
    X(I64, sample_ids, "240", 1, 1 << 16, "ids", "length of the passages that are shown coloured")

struct lm_tokens_compare_cfg {
    LM_TOKENS_COMPARE_FIELDS(CFG_MEMBER)
};
