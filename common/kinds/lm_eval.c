/* lm_eval.c - the row of kind `lm_eval`. */
#include "common/kinds/lm_eval.h"

#include <string.h>

#include "common/kinds/row.h"

#define CFG_STRUCT lm_eval_cfg
static const struct cfg_field fields[] = {LM_EVAL_FIELDS(CFG_ROW)};
static const char *const metrics[] = {"nll", "ppl", "bpb", "word_ppl", "n_scored", NULL};

static enum err_code check(const char *(*get)(void *ctx, const char *name), void *ctx,
                           struct err *e)
{
    double window = kind_num(get, ctx, "window", 1);

    if (kind_num(get, ctx, "stride", 1) > window && get(ctx, "protocol") &&
        !strcmp(get(ctx, "protocol"), "stride"))
        return err_set(e, ERR_INVALID, "stride: %.0f is more than window, %.0f",
                       kind_num(get, ctx, "stride", 1), window);
    return ERR_OK;
}

KIND_ROW(lm_eval) = {
    .name = "lm_eval",
    .version = 1,
    .help = "perplexity, bits a byte and samples of a language model on held-out text",
    .tag = "eval",
    .fields = fields,
    .n_fields = ARRAY_LEN(fields),
    .inputs = {{"model", INPUT_ONE, "lm_pretrain|lm_import|lm_cpt", false, "a GPT-NeoX model"},
               {"data", INPUT_ONE, "data_make", false, "token ids: data_make, task text"}},
    .n_inputs = 2,
    .metrics = metrics,
    .check = check,
};
