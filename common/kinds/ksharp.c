/* ksharp.c - the row of kind `ksharp`. */
#include "common/kinds/ksharp.h"

#include "common/kinds/row.h"

#define CFG_STRUCT ksharp_cfg
static const struct cfg_field fields[] = {KSHARP_FIELDS(CFG_ROW)};
static const char *const metrics[] = {"k_sharp", "k_sharp_loss_pct", NULL};

KIND_ROW(ksharp) = {
    .name = "ksharp",
    .version = 1,
    .help = "k_sharp: the fewest features that keep a language model's perplexity, by a stated rule",
    .tag = "ksharp",
    .fields = fields,
    .n_fields = ARRAY_LEN(fields),
    .inputs = {{"curve", INPUT_ONE, "sae_intervene", false, "the degradation curve it is read from"}},
    .n_inputs = 1,
    .metrics = metrics,
};
