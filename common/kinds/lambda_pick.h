/* lambda_pick.h - knobs of `lambda_pick`: how strong the auxiliary loss may be, from the taxes of a
 * sweep over lambda on the validation split.
 */
#pragma once
#include "common/cfg.h"

#define LAMBDA_PICK_FIELDS(X)                                                                      \
    X(F64, max_tax, "2", 0, 1e6, "%",                                                              \
      "the upper end of the 95 % interval of ppl_increase_pct has to stay below this")

struct lambda_pick_cfg {
    LAMBDA_PICK_FIELDS(CFG_MEMBER)
};
