/* sae_l0.c - the row of kind `sae_l0`. */
#include "common/kinds/sae_l0.h"

#include "common/kinds/row.h"

#define CFG_STRUCT sae_l0_cfg
static const struct cfg_field fields[] = {SAE_L0_FIELDS(CFG_ROW)};
static const char *const metrics[] = {"l0_knee", "l0_target", "ev_target", "coef_pick", "k_pick", NULL};

KIND_ROW(sae_l0) = {
    .name = "sae_l0",
    .version = 1,
    .help = "the L0 finder: from a scan of a sparsity coefficient, its value for an L0, and where EV falls",
    .tag = "l0",
    .fields = fields,
    .n_fields = ARRAY_LEN(fields),
    .inputs = {{"saes", INPUT_MANY, "sae_train", false, "one architecture over values of `coef`; equal values, of several seeds, are averaged"}},
    .n_inputs = 1,
    .metrics = metrics,
};
