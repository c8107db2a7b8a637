/* sae_random.h - knobs of `sae_random`: a random decoder, the chance level of comparisons.
 *
 * `like: $stage` takes d_model, d_sae and seed from a trained SAE and waits for no training.
 * rng `torch` draws torch.randn(d_model, d_sae) as PyTorch on CPU does; columns are normalised.
 */
#pragma once
#include "common/cfg.h"

#define SAE_RANDOM_FIELDS(X)                                                                       \
    X(I64, d_model, "128", 1, 65536, "dims", "dimension of a direction")                           \
    X(I64, d_sae, "1024", 1, 1 << 20, "features", "directions")                                    \
    X(I64, seed, "0", 0, INT64_MAX, "", "of the draw")                                             \
    X(I64, seed_offset, "100000", 0, INT64_MAX, "", "added to a seed taken from `like`")           \
    X(ENUM, rng, "saegrid", 0, 0, "saegrid|torch", "own generator, or PyTorch's bit for bit")

struct sae_random_cfg {
    SAE_RANDOM_FIELDS(CFG_MEMBER)
};
