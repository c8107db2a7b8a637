/* sae_train.h - knobs of `sae_train`: one sparse autoencoder on one activation matrix.
 *
 * Every default means what the kind did before the knob existed, so that ids stay.
 */
#pragma once
#include "common/cfg.h"

#define SAE_TRAIN_ARCHS                                                                            \
    "topk|topk_husai|batchtopk|matryoshka|jsae|relu|relu_bricken|relu_april|jumprelu|gated|gba|"   \
    "jsae_pair|transcoder|skip_transcoder|relu_transcoder|relu_skip_transcoder|"                   \
    "jumprelu_transcoder|jumprelu_skip_transcoder|linear"

#define SAE_TRAIN_FIELDS(X)                                                                        \
    X(ENUM, arch, "topk", 0, 0, SAE_TRAIN_ARCHS,                                                   \
      "encoder: a row of worker/sae/archs.c; jsae_pair is the published Jacobian SAE around an MLP, jsae a single-site definition of our own; gba's constants and input scale are unverified") \
    X(I64, d_sae, "1024", 1, 1 << 20, "features", "dictionary width")                              \
    X(I64, k, "32", 1, 1 << 20, "features", "active features a row (topk); times the rows of a batch (batchtopk, matryoshka)") \
    X(F64, l1, "1e-3", 0, 1e6, "", "sparsity penalty: relu: l1 * mean over rows of sum |a_f|; jumprelu: l1 * L0; gated: l1 * sum relu(pi_f)") \
    X(ENUM, l1_form, "auto", 0, 0, "auto|plain|norm_weighted",                                     \
      "|a_f| or |a_f| |d_f|; auto: weighted where decoder norms are free")                         \
    X(I64, l1_warmup, "0", 0, 1LL << 32, "steps", "steps over which l1, and jacobian of jsae_pair, rise linearly")            \
    X(ENUM, decoder_norm, "auto", 0, 0, "auto|none|renorm|project|wrong_axis",                     \
      "unit decoder directions: renorm after the step, project: and no radial gradient; auto: the arch's own; wrong_axis: along the features, a negative control") \
    X(ENUM, init, "auto", 0, 0, "auto|tied|independent", "encoder = decoder^T, or its own draw; auto: the arch's own") \
    X(ENUM, b_dec_init, "auto", 0, 0, "auto|zero|mean|geometric_median",                           \
      "auto: mean if the arch centres its input; the median is of at most 4096 rows")              \
    X(ENUM, normalize, "none", 0, 0,                                                               \
      "none|expected_average_only_in|constant_norm_rescale|layer_norm|unit_mean_sq",               \
      "rows before the SAE, SAELens' names; scalar modes are folded into the saved weights")       \
    X(BOOL, aligned, "false", 0, 0, "", "w_f . d_f = 1 by projection (arXiv:2605.18629; the paper's own formula is unverified)") \
    X(F64, bandwidth, "0.001", 0, 1e6, "", "jumprelu: width of the rectangle through which theta learns") \
    X(F64, theta, "0.001", 0, 1e6, "", "jumprelu: threshold at initialisation")                    \
    X(ENUM, jump_loss, "l0", 0, 0, "l0|tanh", "jumprelu: l1 * L0, or l1 * sum tanh(tanh_scale * a_f |d_f|)") \
    X(F64, target_l0, "0", 0, 1e9, "features", "jumprelu: above 0, the penalty is l1 * (L0/target - 1)^2") \
    X(F64, tanh_scale, "4", 0, 1e6, "", "jumprelu, jump_loss tanh; the value is SAELens', its origin unverified")                                \
    X(F64, dead_pull, "0", 0, 1e6, "", "jumprelu: * mean sum relu(theta_f - z_f) |d_f| over dead features") \
    X(STR, prefixes, "0.0625,0.125,0.25,0.5,1", 0, 0, "", "matryoshka: ends of the nested prefixes, shares of d_sae or widths; the last is all") \
    X(ENUM, prefix_loss, "mean", 0, 0, "mean|mean_with_bias|dl|sum|husai_0.2",                     \
      "matryoshka: mean of the prefixes' errors; with that of b_dec alone (MatSAE); sum / G^2 (dictionary_learning); sum (SAELens); whole + 0.2 mean (HUSAI)") \
    X(ENUM, threshold, "ema", 0, 0, "ema|dl|matsae",                                               \
      "batchtopk, matryoshka: moving average of the least value kept: rate 0.01 from the first step; 0.001 from step 1000; 0.01 from 0 (also SAELens)") \
    X(F64, jacobian, "1", 0, 1e6, "", "jsae: c * mean over rows of sum |w_j . d_i| / (k(k-1)), i != j active; jsae_pair: c * mean over rows of sum |J_ji| / k^2, J through the MLP")  \
    X(ENUM, aux, "none", 0, 0, "none|auxk", "topk, batchtopk, matryoshka: dead features explain the residual (dictionary_learning's form)") \
    X(F64, auxk_alpha, "0.03125", 0, 1e6, "", "weight of auxk")                                    \
    X(I64, k_aux, "0", 0, 1 << 20, "features", "dead features a row of auxk; 0: d_model / 2")      \
    X(I64, dead_rows, "10000000", 1, INT64_MAX, "rows", "a feature silent for so many rows is dead: for auxk, dead_pull, resampling") \
    X(I64, resample_every, "0", 0, 1LL << 32, "steps", "dead features start anew at rows of high error (Bricken et al. 2023, in a form read second-hand: unverified); 0: never; not of transcoders") \
    X(ENUM, bias_rule, "auto", 0, 0, "auto|none|gba", "group bias adaptation after the step; auto: with arch gba only; constants unverified") \
    X(I64, bias_groups, "10", 1, 1000, "groups", "gba: groups of target activation frequencies")   \
    X(F64, bias_high, "0.1", 1e-9, 1, "", "gba: the highest target frequency")                     \
    X(F64, bias_low, "0.001", 1e-9, 1, "", "gba: the lowest; geometric between")                   \
    X(I64, bias_every, "50", 1, 1LL << 32, "steps", "gba: steps between adaptations")              \
    X(F64, bias_gamma, "0.01", 0, 1, "", "gba: step of the biases")                                \
    X(ENUM, consistency, "none", 0, 0, "none|max_cosine|assignment|mutual",                        \
      "penalty against the frozen input `reference`: 1 - mean max |cos|; by Hungarian matching; both directions") \
    X(F64, consistency_lambda, "0", 0, 1e6, "", "its weight")                                      \
    X(I64, consistency_every, "1", 1, 1LL << 32, "steps", "assignment: steps between matchings")   \
    X(STR, checkpoints_at, "", 0, 0, "", "steps at which checkpoints/sae_step<N>.pt is written: \"0,100,1000\"; 0: as initialised") \
    X(BOOL, keep_state, "false", 0, 0, "", "keep the optimiser's state, so that a training with more steps can go on `from` this one") \
    X(I64, epochs, "0", 0, 1000000, "epochs", "passes over the rows; used when steps is 0")        \
    X(I64, steps, "3000", 0, 1LL << 32, "steps", "optimiser steps; 0: by epochs")                  \
    X(I64, batch, "256", 1, 1 << 20, "rows", "rows a step; the last batch of an epoch may be smaller") \
    X(F64, lr, "3e-4", 0, 10, "1/step", "Adam step size")                                          \
    X(I64, warmup, "0", 0, 1000000, "steps", "linear warm-up")                                     \
    X(F64, decay, "0", 0, 1, "", "last share of the steps over which lr falls to 0")               \
    X(ENUM, precision, "exact", 0, 0, "exact|bf16",                                                \
      "of the encoder's product: float; or inputs rounded to bfloat16, in training and its own evaluation: half the product's time where the CPU has AVX512-BF16, slower elsewhere; what it costs: docs/speed-sae.md") \
    X(F64, beta1, "0.9", 0, 0.99999, "", "Adam beta 1")                                            \
    X(F64, beta2, "0.999", 0, 0.999999, "", "Adam beta 2")                                         \
    X(F64, clip, "0", 0, 1e9, "", "global gradient norm; 0 is none")                               \
    X(I64, seed, "0", 0, INT64_MAX, "", "root of every random stream")                             \
    X(I64, seed_init, "-1", -1, INT64_MAX, "", "of the initial weights; -1: seed")                 \
    X(I64, seed_order, "-1", -1, INT64_MAX, "", "of the order of the rows; -1: seed")

struct sae_train_cfg {
    SAE_TRAIN_FIELDS(CFG_MEMBER)
};
