/* lm_import.c - the row of kind `lm_import`. */
#include "common/kinds/lm_import.h"

#include "common/kinds/row.h"

#define CFG_STRUCT lm_import_cfg
static const struct cfg_field fields[] = {LM_IMPORT_FIELDS(CFG_ROW)};
static const char *const metrics[] = {"n_params", NULL};

static enum err_code check(const char *(*get)(void *ctx, const char *name), void *ctx,
                           struct err *e)
{
    const char *path = get(ctx, "path");

    if (!path || !*path)
        return err_set(e, ERR_INVALID, "path: missing: the Hugging Face folder to read");
    return ERR_OK;
}

KIND_ROW(lm_import) = {
    .name = "lm_import",
    .version = 1,
    .help = "a GPT-NeoX (Pythia) model from a Hugging Face folder",
    .tag = "model",
    .fields = fields,
    .n_fields = ARRAY_LEN(fields),
    .metrics = metrics,
    .check = check,
};
