/* bpe_parts.h - what bpe*.c share; nobody else includes this. */
#pragma once
#include "worker/data/bpe.h"

/* Rank and product of a pair, or NULL. */
const struct bpe_merge *bpe_merge_find(const struct bpe *b, uint32_t left, uint32_t right);
/* Into the table that bpe_load.c made; a pair named twice has the later rank, as in the library. */
void bpe_merge_add(struct bpe *b, uint32_t left, uint32_t right, uint32_t rank, uint32_t id);
/* Appends the ids of one piece: through the cache, and without it. */
void bpe_piece(struct bpe *b, const uint8_t *piece, size_t n, struct ids *out);
void bpe_merge_piece(const struct bpe *b, const uint8_t *piece, size_t n, struct ids *out);
/* The same by the textbook's loop, for short pieces and tests: n^2. */
void bpe_merge_short(const struct bpe *b, uint32_t *id, size_t *n);
/* The same with a heap: n log n. */
void bpe_merge_long(const struct bpe *b, uint32_t *id, size_t *n);

struct bpe_cache *bpe_cache_new(void);
void bpe_cache_free(struct bpe_cache *c);

struct bpe_alphabet {
    uint32_t character[256]; /* of a byte */
    int16_t byte[0x144];     /* of a character; -1: it is not one of these */
};
void bpe_alphabet_init(struct bpe_alphabet *a);
/* Text of a file's token as bytes; text with a character that is not one of these, as it is. */
void bpe_text_bytes(const struct bpe_alphabet *a, const char *text, struct buf *out);

/* Place of the first added token at or behind `from`, n if none. */
size_t bpe_added_find(const struct bpe_added_set *s, const uint8_t *text, size_t from, size_t n,
                      const struct bpe_added **which);
