/* sae_intervene.h - knobs of `sae_intervene`: what a language model loses when the output of a block is
 * replaced by the SAE's reconstruction, whole and sharpened to fewer and fewer features. */
#pragma once
#include "common/cfg.h"

#define SAE_INTERVENE_FIELDS(X)                                                                    \
    X(STR, ks, "1,2,4,8,16,32,64,128,256,512", 0, 0, "features",                                   \
      "numbers of kept features to be tested; those above the SAE's k are left out, its k is added") \
    X(ENUM, split, "valid", 0, 0, "train|valid", "text it is measured on; the test split is for the end") \
    X(I64, window, "256", 2, 1 << 20, "ids", "ids that the model is given at once, at most")       \
    X(I64, max_ids, "20000", 0, 1LL << 40, "ids", "the first so many of the split; 0: all")        \
    X(I64, batch_ids, "4096", 2, 1 << 24, "ids", "ids in a pass; at least the window")

struct sae_intervene_cfg {
    SAE_INTERVENE_FIELDS(CFG_MEMBER)
};
