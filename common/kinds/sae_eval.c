/* sae_eval.c - the row of kind `sae_eval`. */
#include "common/kinds/sae_eval.h"

#include "common/kinds/row.h"

#define CFG_STRUCT sae_eval_cfg
static const struct cfg_field fields[] = {SAE_EVAL_FIELDS(CFG_ROW)};
static const char *const metrics[] = {"ev",         "mse",       "l0",          "dead_pct",
                                      "align_mean", "align_cos", "dup_cos_max", "dec_erank", NULL};

static double cost(const char *(*get)(void *ctx, const char *name), void *ctx)
{
    double d = kind_num(get, ctx, "d_model", 128), f = kind_num(get, ctx, "d_sae", 1024);

    return (4 * d * f * kind_num(get, ctx, "n_rows", 12769) + 2 * d * f * f) / kind_flops;
}

KIND_ROW(sae_eval) = {
    .name = "sae_eval",
    .version = 1,
    .help = "quality of an SAE on activations, and of its model with the SAE spliced in",
    .tag = "eval",
    .fields = fields,
    .n_fields = ARRAY_LEN(fields),
    .inputs = {{"sae", INPUT_ONE, "sae_train|sae_import", false, "the SAE"},
               {"acts", INPUT_ONE, "acts_extract|data_make", false, "rows it is measured on"},
               {"target", INPUT_OPT, "acts_extract|data_make", false,
                "of a transcoder: the rows it predicts; without it those of `hook_out`"},
               {"model", INPUT_OPT, "lm_train", false,
                "the model of those rows: loss and accuracy with the SAE spliced in at their hook"}},
    .n_inputs = 4,
    .metrics = metrics,
    .cost = cost,
};
