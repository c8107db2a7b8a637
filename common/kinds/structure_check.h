/* structure_check.h - knobs of `structure_check`: are SAEs on one model "lazier" than on another?
 *
 * Fresh SAEs are trained with equal settings on the models of an arm and of its control; pairs have
 * the same place in their groups, that is, the same seeds.
 */
#pragma once
#include "common/cfg.h"

#define STRUCTURE_CHECK_FIELDS(X)                                                                  \
    X(I64, min_signs, "2", 1, 100, "measures",                                                     \
      "so many measures must differ beyond seed noise in the lazier direction, and none in the other")

struct structure_check_cfg {
    STRUCTURE_CHECK_FIELDS(CFG_MEMBER)
};
