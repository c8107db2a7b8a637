/* lm_tokens_compare.c - the row of kind `lm_tokens_compare`. */
#include "common/kinds/lm_tokens_compare.h"

#include "common/kinds/row.h"

#define CFG_STRUCT lm_tokens_compare_cfg
static const struct cfg_field fields[] = {LM_TOKENS_COMPARE_FIELDS(CFG_ROW)};
static const char *const metrics[] = {"n_seeds",       "token_loss_delta", "tokens_compared", "tokens_moved_pct",
                                      "token_moves_pct", "act_shift",     "act_shift_control", "act_cos_control",
                                      "act_norm_ratio",  NULL};

static enum err_code check(const char *(*get)(void *ctx, const char *name), void *ctx,
                           struct err *e)
{
    static const char *const sides[] = {"n_control_evals", "n_acts", "n_control_acts"};
    const double n = kind_num(get, ctx, "n_evals", 1);

    for (size_t i = 0; i < ARRAY_LEN(sides); i++)
        if (kind_num(get, ctx, sides[i], n) != n)
            return err_set(e, ERR_INVALID, "%s: %.0f against %.0f evals: every input needs the same seeds",
                           sides[i] + 2, kind_num(get, ctx, sides[i], n), n);
    return ERR_OK;
}

KIND_ROW(lm_tokens_compare) = {
    .name = "lm_tokens_compare",
    .version = 1,
    .help = "which tokens an arm moves, in loss and in activation, against its control",
    .tag = "tokens",
    .fields = fields,
    .n_fields = ARRAY_LEN(fields),
    .inputs = {{"evals", INPUT_MANY, "lm_eval", false, "evaluations of the arm's models, with losses"},
               {"control_evals", INPUT_MANY, "lm_eval", false, "of the control's models: same text, same seeds"},
               {"acts", INPUT_MANY, "acts_extract", false, "activations of the arm's models"},
               {"control_acts", INPUT_MANY, "acts_extract", false, "of the control's models: same places"},
               {"base_acts", INPUT_ONE, "acts_extract", false,
                "of the model they all began with: as many rows or more"},
               {"data", INPUT_ONE, "data_make", false, "the token ids"}},
    .n_inputs = 6,
    .metrics = metrics,
    .check = check,
};
