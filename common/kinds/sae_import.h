/* sae_import.h - knobs of `sae_import`: an SAE that was trained elsewhere. */
#pragma once
#include "common/cfg.h"

#define SAE_IMPORT_FIELDS(X)                                                                       \
    X(PATH, path, "", 0, 0, "", "file or folder, relative to the sweep file; its digest is part of the id") \
    X(ENUM, format, "auto", 0, 0, "auto|saelens|dictionary_learning|husai|safetensors|saegrid",    \
      "auto: what the path looks like")                                                            \
    X(I64, husai_k, "0", 0, 1 << 20, "features", "k of a HUSAI file that does not say it")         \
    X(ENUM, husai_arch, "auto", 0, 0, "auto|topk|relu", "architecture of a HUSAI file that does not say it") \
    X(I64, seed, "-1", -1, INT64_MAX, "", "recorded as its seed; -1: what the file says")

struct sae_import_cfg {
    SAE_IMPORT_FIELDS(CFG_MEMBER)
};
