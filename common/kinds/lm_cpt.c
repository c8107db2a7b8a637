/* lm_cpt.c - the row of kind `lm_cpt`. */
#include "common/kinds/lm_cpt.h"

#include <string.h>

#include "common/kinds/row.h"

#define CFG_STRUCT lm_cpt_cfg
static const struct cfg_field fields[] = {LM_CPT_FIELDS(CFG_ROW)};
static const char *const metrics[] = {
    "ppl_base",  "ppl",           "nll",            "lm_loss",        "aux_loss", "aux_over_lm",
    "aux_grad_ratio", "aux_grad_below", "aux_grad_above", "lambda0_is_control", "target_cos", "target_cos_sharp",
    "lambda_end", "steps",        "tokens_seen",    NULL};

static bool is_sharpened(const char *arm)
{
    static const char *const names[] = {"saeception", "saeception_cosine", "random"};

    for (size_t i = 0; arm && i < ARRAY_LEN(names); i++)
        if (strcmp(arm, names[i]) == 0)
            return true;
    return false;
}

/* k_sharp has to come from a job that chose it (then its text is not known here): a number alone is
 * refused. */
static enum err_code check(const char *(*get)(void *ctx, const char *name), void *ctx,
                           struct err *e)
{
    const char *arm = get(ctx, "arm"), *k = get(ctx, "k_sharp");
    const char *reason = get(ctx, "k_sharp_override_reason");
    const bool is_number = k && strtod(k, NULL) > 0;

    if (!k || (is_number && reason && *reason))
        return ERR_OK;
    if (!is_sharpened(arm))
        return is_number ? err_set(e, ERR_INVALID, "k_sharp: %s: arm %s has no sharpened target", k,
                                   arm ? arm : "?")
                         : ERR_OK;
    if (is_number)
        return err_set(e, ERR_INVALID,
                       "k_sharp: %s: decided by nobody: take it from a ksharp job (k_sharp: $stage.k_sharp), "
                       "or say why not in k_sharp_override_reason",
                       k);
    return err_set(e, ERR_INVALID,
                   "k_sharp: missing: arm %s needs it; take it from a ksharp job: k_sharp: $stage.k_sharp",
                   arm);
}

static double cost(const char *(*get)(void *ctx, const char *name), void *ctx)
{
    double d = kind_num(get, ctx, "d_model", 256), l = kind_num(get, ctx, "n_layers", 6);

    return kind_num(get, ctx, "tokens", 1e5) * 6 * (12 * l * d * d + 4096 * d) / kind_flops;
}

KIND_ROW(lm_cpt) = {
    .name = "lm_cpt",
    .version = 1,
    .help = "continued pretraining of a language model with an auxiliary loss (SAE-ception)",
    .tag = "cpt",
    .fields = fields,
    .n_fields = ARRAY_LEN(fields),
    .inputs = {{"model", INPUT_ONE, "lm_pretrain|lm_import|lm_cpt", false, "the model that goes on"},
               {"data", INPUT_ONE, "data_make", false, "token ids: train, valid"},
               {"sae", INPUT_ONE, "sae_train|sae_import", false,
                "frozen; also says at which block: every arm takes it"}},
    .n_inputs = 3,
    .metrics = metrics,
    .check = check,
    .cost = cost,
};
