/* lm_train.h - knobs of `lm_train`: a transformer trained from scratch on an algorithmic task.
 *
 * Model: pre-LayerNorm decoder with learned positions, untied unembedding.
 * Tasks: `modadd` reads the answer at "=", where it is not visible; `modadd_husai` reproduces the
 * label leak of the reference (loss at the answer's own position) and is a copy task; `copy` and `sort` work on ten drawn
 * symbols: the first moves them by place, the second orders them by value.
 *
 * The defaults are a recipe for `modadd`: with batch 512 and beta2 0.98 validation accuracy passes
 * 0.99 after 21 to 28 epochs on every seed tried, against 70 to 140 with batch 2048.
 * The reference's own recipe for `modadd_husai` is beta2 0.999, weight_decay 0.01.
 */
#pragma once
#include "common/cfg.h"

#define LM_TRAIN_FIELDS(X)                                                                         \
    X(ENUM, task, "modadd", 0, 0, "modadd|modadd_husai|copy|sort",                                 \
      "modadd: correct; modadd_husai: with the reference's label leak; copy, sort: ten symbols")                      \
    X(I64, modulus, "113", 2, 1021, "", "p of modular addition")                                   \
    X(F64, train_fraction, "0.9", 0.01, 0.99, "", "share of the examples trained on")              \
    X(I64, n_examples, "10000", 10, 10000000, "", "sequences of copy and sort")                    \
    X(I64, n_layers, "2", 1, 64, "layers", "transformer blocks")                                   \
    X(I64, d_model, "128", 4, 8192, "dims", "residual stream")                                     \
    X(I64, n_heads, "4", 1, 128, "heads", "attention heads; divides d_model")                      \
    X(I64, d_mlp, "512", 1, 65536, "dims", "hidden width of the MLP")                              \
    X(ENUM, act, "relu", 0, 0, "relu|gelu", "MLP activation; gelu is the exact erf form")          \
    X(I64, epochs, "150", 0, 1000000, "epochs", "passes over the training examples; 0: untrained") \
    X(I64, batch, "512", 1, 1 << 20, "examples", "examples a step; the last batch may be smaller")\
    X(F64, lr, "1e-3", 0, 10, "1/step", "AdamW step size")                                         \
    X(I64, warmup, "0", 0, 1000000, "steps", "linear warm-up")                                     \
    X(F64, beta1, "0.9", 0, 0.99999, "", "AdamW beta 1")                                           \
    X(F64, beta2, "0.98", 0, 0.999999, "", "AdamW beta 2")                                         \
    X(F64, weight_decay, "1", 0, 100, "", "AdamW decoupled decay")                                 \
    X(F64, clip, "0", 0, 1e9, "", "global gradient norm; 0 is none")                               \
    X(STR, stop_at, "", 0, 0, "", "{metric: value}: stop when reached, e.g. {val_acc: 0.99}")      \
    X(I64, seed, "0", 0, INT64_MAX, "", "root of every random stream")                             \
    X(I64, seed_init, "-1", -1, INT64_MAX, "", "of the initial weights; -1: seed")                 \
    X(I64, seed_order, "-1", -1, INT64_MAX, "", "of the order of the batches; -1: seed")           \
    X(I64, seed_data, "-1", -1, INT64_MAX, "", "of the examples and their split; -1: seed")

struct lm_train_cfg {
    LM_TRAIN_FIELDS(CFG_MEMBER)
};
