/* data_make.h - knobs of `data_make`: data to train on and to measure with.
 *
 * task `organism`: the model organism of Song et al. 2025 (arXiv 2505.20254, synthetic/):
 * unit-norm atoms, |N(0,1)| coefficients on n_active uniformly chosen atoms.  Result: an
 * activation matrix (acts.h) and the true dictionary truth.pt [n_atoms, d_model].
 *
 * task `text`: texts become token ids: train.tokens, valid.tokens, test.tokens (tokens.h) and a copy
 * of the tokeniser.  No text is in two splits: a unit (document, block, line) goes to one of them by a
 * digest of its content and the seed, so equal units go together wherever they stand.
 */
#pragma once
#include "common/cfg.h"

#define DATA_MAKE_FIELDS(X)                                                                        \
    X(ENUM, task, "organism", 0, 0, "organism|text",                                               \
      "organism: rows from a known dictionary; text: token ids of texts")                          \
    X(I64, d_model, "16", 1, 65536, "dims", "organism: dimension of a row")                        \
    X(I64, n_atoms, "32", 1, 1 << 20, "atoms", "organism: size of the true dictionary")            \
    X(I64, n_active, "3", 1, 4096, "atoms", "organism: atoms active in a row")                     \
    X(I64, n_rows, "50000", 1, 1LL << 32, "rows", "organism: rows to make")                        \
    X(I64, seed, "0", 0, INT64_MAX, "", "root of the random streams; of splits and fractions of texts") \
    X(PATH, text, "", 0, 0, "", "text: a file or folder, plain or gzip'd; relative to the sweep file") \
    X(PATH, tokenizer, "", 0, 0, "", "text: a tokenizer.json (may be gzip'd); \"\": byte-level, 257 ids") \
    X(I64, n_vocab, "0", 0, 1 << 24, "ids", "text: keep the first merges that leave so many; 0: all") \
    X(ENUM, layout, "packed", 0, 0, "packed|line",                                                 \
      "text: packed: one stream, documents joined by id 0; line: each line a sequence")            \
    X(I64, max_length, "1024", 1, 1 << 20, "ids", "text: longer lines are cut; layout line")       \
    X(ENUM, split, "given", 0, 0, "given|document|block|line|train|valid|test",                    \
      "text: given: folders train, valid, test; document, block, line: by digest of each; else all in one") \
    X(F64, valid_fraction, "0.05", 0, 1, "", "text: share of the units; split document, block, line") \
    X(F64, test_fraction, "0.05", 0, 1, "", "text: likewise")                                      \
    X(MEM, block_bytes, "16384", 256, 1 << 30, "bytes", "text: a block is whole paragraphs of at least this") \
    X(F64, data_fraction, "1", 0, 1, "", "text: share of the training blocks or lines kept; nested") \
    X(ENUM, specials, "text", 0, 0, "text|token", "text: what <|endoftext|> in a text is")

struct data_make_cfg {
    DATA_MAKE_FIELDS(CFG_MEMBER)
};
