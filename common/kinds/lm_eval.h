/* lm_eval.h - knobs of `lm_eval`: how well a language model predicts a text.
 *
 * Protocols (worker/data/windows.h): `rolling` scores every id of each document once, the first behind
 * id 0; `block` cuts the packed stream into disjoint blocks; `stride` slides a window; `line` takes each
 * line by itself.  Numbers of different protocols are not comparable: each result names its own.
 */
#pragma once
#include "common/cfg.h"

#define LM_EVAL_FIELDS(X)                                                                          \
    X(ENUM, split, "valid", 0, 0, "train|valid|test", "what is measured on")                       \
    X(ENUM, protocol, "rolling", 0, 0, "rolling|block|stride|line", "how the text is cut")         \
    X(I64, window, "1024", 1, 1 << 20, "ids", "ids that the model is given at once, at most")      \
    X(I64, stride, "512", 1, 1 << 20, "ids", "protocol stride: ids between windows")               \
    X(BOOL, prefix, "false", 0, 0, "", "protocol block: score the first id of a block behind id 0")\
    X(I64, max_ids, "0", 0, 1LL << 40, "ids", "the first so many of the split; 0: all")            \
    X(I64, batch_ids, "4096", 1, 1 << 24, "ids", "ids in a pass; at least the window")             \
    X(ENUM, precision, "f32", 0, 0, "f32|bf16", "of the products of linear layers and the unembedding; bf16: both operands rounded, summed in float32. Faster where the CPU has AVX512-BF16") \
    X(I64, ref_batch, "4", 1, 1 << 20, "lines", "protocol line: batch of the reference's weighting, ppl_ref") \
    X(BOOL, losses, "true", 0, 0, "", "write losses.pt: NLL of every id, NaN where not scored")    \
    X(I64, n_samples, "4", 0, 4096, "texts", "texts to generate")                                  \
    X(I64, sample_ids, "64", 1, 1 << 16, "ids", "length of each")                                  \
    X(F64, temperature, "1", 0, 100, "", "of sampling; 0: the likeliest id")                       \
    X(I64, top_k, "0", 0, 1 << 24, "ids", "sample among the likeliest; 0: all")                    \
    X(I64, seed, "0", 0, INT64_MAX, "", "of the samples")

struct lm_eval_cfg {
    LM_EVAL_FIELDS(CFG_MEMBER)
};
