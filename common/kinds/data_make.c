/* data_make.c - the row of kind `data_make`. */
#include "common/kinds/data_make.h"

#include <string.h>

#include "common/kinds/row.h"

#define CFG_STRUCT data_make_cfg
static const struct cfg_field fields[] = {DATA_MAKE_FIELDS(CFG_ROW)};
static const char *const metrics[] = {NULL};

static bool is_text(const char *(*get)(void *ctx, const char *name), void *ctx)
{
    const char *task = get(ctx, "task");

    return task && !strcmp(task, "text");
}

static enum err_code check(const char *(*get)(void *ctx, const char *name), void *ctx,
                           struct err *e)
{
    double n_active = kind_num(get, ctx, "n_active", 0), n_atoms = kind_num(get, ctx, "n_atoms", 0);
    double held_out = kind_num(get, ctx, "valid_fraction", 0) + kind_num(get, ctx, "test_fraction", 0);
    const char *text = get(ctx, "text");

    if (n_active > n_atoms)
        return err_set(e, ERR_INVALID, "n_active: %.0f is more than n_atoms, %.0f", n_active,
                       n_atoms);
    if (is_text(get, ctx) && (!text || !*text))
        return err_set(e, ERR_INVALID, "text: missing; task text needs a file or folder");
    if (!is_text(get, ctx) && text && *text)
        return err_set(e, ERR_INVALID, "text: needs task: text");
    if (held_out > 1)
        return err_set(e, ERR_INVALID, "valid_fraction and test_fraction: together %g, more than 1",
                       held_out);
    return ERR_OK;
}

static double cost(const char *(*get)(void *ctx, const char *name), void *ctx)
{
    if (is_text(get, ctx))
        return 1;
    return kind_num(get, ctx, "n_rows", 0) * kind_num(get, ctx, "d_model", 0) *
           (kind_num(get, ctx, "n_active", 0) + 16) / kind_flops;
}

KIND_ROW(data_make) = {
    .name = "data_make",
    .version = 1,
    .help = "token ids of texts, or activations with a known dictionary",
    .tag = "data",
    .fields = fields,
    .n_fields = ARRAY_LEN(fields),
    .metrics = metrics,
    .check = check,
    .cost = cost,
};
