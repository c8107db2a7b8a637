/* acts_extract.c - the row of kind `acts_extract`. */
#include "common/kinds/acts_extract.h"

#include <string.h>

#include "common/kinds/row.h"

#define CFG_STRUCT acts_extract_cfg
static const struct cfg_field fields[] = {ACTS_EXTRACT_FIELDS(CFG_ROW)};
static const char *const metrics[] = {"n_rows", "erank", "erank_sq", "participation", NULL};

static enum err_code check(const char *(*get)(void *ctx, const char *name), void *ctx,
                           struct err *e)
{
    double layer = kind_num(get, ctx, "layer", 0), n_layers = kind_num(get, ctx, "n_layers", 1024);

    const char *out = get(ctx, "hook_out"), *surrogate = get(ctx, "surrogate");

    if (out && surrogate && strcmp(out, "none") && strcmp(surrogate, "none"))
        return err_set(e, ERR_INVALID,
                       "surrogate: %s has no pairs of rows: hook_out must be none, it is %s", surrogate,
                       out);
    if (layer >= n_layers)
        return err_set(e, ERR_INVALID,
                       "layer: %.0f is outside [0, %.0f]: the model has n_layers = %.0f", layer,
                       n_layers - 1, n_layers);
    return ERR_OK;
}

static double cost(const char *(*get)(void *ctx, const char *name), void *ctx)
{
    const char *task = get(ctx, "task");
    double p = kind_num(get, ctx, "modulus", 113), d = kind_num(get, ctx, "d_model", 128);
    bool is_drawn = task && (strcmp(task, "copy") == 0 || strcmp(task, "sort") == 0);
    double rows = is_drawn ? 50000 : p * p;
    double layer_params = d * (4 * d + 2 * kind_num(get, ctx, "d_mlp", 512));

    return 2 * rows * 7 * layer_params * (kind_num(get, ctx, "layer", 0) + 1) *
           kind_num(get, ctx, "data_fraction", 1) / kind_flops;
}

KIND_ROW(acts_extract) = {
    .name = "acts_extract",
    .version = 1,
    .help = "activations of a model at a hook, as a matrix",
    .tag = "acts",
    .fields = fields,
    .n_fields = ARRAY_LEN(fields),
    .inputs = {{"model", INPUT_ONE, "lm_train|lm_import|lm_pretrain|lm_cpt", false, "the model that is read"},
               {"data", INPUT_OPT, "data_make", false, "of GPT-NeoX models: token ids that are read"}},
    .n_inputs = 2,
    .metrics = metrics,
    .check = check,
    .cost = cost,
};
