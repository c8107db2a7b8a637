/* sae_causal.h - knobs of `sae_causal`: do features that several SAEs agree on matter to the model? */
#pragma once
#include "common/cfg.h"

#define SAE_CAUSAL_FIELDS(X)                                                                    \
    X(I64, n_features, "16", 1, 1 << 20, "features", "ablated or steered at once, of each group; at most a quarter of those alive") \
    X(F64, steer, "2", 0, 1000, "", "factor of the activations when steered; 1: not steered")      \
    X(I64, n_examples, "4096", 1, 1LL << 32, "examples", "of the task, the first ones; drawn tasks and whole tables alike")

struct sae_causal_cfg {
    SAE_CAUSAL_FIELDS(CFG_MEMBER)
};
