/* sae_bench.c - the row of kind `sae_bench`. */
#include "common/kinds/sae_bench.h"

#include "common/kinds/row.h"

#define CFG_STRUCT sae_bench_cfg
static const struct cfg_field fields[] = {SAE_BENCH_FIELDS(CFG_ROW)};
static const char *const metrics[] = {
    "probe_k1", "probe_k2", "probe_k5", "probe_raw_k5", "probe_dense", "probe_gain", "probe_shuffled",
    "absorption", "absorption_full", "splitting", "n_absorption", "contrastive", "independent",
    "interpretability", "contrastive_raw", "interpretability_raw", NULL};

/* Seven labels; a dense probe costs some Newton steps of n d^2. */
static double cost(const char *(*get)(void *ctx, const char *name), void *ctx)
{
    double d = kind_num(get, ctx, "d_model", 128), f = kind_num(get, ctx, "d_sae", 1024);
    double n = kind_num(get, ctx, "n_train", 0);

    return (7 * 2 * 10 * n * d * d * 4 + n * 4 * d * f) / kind_flops;
}

KIND_ROW(sae_bench) = {
    .name = "sae_bench",
    .version = 1,
    .help = "slices in the manner of SAEBench and CE-Bench: sparse probing, absorption, contrast",
    .tag = "bench",
    .fields = fields,
    .n_fields = ARRAY_LEN(fields),
    .inputs = {{"sae", INPUT_ONE, "sae_train|sae_import", false, "the SAE"},
               {"acts", INPUT_ONE, "acts_extract", false, "rows; all of them, as the model made them"},
               {"model", INPUT_ONE, "lm_train", false, "the model of those rows: its task gives the labels"}},
    .n_inputs = 3,
    .metrics = metrics,
    .cost = cost,
};
