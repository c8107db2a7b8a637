/* lm_pairs_compare.c - the row of kind `lm_pairs_compare`. */
#include "common/kinds/lm_pairs_compare.h"

#include "common/kinds/row.h"

#define CFG_STRUCT lm_pairs_compare_cfg
static const struct cfg_field fields[] = {LM_PAIRS_COMPARE_FIELDS(CFG_ROW)};
static const char *const metrics[] = {"pair_delta",       "pair_delta_low",   "pair_delta_high",
                                      "pair_detectable",  "p_mcnemar",        "pairs_gained",
                                      "pairs_lost",       "margin_delta",     "margin_delta_low",
                                      "margin_delta_high", "pair_acc_base",   "n_seeds",
                                      NULL};

KIND_ROW(lm_pairs_compare) = {
    .name = "lm_pairs_compare",
    .version = 1,
    .help = "models on the same minimal pairs as their controls, paired by sentence and seed",
    .tag = "pairsdelta",
    .fields = fields,
    .n_fields = ARRAY_LEN(fields),
    .inputs = {{"pairs", INPUT_MANY, "lm_pairs", false, "the model in question, or one a seed"},
               {"baseline", INPUT_MANY, "lm_pairs", false, "the model it is compared with, or one a seed"}},
    .n_inputs = 2,
    .metrics = metrics,
};
