/* lm_pretrain.h - knobs of `lm_pretrain`: a GPT-NeoX model trained on token ids, from scratch or on
 * from another model.
 *
 * From scratch: small_init for embeddings and input matrices, wang_init for output matrices, as Pythia.
 * With `model: $other` the shape is that model's and the shape knobs must be left alone.
 * A step is `batch` sequences of `context` ids (layout packed) or `batch` lines; gradients of its
 * micro-batches add up with the number of predicted ids of the whole step as denominator.
 */
#pragma once
#include "common/cfg.h"

#define LM_PRETRAIN_FIELDS(X)                                                                      \
    X(I64, n_layers, "6", 1, 1024, "layers", "blocks")                                             \
    X(I64, d_model, "256", 2, 1 << 16, "dims", "residual stream")                                  \
    X(I64, n_heads, "4", 1, 4096, "heads", "attention heads; divides d_model")                     \
    X(I64, d_mlp, "0", 0, 1 << 18, "dims", "hidden width of the MLP; 0: 4 d_model")                \
    X(I64, n_vocab, "0", 0, 1 << 24, "ids", "rows of the embedding, at least the data's ids; 0: as many. Pythia has 50304") \
    X(F64, rotary_pct, "0.25", 0, 1, "", "share of a head's dims that turn with the position")     \
    X(F64, rotary_base, "10000", 1, 1e9, "", "base of the rotary frequencies")                     \
    X(BOOL, parallel, "true", 0, 0, "", "attention and MLP read the same stream, as Pythia")       \
    X(BOOL, tied, "false", 0, 0, "", "one matrix for embedding and unembedding")                   \
    X(ENUM, act, "gelu", 0, 0, "gelu|gelu_tanh", "MLP activation")                                 \
    X(I64, context, "256", 2, 1 << 16, "ids", "longest sequence")                                  \
    X(I64, batch, "16", 1, 1 << 16, "sequences", "of a step")                                      \
    X(I64, micro, "0", 0, 1 << 16, "sequences", "at a time; 0: batch. Less memory, same gradient to rounding") \
    X(F64, epochs, "1", 0, 1e6, "epochs", "passes over the training ids; 0: untrained")            \
    X(I64, steps, "0", 0, 1LL << 40, "steps", "instead of epochs; 0: epochs count")                \
    X(F64, lr, "1e-3", 0, 10, "1/step", "peak AdamW step size")                                    \
    X(ENUM, schedule, "cosine", 0, 0, "cosine|linear|constant", "after the warm-up")               \
    X(F64, lr_floor, "0.1", 0, 1, "", "share of lr that is left at the end")                       \
    X(F64, warmup, "0.01", 0, 1, "", "share of the steps in which lr rises linearly")              \
    X(F64, beta1, "0.9", 0, 0.99999, "", "AdamW beta 1")                                           \
    X(F64, beta2, "0.95", 0, 0.999999, "", "AdamW beta 2")                                         \
    X(F64, eps, "1e-8", 0, 1, "", "AdamW epsilon")                                                 \
    X(F64, weight_decay, "0.1", 0, 100, "", "AdamW decoupled decay")                               \
    X(ENUM, decay, "matrices", 0, 0, "matrices|all", "matrices: not biases and norms")             \
    X(F64, clip, "1", 0, 1e9, "", "global gradient norm; 0 is none")                               \
    X(BOOL, checkpoint, "false", 0, 0, "", "keep only the input of each block for the backward pass; same bits") \
    X(ENUM, weights, "f32", 0, 0, "f32|bf16|master", "how matrices are held; master: float32, and the passes see them rounded to bf16") \
    X(ENUM, moments, "f32", 0, 0, "f32|bf16", "how both moments of matrices are held")              \
    X(ENUM, activations, "f32", 0, 0, "f32|bf16", "how what the backward pass needs is held")        \
    X(ENUM, precision, "f32", 0, 0, "f32|bf16", "of the products of linear layers and the unembedding; bf16: both operands rounded, summed in float32. Faster where the CPU has AVX512-BF16") \
    X(ENUM, rounding, "stochastic", 0, 0, "stochastic|nearest", "of weights and moments to bf16; nearest loses small steps") \
    X(ENUM, gradients, "all", 0, 0, "all|block", "block: those of one block at a time, for twice the passes; no micro-batches") \
    X(I64, eval_every, "0", 0, 1LL << 40, "steps", "validation loss; 0: ten times")                \
    X(I64, eval_ids, "100000", 0, 1LL << 40, "ids", "validation ids read during training; the end reads all") \
    X(I64, seed, "0", 0, INT64_MAX, "", "root of every random stream")                             \
    X(I64, seed_init, "-1", -1, INT64_MAX, "", "of the initial weights; -1: seed")                 \
    X(I64, seed_order, "-1", -1, INT64_MAX, "", "of the order of the sequences; -1: seed")

struct lm_pretrain_cfg {
    LM_PRETRAIN_FIELDS(CFG_MEMBER)
};
