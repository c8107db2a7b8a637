/* lm_compare.c - the row of kind `lm_compare`. */
#include "common/kinds/lm_compare.h"

#include "common/kinds/row.h"

#define CFG_STRUCT lm_compare_cfg
static const struct cfg_field fields[] = {LM_COMPARE_FIELDS(CFG_ROW)};
static const char *const metrics[] = {"n_seeds", "ppl", "ppl_control", "ppl_increase_pct", NULL};

static enum err_code check(const char *(*get)(void *ctx, const char *name), void *ctx,
                           struct err *e)
{
    double n = kind_num(get, ctx, "n_evals", 1), m = kind_num(get, ctx, "n_control", n);

    if (n != m)
        return err_set(e, ERR_INVALID,
                       "evals: %.0f of them against %.0f in control: both sides need the same seeds",
                       n, m);
    return ERR_OK;
}

KIND_ROW(lm_compare) = {
    .name = "lm_compare",
    .version = 1,
    .help = "perplexity of an arm against its control, seed by seed, and against the untouched model",
    .tag = "tax",
    .fields = fields,
    .n_fields = ARRAY_LEN(fields),
    .inputs = {{"evals", INPUT_MANY, "lm_eval", false, "evaluations of one arm's models"},
               {"control", INPUT_MANY, "lm_eval", false,
                "evaluations of the control's models: same text, same seeds"},
               {"baseline", INPUT_OPT, "lm_eval", false, "evaluation of the model they all began with"}},
    .n_inputs = 3,
    .metrics = metrics,
    .check = check,
};
