/* data_make.c - the row of kind `data_make`. */
#include "common/kinds/data_make.h"

#include "common/kinds/row.h"

#define CFG_STRUCT data_make_cfg
static const struct cfg_field fields[] = {DATA_MAKE_FIELDS(CFG_ROW)};
static const char *const metrics[] = {"n_rows", "erank", "erank_sq", "participation", NULL};

static enum err_code check(const char *(*get)(void *ctx, const char *name), void *ctx,
                           struct err *e)
{
    double n_active = kind_num(get, ctx, "n_active", 0), n_atoms = kind_num(get, ctx, "n_atoms", 0);

    if (n_active > n_atoms)
        return err_set(e, ERR_INVALID, "n_active: %.0f is more than n_atoms, %.0f", n_active,
                       n_atoms);
    return ERR_OK;
}

static double cost(const char *(*get)(void *ctx, const char *name), void *ctx)
{
    return kind_num(get, ctx, "n_rows", 0) * kind_num(get, ctx, "d_model", 0) *
           (kind_num(get, ctx, "n_active", 0) + 16) / kind_flops;
}

KIND_ROW(data_make) = {
    .name = "data_make",
    .version = 1,
    .help = "activations with a known dictionary (synthetic model organism)",
    .tag = "data",
    .fields = fields,
    .n_fields = ARRAY_LEN(fields),
    .metrics = metrics,
    .check = check,
    .cost = cost,
};
