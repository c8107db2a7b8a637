/* structure_check.c - the row of kind `structure_check`. */
#include "common/kinds/structure_check.h"

#include "common/kinds/row.h"

#define CFG_STRUCT structure_check_cfg
static const struct cfg_field fields[] = {STRUCTURE_CHECK_FIELDS(CFG_ROW)};
static const char *const metrics[] = {"n_seeds", "lazier_signs", "busier_signs", NULL};

static enum err_code check(const char *(*get)(void *ctx, const char *name), void *ctx,
                           struct err *e)
{
    double n = kind_num(get, ctx, "n_saes", 2), m = kind_num(get, ctx, "n_control", n);

    if (n != m)
        return err_set(e, ERR_INVALID,
                       "saes: %.0f of them against %.0f in control: both sides need the same seeds",
                       n, m);
    if (n < 2)
        return err_set(e, ERR_INVALID,
                       "saes: one pair says nothing about seed noise; two or more are compared");
    return ERR_OK;
}

static double cost(const char *(*get)(void *ctx, const char *name), void *ctx)
{
    double n = kind_num(get, ctx, "n_saes", 5);
    double d = kind_num(get, ctx, "d_model", 128), f = kind_num(get, ctx, "d_sae", 1024);

    return n * n * 2 * d * f * f / kind_flops;
}

KIND_ROW(structure_check) = {
    .name = "structure_check",
    .version = 1,
    .help = "SAEs on one model against SAEs on its control, seed by seed: are they lazier?",
    .tag = "structure",
    .fields = fields,
    .n_fields = ARRAY_LEN(fields),
    .inputs = {{"saes", INPUT_MANY, "sae_train", false, "SAEs on the arm's models"},
               {"control", INPUT_MANY, "sae_train", false,
                "SAEs on the control's models, equal settings and seeds"},
               {"absorbs", INPUT_MANY_OPT, "sae_absorb", false, "feature absorption of `saes`, shown and not judged"},
               {"control_absorbs", INPUT_MANY_OPT, "sae_absorb", false, "of `control`"}},
    .n_inputs = 4,
    .metrics = metrics,
    .check = check,
    .cost = cost,
};
