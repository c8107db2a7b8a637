/* sae_import.c - the row of kind `sae_import`. */
#include "common/kinds/sae_import.h"

#include "common/kinds/row.h"

#define CFG_STRUCT sae_import_cfg
static const struct cfg_field fields[] = {SAE_IMPORT_FIELDS(CFG_ROW)};
static const char *const metrics[] = {"align_mean", "align_cos", "dup_cos_max", "dec_erank", NULL};

static enum err_code check(const char *(*get)(void *ctx, const char *name), void *ctx,
                           struct err *e)
{
    const char *path = get(ctx, "path");

    if (!path || !*path)
        return err_set(e, ERR_INVALID, "path: missing: the SAE to read");
    return ERR_OK;
}

KIND_ROW(sae_import) = {
    .name = "sae_import",
    .version = 1,
    .help = "an SAE trained elsewhere: SAELens, dictionary_learning, HUSAI",
    .tag = "import",
    .fields = fields,
    .n_fields = ARRAY_LEN(fields),
    .inputs = {{"acts", INPUT_OPT, "acts_extract|data_make", false,
                "rows on which its quality is measured"},
               {"target", INPUT_OPT, "acts_extract|data_make", false,
                "of a transcoder: the rows it predicts; without it those of `hook_out`"}},
    .n_inputs = 2,
    .metrics = metrics,
    .check = check,
};
