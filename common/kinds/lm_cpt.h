/* lm_cpt.h - knobs of `lm_cpt`: continued pretraining of a language model with an auxiliary loss on
 * one activation, after SAE-ception.
 *
 *   loss = lm + lambda * aux,   x the stream after the block that the SAE was trained on
 *
 *   arm                 aux                                                   gradient of aux at x
 *   control             none                                                  none
 *   l1                  mean over tokens of sum_i |x_i|                       sign(x) / M
 *   saeception          mean over tokens and dims of (x - t)^2                2 (x - t) / (d M)
 *   saeception_cosine   mean over tokens of 1 - cos(x, t)                     (cos x/|x| - t/|t|) / (|x| M)
 *   random              as saeception, t a random target: see random_target
 *   reconstruction      as saeception with k_sharp = k: the plain reconstruction
 *
 * t keeps the k_sharp largest features of the frozen SAE (worker/sae/sharpen.h), is made anew from
 * the current x and is a constant for the gradient; M is the number of tokens of the whole step.
 * All arms take the same data in the same order for the same seed.
 */
#pragma once
#include "common/cfg.h"

#define LM_CPT_FIELDS(X)                                                                           \
    X(ENUM, arm, "saeception", 0, 0, "control|l1|saeception|saeception_cosine|random|reconstruction", \
      "what the activation is pulled to")                                                          \
    X(I64, k_sharp, "0", 0, 1 << 20, "features",                                                   \
      "features a target keeps: $stage.k_sharp of a ksharp job; arms without a sharpened target leave it out") \
    X(STR, k_sharp_override_reason, "", 0, 0, "",                                                  \
      "why k_sharp is given as a number and not decided by a ksharp job; printed with the run")    \
    X(ENUM, random_target, "norm_matched", 0, 0, "unit|norm_matched|random_k",                     \
      "arm random: a direction of length 1; one as long as the sharpened target; k_sharp of the active features at random") \
    X(F64, lambda, "0.01", 0, 1e6, "", "weight of the auxiliary loss; 0: bit for bit the control") \
    X(ENUM, lambda_schedule, "constant", 0, 0, "constant|linear|cosine|anneal",                    \
      "linear, cosine: falls to lambda_floor by the last step; anneal: halved whenever validation loss exceeds the base model's by ln(1 + anneal_tol)") \
    X(F64, lambda_floor, "0", 0, 1e6, "", "where a schedule ends")                                 \
    X(I64, anneal_every, "10", 1, 1LL << 40, "steps", "steps between looks at the validation loss") \
    X(F64, anneal_tol, "0.02", 0, 10, "", "the tax: share of perplexity that may be lost")         \
    X(I64, tokens, "100000", 1, 1LL << 50, "ids", "training ids; rounded up to whole steps")       \
    X(I64, context, "256", 2, 1 << 16, "ids", "longest sequence")                                  \
    X(I64, batch, "8", 1, 1 << 16, "sequences", "of a step")                                       \
    X(I64, micro, "0", 0, 1 << 16, "sequences", "at a time; 0: batch")                             \
    X(F64, lr, "1e-5", 0, 10, "1/step", "peak AdamW step size")                                    \
    X(ENUM, schedule, "cosine", 0, 0, "cosine|linear|constant", "after the warm-up")               \
    X(F64, lr_floor, "0.1", 0, 1, "", "share of lr that is left at the end")                       \
    X(F64, warmup, "0.01", 0, 1, "", "share of the steps in which lr rises linearly")              \
    X(F64, beta1, "0.9", 0, 0.99999, "", "AdamW beta 1")                                           \
    X(F64, beta2, "0.999", 0, 0.999999, "", "AdamW beta 2")                                        \
    X(F64, eps, "1e-8", 0, 1, "", "AdamW epsilon")                                                 \
    X(F64, weight_decay, "0.01", 0, 100, "", "AdamW decoupled decay")                              \
    X(ENUM, decay, "all", 0, 0, "matrices|all", "all: biases and norms too, as the reference")     \
    X(F64, clip, "1", 0, 1e9, "", "global gradient norm; 0 is none")                               \
    X(BOOL, checkpoint, "false", 0, 0, "", "keep only the input of each block for the backward pass; same bits") \
    X(ENUM, weights, "f32", 0, 0, "f32|bf16|master", "how matrices are held; master: float32, and the passes see them rounded to bf16") \
    X(ENUM, moments, "f32", 0, 0, "f32|bf16", "how both moments of matrices are held")              \
    X(ENUM, activations, "f32", 0, 0, "f32|bf16", "how what the backward pass needs is held")        \
    X(ENUM, precision, "f32", 0, 0, "f32|bf16", "of the products of linear layers and the unembedding; bf16: both operands rounded, summed in float32. Faster where the CPU has AVX512-BF16") \
    X(ENUM, rounding, "stochastic", 0, 0, "stochastic|nearest", "of weights and moments to bf16; nearest loses small steps") \
    X(I64, eval_ids, "20000", 0, 1LL << 40, "ids", "validation ids read during training by lambda_schedule: anneal") \
    X(I64, score_ids, "0", 0, 1LL << 40, "ids", "validation ids of ppl_base and ppl, before the first and after the last step; 0: all") \
    X(F64, damage, "0", 0, 1e6, "", "to see what notices: noise on every weight after the last step, in parts of the weights' root mean square") \
    X(I64, seed, "0", 0, INT64_MAX, "", "root of every random stream: order of the data, random targets") \
    X(I64, seed_order, "-1", -1, INT64_MAX, "", "of the order of the sequences; -1: seed")

struct lm_cpt_cfg {
    LM_CPT_FIELDS(CFG_MEMBER)
};
