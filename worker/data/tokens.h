/* tokens.h - a split of a tokenised corpus on disk: <split>.tokens, mapped, not read.
 *
 *   offset 0   header, 64 bytes: "SGTOKENS", u32 version 1, u32 bytes an id (2 or 4), u64 n (ids),
 *              u64 n_vocab, u64 n_docs, u64 1 if documents are lines, 16 bytes of zeros
 *         64   n ids, then zeros up to a multiple of 8
 *              three tables u64 [n_docs + 1]: first id, first byte, first word of each document
 * Little-endian.  Packed: one stream, documents joined by id 0 (which belongs to the document
 * before it).  Lines: each document is a sequence of its own, without separators.  Bytes and words
 * (runs between white space) are those of the text, for bits a byte and word perplexity.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "worker/data/tokenizer.h"

struct tokens {
    size_t n, n_vocab, n_docs;
    bool is_lines;
    unsigned width;          /* bytes an id: 2 or 4 */
    const void *data;        /* [n] ids of that width */
    const uint64_t *token_at, *byte_at, *word_at; /* [n_docs + 1], each begins with 0 */
    void *map;
    size_t map_size;
};

/* The split ("train", "valid", "test") in the result folder of a data_make of task `text`.  A file
 * that is damaged, cut or of another kind is refused; ids are not looked at. */
MUST_CHECK enum err_code tokens_open(struct tokens *t, const char *dir, const char *split,
                                     struct err *e);
void tokens_close(struct tokens *t); /* no-op if not open */

static inline uint32_t tokens_get(const struct tokens *t, size_t i)
{
    return t->width == 2 ? ((const uint16_t *)t->data)[i] : ((const uint32_t *)t->data)[i];
}
/* ids at..at+n-1 */
void tokens_copy(const struct tokens *t, size_t at, size_t n, int32_t *out);
static inline uint64_t tokens_n_bytes(const struct tokens *t)
{
    return t->byte_at[t->n_docs];
}
static inline uint64_t tokens_n_words(const struct tokens *t)
{
    return t->word_at[t->n_docs];
}

/* The tokeniser that the corpus in `dir` was made with. */
MUST_CHECK enum err_code tokens_tokenizer(struct tokenizer *t, const char *dir, struct err *e);
/* Puts a copy of the tokeniser's file at `path` into `dir` for tokens_tokenizer; "" for bytes. */
MUST_CHECK enum err_code tokens_keep_tokenizer(const char *dir, const char *path, struct err *e);

/* Writing, as a stream. */
struct tokens_writer {
    char *path;
    void *file;
    size_t n, n_vocab, n_docs;
    bool is_lines;
    unsigned width;
    uint64_t n_bytes, n_words;
    uint64_t *at;            /* [3, n_docs] grown */
    size_t cap;
};

MUST_CHECK enum err_code tokens_create(struct tokens_writer *w, const char *dir, const char *split,
                                       size_t n_vocab, bool is_lines, struct err *e);
MUST_CHECK enum err_code tokens_add(struct tokens_writer *w, const uint32_t *id, size_t n,
                                    struct err *e);
/* Ends the document that the ids since the last one belong to. */
void tokens_end_doc(struct tokens_writer *w, uint64_t n_bytes, uint64_t n_words);
MUST_CHECK enum err_code tokens_finish(struct tokens_writer *w, struct err *e);
void tokens_abandon(struct tokens_writer *w); /* frees after an error; no-op when finished */
