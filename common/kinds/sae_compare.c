/* sae_compare.c - the row of kind `sae_compare`. */
#include "common/kinds/sae_compare.h"

#include <string.h>

#include "common/kinds/row.h"

#define CFG_STRUCT sae_compare_cfg
static const struct cfg_field fields[] = {SAE_COMPARE_FIELDS(CFG_ROW)};
static const char *const metrics[] = {
    "pwmcc_mean",     "pwmcc_std",          "ci_low",          "ci_high",        "seed_ci_low",
    "seed_ci_high",   "mmcs_mean",          "hungarian_mean",  "hungarian_abs_mean",
    "subspace_mean",  "subspace_expected",  "grassmann_mean",  "random_mean",    "random_std",
    "random_ci_low",  "random_ci_high",     "random_expected", "surrogate_mean", "untrained_mean",
    "shuffled_mean",  "ratio",              "ratio_expected",  "ratio_ci_low",   "ratio_ci_high",
    "delta",          "delta_lcb",          "p_value",         "mwu",            "cohens_d",
    "ev_mean",        "l0_mean",            "dead_pct_mean",   "mse_mean",       "loss_mean",
    "ev_std",         "l0_std",             "dead_pct_std",    "mse_std",
    "erank",          "erank_sq",           "participation",   "n_seeds",        "n_pairs",
    NULL};

static enum err_code check(const char *(*get)(void *ctx, const char *name), void *ctx,
                           struct err *e)
{
    double n = kind_num(get, ctx, "n_saes", 2);

    if (n < 2)
        return err_set(e, ERR_INVALID,
                       "saes: a comparison needs two SAEs or more, this group has "
                       "%.0f",
                       n);
    return ERR_OK;
}

/* One matrix of cosines a pair, trained and control; a matching costs a small share of F^3. */
static double cost(const char *(*get)(void *ctx, const char *name), void *ctx)
{
    const char *hungarian = get(ctx, "hungarian");
    double n = kind_num(get, ctx, "n_saes", 5), m = kind_num(get, ctx, "n_baseline", 0);
    double d = kind_num(get, ctx, "d_model", 128), f = kind_num(get, ctx, "d_sae", 1024);
    double pairs = n * (n - 1) / 2, pair = 2 * d * f * f;

    if (hungarian && strcmp(hungarian, "true") == 0)
        pair += 2 * f * f * f;
    return (pairs * pair + m * (m - 1) / 2 * 2 * d * f * f +
            kind_num(get, ctx, "n_boot", 0) * pairs * 100) /
           kind_flops;
}

KIND_ROW(sae_compare) = {
    .name = "sae_compare",
    .version = 1,
    .help = "stability of a set of SAEs across seeds, against random controls",
    .tag = "compare",
    .fields = fields,
    .n_fields = ARRAY_LEN(fields),
    .inputs = {{"saes", INPUT_MANY, "sae_train|sae_random|sae_import", false, "the SAEs compared"},
               {"baseline", INPUT_MANY_OPT, "sae_random|sae_train|sae_import", false,
                "random controls; without them ratios are absent"},
               {"surrogate", INPUT_MANY_OPT, "sae_train", false,
                "SAEs trained on covariance-matched Gaussian rows"},
               {"untrained", INPUT_MANY_OPT, "sae_train", false,
                "SAEs trained on an untrained model's activations"},
               {"shuffled", INPUT_MANY_OPT, "sae_train", false,
                "SAEs trained on column-shuffled activations"},
               {"truth", INPUT_OPT, "data_make", false, "data whose true dictionary is known"}},
    .n_inputs = 6,
    .metrics = metrics,
    .check = check,
    .cost = cost,
};
