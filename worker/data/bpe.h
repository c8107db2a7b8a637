/* bpe.h - byte-level byte-pair encoding as GPT-NeoX-20B has it (all Pythia models).
 *
 * Reads a Hugging Face tokenizers file (JSON, or the same gzip'd): model BPE, pre-tokeniser
 * ByteLevel, normaliser NFC or none; anything else in it that would change ids is refused by name.
 * Encoding, for well-formed UTF-8 (tokenizer.h repairs and streams):
 *   1. added tokens that are not normalised ("<|endoftext|>") are found in the raw text,
 *   2. what is between them is brought to NFC,
 *   3. in it the normalised added tokens (runs of spaces) are found, leftmost and longest,
 *   4. the rest is cut into pieces by GPT-2's pattern,
 *   5. in every piece the adjacent pair of lowest rank is merged until none has a rank.
 *
 * A smaller vocabulary of n ids: the added tokens and single bytes stay, of the merges the first
 * that leave n ids in all.  What stays is numbered in the order of its old ids: GPT-NeoX's special
 * tokens are 0 and 1, bytes 2..244, merge i is 245 + i, and n spaces are id V + 1 - n, as in the
 * full vocabulary of V = 50277.
 */
#pragma once
#include <stdbool.h>

#include "common/buf.h"
#include "worker/data/ids.h"
#include "worker/data/unicode.h"

struct bpe_added {
    char *text;
    size_t len;
    uint32_t id;
};

/* Added tokens looked for together; `first` and `pair` rule out most places at once. */
struct bpe_added_set {
    struct bpe_added *token; /* longest first */
    size_t n;
    bool first[256];
    uint64_t pair[1024];     /* bit (first byte << 8 | second byte) */
};

struct bpe_merge {
    uint64_t pair;           /* left << 32 | right; BPE_FREE: an empty slot */
    uint32_t rank, id;
};

struct bpe {
    size_t n_vocab;
    char *bytes;             /* what the ids stand for, one after the other */
    uint32_t *at;            /* [n_vocab + 1] offsets in bytes */
    uint32_t byte_id[256];   /* BPE_NONE for bytes that UTF-8 does not have */
    struct bpe_merge *merge; /* hash table */
    size_t merge_mask;
    struct bpe_added_set raw, normal;
    uint64_t *inside;        /* [1024] byte pairs inside added tokens: no cut there */
    bool is_nfc;
    struct unicode unicode;
    struct bpe_cache *cache;
    struct buf scratch;      /* normalised text */
};

#define BPE_FREE UINT64_MAX
#define BPE_NONE UINT32_MAX

/* n_vocab 0: all of it.  The file is closed again; a gzip'd one is recognised. */
MUST_CHECK enum err_code bpe_open(struct bpe *b, const char *path, size_t n_vocab, struct err *e);
void bpe_close(struct bpe *b);

/* Appends the ids of well-formed UTF-8.  is_plain: "<|endoftext|>" and its like are text. */
void bpe_encode(struct bpe *b, const void *text, size_t n, bool is_plain, struct ids *out);
/* The last place in well-formed text where encoding may be interrupted without changing an id, or
 * 0 if there is none. */
size_t bpe_last_cut(const struct bpe *b, const void *text, size_t n);
/* The bytes of an id below n_vocab. */
const char *bpe_bytes(const struct bpe *b, uint32_t id, size_t *len);
