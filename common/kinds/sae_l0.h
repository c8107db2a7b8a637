/* sae_l0.h - knobs of `sae_l0`: the coefficient that brings an architecture to an L0. */
#pragma once
#include "common/cfg.h"

#define SAE_L0_FIELDS(X)                                                                           \
    X(ENUM, coef, "l1", 0, 0, "l1|k|bias_gamma", "the knob of the SAEs that decides their L0")      \
    X(F64, target_l0, "0", 0, 1e9, "features", "the L0 wanted; 0: where EV begins to fall")        \
    X(F64, ev_drop, "0.02", 0, 1, "", "EV falls where it is lower than the best of the scan by this")

struct sae_l0_cfg {
    SAE_L0_FIELDS(CFG_MEMBER)
};
