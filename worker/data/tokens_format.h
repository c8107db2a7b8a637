/* tokens_format.h - what tokens.c and tokens_write.c share; nobody else includes this. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define TOKENS_MAGIC     "SGTOKENS"
#define TOKENS_TOKENIZER "tokenizer.json" /* as it was given; may be gzip'd all the same */
enum { TOKENS_VERSION = 1 };

struct tokens_header {
    char magic[8];
    uint32_t version, width;
    uint64_t n, n_vocab, n_docs, is_lines, zero[2];
};
_Static_assert(sizeof(struct tokens_header) == 64, "the header is 64 bytes");

static inline size_t tokens_tables_at(size_t n, unsigned width)
{
    return sizeof(struct tokens_header) + (n * width + 7) / 8 * 8;
}

static inline size_t tokens_file_size(size_t n, unsigned width, size_t n_docs)
{
    return tokens_tables_at(n, width) + 3 * (n_docs + 1) * sizeof(uint64_t);
}
