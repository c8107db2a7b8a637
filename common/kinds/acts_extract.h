/* acts_extract.h - knobs of `acts_extract`: activations of a model at a hook. */
#pragma once
#include "common/cfg.h"

#define ACTS_EXTRACT_FIELDS(X)                                                                     \
    X(I64, layer, "1", 0, 1023, "", "block, from 0")                                               \
    X(ENUM, hook, "resid_post", 0, 0, "resid_pre|resid_post|mlp_out|attn_out|ln2_normalized",      \
      "resid_*: the stream before or after the block; *_out: a branch before it is added; ln2_normalized: what the MLP reads, before gain and bias of its LayerNorm") \
    X(ENUM, hook_out, "none", 0, 0, "none|resid_pre|resid_post|mlp_out|attn_out|ln2_normalized",   \
      "a second matrix, row by row with the first: what transcoders and jsae_pair predict")        \
    X(ENUM, position, "answer", 0, 0, "answer|bos|first_operand|all|last",                         \
      "token read; answer is where the task reads its answer; on text bos and last of each sequence, else all") \
    X(ENUM, split, "train", 0, 0, "train|valid|test", "text: the split of `data` that is read")    \
    X(I64, context, "512", 2, 1 << 16, "ids", "text: ids a sequence; longer lines are cut")        \
    X(I64, max_rows, "0", 0, 1LL << 32, "rows", "text: rows of sequences in a seeded order; 0: all") \
    X(BOOL, skip_bos, "false", 0, 0, "", "text: without the first id of each sequence, an outlier of most models") \
    X(F64, data_fraction, "1", 0.0001, 1, "", "share of the rows; nested subsets")                 \
    X(ENUM, surrogate, "none", 0, 0, "none|gaussian|shuffle",                                      \
      "control rows instead: Gaussian of the same mean and covariance, or columns shuffled")       \
    X(I64, seed, "0", 0, INT64_MAX, "", "of the row subset, fresh examples and surrogates")

struct acts_extract_cfg {
    ACTS_EXTRACT_FIELDS(CFG_MEMBER)
};
