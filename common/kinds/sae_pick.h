/* sae_pick.h - knobs of `sae_pick`: one condition out of several comparisons, by rule. */
#pragma once
#include "common/cfg.h"

#define SAE_PICK_FIELDS(X)                                                                         \
    X(F64, ev_drop, "1", 0, 1, "", "conditions whose EV is lower than the best by more than this are out; 1: none")

struct sae_pick_cfg {
    SAE_PICK_FIELDS(CFG_MEMBER)
};
