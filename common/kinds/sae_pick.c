/* sae_pick.c - the row of kind `sae_pick`. */
#include "common/kinds/sae_pick.h"

#include "common/kinds/row.h"

#define CFG_STRUCT sae_pick_cfg
static const struct cfg_field fields[] = {SAE_PICK_FIELDS(CFG_ROW)};
static const char *const metrics[] = {"k_pick", "ev_pick", "lcb_pick", "n_pick_ties", NULL};

KIND_ROW(sae_pick) = {
    .name = "sae_pick",
    .version = 1,
    .help = "the sparsest condition that is not told apart from the most stable one: adaptive L0",
    .tag = "pick",
    .fields = fields,
    .n_fields = ARRAY_LEN(fields),
    .inputs = {{"compares", INPUT_MANY, "sae_compare", false, "comparisons with a baseline, one a sparsity"}},
    .n_inputs = 1,
    .metrics = metrics,
};
