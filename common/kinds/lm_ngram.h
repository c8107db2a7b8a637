/* lm_ngram.h - knobs of `lm_ngram`: an n-gram model of the training ids, the yardstick of small models.
 *
 * Interpolated modified Kneser-Ney (worker/eval/ngram.h).  Every id of the split is scored behind all
 * that comes before it in its sequence, the first behind nothing.
 */
#pragma once
#include "common/cfg.h"

#define LM_NGRAM_FIELDS(X)                                                                         \
    X(I64, order, "5", 1, 8, "ids", "length of the longest n-gram")                                \
    X(ENUM, split, "valid", 0, 0, "train|valid|test", "what is measured on")

struct lm_ngram_cfg {
    LM_NGRAM_FIELDS(CFG_MEMBER)
};
