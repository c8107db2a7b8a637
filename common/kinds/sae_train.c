/* sae_train.c - the row of kind `sae_train`. */
#include "common/kinds/sae_train.h"

#include <string.h>

#include "common/kinds/row.h"

#define CFG_STRUCT sae_train_cfg
static const struct cfg_field fields[] = {SAE_TRAIN_FIELDS(CFG_ROW)};
static const char *const metrics[] = {
    "ev",        "mse",      "l0",        "dead_pct",  "loss",          "steps",       "rows_seen",
    "mse_sum",   "nmse_raw", "ev_legacy", "ev_residvar", "ev_husai_global", "cosine",  "l2_ratio",
    "rel_bias",  "l1",       "dense_pct", "freq_min",  "freq_median",   "freq_mean",   "freq_max",
    "dec_cos_init", "dup_cos_max", "rows_per_s", NULL};

static enum err_code check(const char *(*get)(void *ctx, const char *name), void *ctx,
                           struct err *e)
{
    const char *arch = get(ctx, "arch");
    double k = kind_num(get, ctx, "k", 0), d_sae = kind_num(get, ctx, "d_sae", 0);

    if (arch && strcmp(arch, "topk") == 0 && k > d_sae) /* topk_husai clips k, as its source does */
        return err_set(e, ERR_INVALID, "k: %.0f is more than d_sae, %.0f", k, d_sae);
    if (kind_num(get, ctx, "steps", 0) == 0 && kind_num(get, ctx, "epochs", 0) == 0)
        return err_set(e, ERR_INVALID, "steps: 0 means \"by epochs\", and epochs is 0 too");
    return ERR_OK;
}

/* Encoder GEMM forward, sparse rest, one pass of Adam over both matrices a step. */
static double cost(const char *(*get)(void *ctx, const char *name), void *ctx)
{
    double d = kind_num(get, ctx, "d_model", 128), f = kind_num(get, ctx, "d_sae", 1024);
    double batch = kind_num(get, ctx, "batch", 256), steps = kind_num(get, ctx, "steps", 0);
    double rows = kind_num(get, ctx, "n_rows", 12769) * kind_num(get, ctx, "data_fraction", 1);
    const char *arch = get(ctx, "arch");
    double active = arch && strncmp(arch, "topk", 4) == 0 ? kind_num(get, ctx, "k", 32) : f;

    if (steps == 0)
        steps = kind_num(get, ctx, "epochs", 0) * rows / batch;
    return steps * (2 * batch * d * f + 8 * batch * d * active + 2 * d * f * 20) / kind_flops;
}

KIND_ROW(sae_train) = {
    .name = "sae_train",
    .version = 1,
    .help = "one sparse autoencoder on one activation matrix",
    .tag = "sae",
    .fields = fields,
    .n_fields = ARRAY_LEN(fields),
    .inputs = {{"acts", INPUT_ONE, "acts_extract|data_make", false, "the rows it is trained on"}},
    .n_inputs = 1,
    .metrics = metrics,
    .check = check,
    .cost = cost,
};
