/* sae_causal.c - the row of kind `sae_causal`. */
#include "common/kinds/sae_causal.h"

#include "common/kinds/row.h"

#define CFG_STRUCT sae_causal_cfg
static const struct cfg_field fields[] = {SAE_CAUSAL_FIELDS(CFG_ROW)};
static const char *const metrics[] = {
    "causal_matched", "causal_other", "causal_gap", "causal_gap_std", "causal_gap_low", "causal_gap_high",
    "causal_acc_matched", "causal_acc_other", "causal_consistency", "steer_matched", "steer_other",
    "match_matched", "match_other", "mass_matched", "mass_other", "acc_orig", "ce_orig", "n_seeds", NULL};

static double cost(const char *(*get)(void *ctx, const char *name), void *ctx)
{
    double d = kind_num(get, ctx, "d_model", 128), f = kind_num(get, ctx, "d_sae", 1024);
    double n = kind_num(get, ctx, "n_saes", 5), rows = kind_num(get, ctx, "n_examples", 4096);

    return n * rows * 5 * (2 * d * f + 8 * 12 * d * d) / kind_flops;
}

KIND_ROW(sae_causal) = {
    .name = "sae_causal",
    .version = 1,
    .help = "causal check: ablates and steers the features that SAEs of other seeds have too, and as many others",
    .tag = "causal",
    .fields = fields,
    .n_fields = ARRAY_LEN(fields),
    .inputs = {{"saes", INPUT_MANY, "sae_train|sae_import", false, "SAEs of the same rows; each is matched with the others"},
               {"acts", INPUT_ONE, "acts_extract", false, "their rows: say hook and positions"},
               {"model", INPUT_ONE, "lm_train", false, "the model of those rows"}},
    .n_inputs = 3,
    .metrics = metrics,
    .cost = cost,
};
