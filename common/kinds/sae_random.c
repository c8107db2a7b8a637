/* sae_random.c - the row of kind `sae_random`. */
#include "common/kinds/sae_random.h"

#include "common/kinds/row.h"

#define CFG_STRUCT sae_random_cfg
static const struct cfg_field fields[] = {SAE_RANDOM_FIELDS(CFG_ROW)};
static const char *const metrics[] = {NULL};

static double cost(const char *(*get)(void *ctx, const char *name), void *ctx)
{
    return kind_num(get, ctx, "d_model", 0) * kind_num(get, ctx, "d_sae", 0) * 100 / kind_flops;
}

KIND_ROW(sae_random) = {
    .name = "sae_random",
    .version = 1,
    .help = "a random decoder: the chance level of comparisons",
    .tag = "random",
    .fields = fields,
    .n_fields = ARRAY_LEN(fields),
    .inputs = {{"like", INPUT_OPT, "sae_train", true,
                "shape and seed are taken from it; it is not waited for"}},
    .n_inputs = 1,
    .like = {"d_model", "d_sae", "seed"},
    .metrics = metrics,
    .cost = cost,
};
