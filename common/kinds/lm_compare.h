/* lm_compare.h - knobs of `lm_compare`: what an arm of continued pretraining costs in perplexity.
 *
 * Evaluations of an arm's models against those of its control's of the same seed (worker/jobs/lineage.h).
 */
#pragma once
#include "common/cfg.h"

#define LM_COMPARE_FIELDS(X)                                                                       \
    X(STR, label, "", 0, 0, "", "name of the arm in the summary")

struct lm_compare_cfg {
    LM_COMPARE_FIELDS(CFG_MEMBER)
};
