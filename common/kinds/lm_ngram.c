/* lm_ngram.c - the row of kind `lm_ngram`. */
#include "common/kinds/lm_ngram.h"

#include "common/kinds/row.h"

#define CFG_STRUCT lm_ngram_cfg
static const struct cfg_field fields[] = {LM_NGRAM_FIELDS(CFG_ROW)};
static const char *const metrics[] = {"nll", "ppl", "bpb", "word_ppl", "n_scored", "n_ngrams", NULL};

static double cost(const char *(*get)(void *ctx, const char *name), void *ctx)
{
    return kind_num(get, ctx, "order", 0); /* about a second an order for two million ids */
}

KIND_ROW(lm_ngram) = {
    .name = "lm_ngram",
    .version = 1,
    .help = "an interpolated Kneser-Ney n-gram model of token ids, measured on held-out text",
    .tag = "ngram",
    .fields = fields,
    .n_fields = ARRAY_LEN(fields),
    .inputs = {{"data", INPUT_ONE, "data_make", false, "token ids: data_make, task text"}},
    .n_inputs = 1,
    .metrics = metrics,
    .cost = cost,
};
