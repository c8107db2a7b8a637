/* lm_pretrain.c - the row of kind `lm_pretrain`. */
#include "common/kinds/lm_pretrain.h"

#include "common/kinds/row.h"

#define CFG_STRUCT lm_pretrain_cfg
static const struct cfg_field fields[] = {LM_PRETRAIN_FIELDS(CFG_ROW)};
static const char *const metrics[] = {"n_params", "steps", "tokens_seen", "train_loss",
                                      "nll",      "ppl",   "n_scored",    NULL};

static enum err_code check(const char *(*get)(void *ctx, const char *name), void *ctx,
                           struct err *e)
{
    int64_t d = (int64_t)kind_num(get, ctx, "d_model", 0), h = (int64_t)kind_num(get, ctx, "n_heads", 1);
    int64_t batch = (int64_t)kind_num(get, ctx, "batch", 1), micro = (int64_t)kind_num(get, ctx, "micro", 0);
    int64_t n_rot;

    if (d % h)
        return err_set(e, ERR_INVALID, "n_heads: %d does not divide d_model, %d", (int)h, (int)d);
    n_rot = (int64_t)((double)(d / h) * kind_num(get, ctx, "rotary_pct", 0));
    if (n_rot % 2)
        return err_set(e, ERR_INVALID, "rotary_pct: %d of %d dims of a head; must be even", (int)n_rot,
                       (int)(d / h));
    if (micro > batch)
        return err_set(e, ERR_INVALID, "micro: %d is more than batch, %d", (int)micro, (int)batch);
    return ERR_OK;
}

static double cost(const char *(*get)(void *ctx, const char *name), void *ctx)
{
    double d = kind_num(get, ctx, "d_model", 0), l = kind_num(get, ctx, "n_layers", 0);
    double v = kind_num(get, ctx, "n_vocab", 0), tokens = kind_num(get, ctx, "steps", 0) *
               kind_num(get, ctx, "batch", 0) * kind_num(get, ctx, "context", 0);

    v = v > 0 ? v : 50304;
    tokens = tokens > 0 ? tokens : 1e6 * kind_num(get, ctx, "epochs", 0);
    return 6 * tokens * (12 * l * d * d + v * d) / kind_flops;
}

KIND_ROW(lm_pretrain) = {
    .name = "lm_pretrain",
    .version = 1,
    .help = "a GPT-NeoX model trained on token ids, from scratch or on from another",
    .tag = "model",
    .fields = fields,
    .n_fields = ARRAY_LEN(fields),
    .inputs = {{"data", INPUT_ONE, "data_make", false, "token ids: data_make, task text"},
               {"model", INPUT_OPT, "lm_import|lm_pretrain|lm_cpt", false, "goes on from its weights"}},
    .n_inputs = 2,
    .metrics = metrics,
    .check = check,
    .cost = cost,
};
