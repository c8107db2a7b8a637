/* sae_eval.h - knobs of `sae_eval`: the quality of an SAE on an activation matrix, and in its model. */
#pragma once
#include "common/cfg.h"

#define SAE_EVAL_FIELDS(X)                                                                         \
    X(F64, data_share, "1", 0.0001, 1, "", "share of the rows, and of the task's examples, that is measured: the first ones") \
    X(BOOL, keep, "false", 0, 0, "", "also write the reconstructions: recon.pt [rows, d_model]")

struct sae_eval_cfg {
    SAE_EVAL_FIELDS(CFG_MEMBER)
};
