/* sae_train.h - knobs of `sae_train`: one sparse autoencoder on one activation matrix. */
#pragma once
#include "common/cfg.h"

#define SAE_TRAIN_FIELDS(X)                                                                        \
    X(ENUM, arch, "topk", 0, 0, "topk|topk_husai|relu|linear",                                     \
      "encoder: a row of worker/sae/archs.c")                                                      \
    X(I64, d_sae, "1024", 1, 1 << 20, "features", "dictionary width")                              \
    X(I64, k, "32", 1, 1 << 20, "features", "active features a row (topk)")                        \
    X(F64, l1, "1e-3", 0, 1e6, "", "sparsity penalty (relu): l1 * mean over rows of sum |a_f|")    \
    X(ENUM, decoder_norm, "auto", 0, 0, "auto|none|renorm|project",                                \
      "unit decoder directions: renorm after the step, project: and no radial gradient; auto: the arch's own") \
    X(ENUM, init, "auto", 0, 0, "auto|tied|independent", "encoder = decoder^T, or its own draw; auto: the arch's own") \
    X(ENUM, b_dec_init, "auto", 0, 0, "auto|zero|mean", "auto: mean if the arch centres its input")\
    X(I64, epochs, "0", 0, 1000000, "epochs", "passes over the rows; used when steps is 0")        \
    X(I64, steps, "3000", 0, 1LL << 32, "steps", "optimiser steps; 0: by epochs")                  \
    X(I64, batch, "256", 1, 1 << 20, "rows", "rows a step; the last batch of an epoch may be smaller") \
    X(F64, lr, "3e-4", 0, 10, "1/step", "Adam step size")                                          \
    X(I64, warmup, "0", 0, 1000000, "steps", "linear warm-up")                                     \
    X(F64, decay, "0", 0, 1, "", "last share of the steps over which lr falls to 0")               \
    X(F64, beta1, "0.9", 0, 0.99999, "", "Adam beta 1")                                            \
    X(F64, beta2, "0.999", 0, 0.999999, "", "Adam beta 2")                                         \
    X(F64, clip, "0", 0, 1e9, "", "global gradient norm; 0 is none")                               \
    X(I64, seed, "0", 0, INT64_MAX, "", "root of every random stream")                             \
    X(I64, seed_init, "-1", -1, INT64_MAX, "", "of the initial weights; -1: seed")                 \
    X(I64, seed_order, "-1", -1, INT64_MAX, "", "of the order of the rows; -1: seed")

struct sae_train_cfg {
    SAE_TRAIN_FIELDS(CFG_MEMBER)
};
