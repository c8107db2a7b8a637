/* ksharp.h - knobs of `ksharp`: how many features a sharpened target keeps, from a degradation
 * curve of the untouched model. */
#pragma once
#include "common/cfg.h"

#define KSHARP_FIELDS(X)                                                                           \
    X(F64, max_degradation, "10", 0, 1e6, "%",                                                     \
      "perplexity lost by the intervention must stay below this")                                  \
    X(ENUM, positions, "all", 0, 0, "all|skip_first",                                              \
      "which curve: replaced at every position, or at all but the first of a window")              \
    X(ENUM, pick, "safe", 0, 0, "safe|reference",                                                  \
      "safe: the smallest tested k that passes and with it every larger one; reference: the smallest that passes, which on a curve that is not monotone may lie below one that fails")

struct ksharp_cfg {
    KSHARP_FIELDS(CFG_MEMBER)
};
