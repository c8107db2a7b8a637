/* lm_pairs.c - the row of kind `lm_pairs`. */
#include "common/kinds/lm_pairs.h"

#include "common/kinds/row.h"

#define CFG_STRUCT lm_pairs_cfg
static const struct cfg_field fields[] = {LM_PAIRS_FIELDS(CFG_ROW)};
static const char *const metrics[] = {"pair_acc", "pair_acc_se", "pair_margin", "n_ties", NULL};

static enum err_code check(const char *(*get)(void *ctx, const char *name), void *ctx,
                           struct err *e)
{
    const char *path = get(ctx, "path");

    if (!path || !*path)
        return err_set(e, ERR_INVALID, "path: missing; a file or folder of minimal pairs");
    return ERR_OK;
}

KIND_ROW(lm_pairs) = {
    .name = "lm_pairs",
    .version = 1,
    .help = "accuracy and margins of a language model on minimal pairs (BLiMP)",
    .tag = "pairs",
    .fields = fields,
    .n_fields = ARRAY_LEN(fields),
    .inputs = {{"model", INPUT_ONE, "lm_pretrain|lm_import|lm_cpt", false, "a GPT-NeoX model"},
               {"data", INPUT_OPT, "data_make", false, "its corpus, for the tokeniser"}},
    .n_inputs = 2,
    .metrics = metrics,
    .check = check,
};
