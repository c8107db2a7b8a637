/* tokenizer.h - text to token ids and back, as streams.
 *
 * Two tokenisers: a BPE from a file (bpe.h), and "bytes", which needs none: id 0 is the end of a
 * text, id 1 + b the byte b, 257 ids.  Streams take chunks of any size, down to single bytes; the
 * ids do not depend on where chunks end.  Memory grows with the longest stretch of text without a
 * place where a piece certainly ends: one word, or one run of white space, as a rule.
 * Any bytes may be fed: what is not UTF-8 becomes U+FFFD (utf8.h) for a BPE and stays itself for
 * "bytes".
 */
#pragma once
#include "worker/data/bpe.h"
#include "worker/data/utf8.h"

enum { TOKEN_END = 0 /* <|endoftext|>: between documents, and the prefix of a scored text */ };

struct tokenizer {
    size_t n_vocab;
    bool is_bytes;
    struct bpe bpe;
};

/* path "" or "bytes": the byte-level tokeniser.  n_vocab 0: all ids of the file. */
MUST_CHECK enum err_code tokenizer_open(struct tokenizer *t, const char *path, size_t n_vocab,
                                        struct err *e);
void tokenizer_close(struct tokenizer *t);

struct tok_encode {
    struct tokenizer *t;
    bool is_plain;      /* "<|endoftext|>" in the text is text */
    struct utf8_repair repair;
    struct buf text;    /* not encoded yet */
    size_t tried;       /* bytes of it that hold no cut */
};

void tok_encode_init(struct tok_encode *s, struct tokenizer *t, bool is_plain);
/* Appends the ids that are certain; with is_end all. */
void tok_encode_add(struct tok_encode *s, const void *data, size_t n, bool is_end, struct ids *out);
void tok_encode_free(struct tok_encode *s);
/* A whole text at once. */
void tokenizer_encode(struct tokenizer *t, const void *text, size_t n, bool is_plain,
                      struct ids *out);

struct tok_decode {
    const struct tokenizer *t;
    struct utf8_repair repair;
};

void tok_decode_init(struct tok_decode *s, const struct tokenizer *t);
/* Appends what an id stands for; a character split between ids comes with its last byte. */
MUST_CHECK enum err_code tok_decode_add(struct tok_decode *s, uint32_t id, struct buf *out,
                                        struct err *e);
void tok_decode_end(struct tok_decode *s, struct buf *out);
/* The bytes of one id, not repaired; NULL and 0 if it has none. */
const char *tokenizer_bytes(const struct tokenizer *t, uint32_t id, size_t *len);
