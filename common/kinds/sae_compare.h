/* sae_compare.h - knobs of `sae_compare`: stability of a set of SAEs across seeds. */
#pragma once
#include "common/cfg.h"

#define SAE_COMPARE_FIELDS(X)                                                                      \
    X(I64, n_boot, "10000", 0, 10000000, "", "bootstrap resamples; 0: no intervals")               \
    X(I64, boot_seed, "17", 0, INT64_MAX, "", "numpy default_rng seed, trained pairs")             \
    X(I64, boot_seed_random, "29", 0, INT64_MAX, "", "numpy default_rng seed, baseline pairs")     \
    X(BOOL, hungarian, "true", 0, 0, "", "also one-to-one matchings; costs F^3 a pair")            \
    X(I64, subspace_k, "16", 1, 4096, "dims", "rank of the subspace overlap; at most d_model, d_sae") \
    X(I64, checkpoint, "-1", -1, 1LL << 32, "step", "compare the SAEs as they were after this step (their checkpoints_at); -1: as they ended") \
    X(I64, prefix, "0", 0, 1 << 20, "features", "compare the first features only, each control too: prefixes of a matryoshka; 0: all")

struct sae_compare_cfg {
    SAE_COMPARE_FIELDS(CFG_MEMBER)
};
