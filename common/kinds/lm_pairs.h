/* lm_pairs.h - knobs of `lm_pairs`: minimal pairs (BLiMP) under a language model.
 *
 * Score of a sentence: the sum of log p of all its ids behind one id 0, not normalised by length.
 * mode `v0.4` (lm-evaluation-harness from 0.4 on): a space before the sentence, a tie is right;
 * `legacy` (2022/23, all published Pythia numbers): the sentence as it is, a tie is wrong.
 */
#pragma once
#include "common/cfg.h"

#define LM_PAIRS_FIELDS(X)                                                                         \
    X(PATH, path, "", 0, 0, "", "JSON lines of pairs, a file or folder, plain or gzip'd; relative to the sweep file") \
    X(ENUM, mode, "v0.4", 0, 0, "v0.4|legacy", "convention of the harness: text, and what a tie is") \
    X(I64, max_pairs, "0", 0, 1 << 30, "pairs", "the first so many of each paradigm; 0: all")       \
    X(PATH, tokenizer, "", 0, 0, "", "a tokenizer.json; \"\": that of `data`, or in the model's folder") \
    X(I64, batch_ids, "4096", 1, 1 << 24, "ids", "ids in a pass")

struct lm_pairs_cfg {
    LM_PAIRS_FIELDS(CFG_MEMBER)
};
