/* sae_absorb.c - the row of kind `sae_absorb`. */
#include "common/kinds/sae_absorb.h"

#include "common/kinds/row.h"

#define CFG_STRUCT sae_absorb_cfg
static const struct cfg_field fields[] = {SAE_ABSORB_FIELDS(CFG_ROW)};
static const char *const metrics[] = {
    "absorption_saebench", "absorption_saebench_std", "absorption_saebench_full", "splitting_saebench",
    "letter_f1_saebench",  "n_letters_saebench",      "absorption_ref",           "n_letters_ref", "n_rows_ref", NULL};

/* 26 letters, two probes of some Newton steps of n d^2 each. */
static double cost(const char *(*get)(void *ctx, const char *name), void *ctx)
{
    double d = kind_num(get, ctx, "d_model", 128), n = kind_num(get, ctx, "rows", 0);

    return 26 * 2 * 10 * n * d * d * 4 / kind_flops;
}

KIND_ROW(sae_absorb) = {
    .name = "sae_absorb",
    .version = 1,
    .help = "feature absorption on text, by first letters: SAEBench's definition and the reference's",
    .tag = "absorb",
    .fields = fields,
    .n_fields = ARRAY_LEN(fields),
    .inputs = {{"sae", INPUT_ONE, "sae_train|sae_import", false, "the SAE"},
               {"acts", INPUT_ONE, "acts_extract", false, "rows of text, as the model made them"},
               {"data", INPUT_ONE, "data_make", false, "the token ids of those rows"}},
    .n_inputs = 3,
    .metrics = metrics,
    .cost = cost,
};
