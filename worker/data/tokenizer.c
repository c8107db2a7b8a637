/* tokenizer.c - see tokenizer.h. */
#include "worker/data/tokenizer.h"

#include <string.h>

enum { BYTES_VOCAB = 257, CHUNK = 1 << 18 };

static const char every_byte[256] = {
#define B4(x)  (char)(x), (char)((x) + 1), (char)((x) + 2), (char)((x) + 3)
#define B16(x) B4(x), B4((x) + 4), B4((x) + 8), B4((x) + 12)
#define B64(x) B16(x), B16((x) + 16), B16((x) + 32), B16((x) + 48)
    B64(0), B64(64), B64(128), B64(192)};

enum err_code tokenizer_open(struct tokenizer *t, const char *path, size_t n_vocab, struct err *e)
{
    *t = (struct tokenizer){.n_vocab = BYTES_VOCAB, .is_bytes = true};
    if (!*path || !strcmp(path, "bytes")) {
        if (n_vocab && n_vocab != BYTES_VOCAB)
            return err_set(e, ERR_INVALID, "n_vocab: %zu: the byte-level tokeniser has %d ids",
                           n_vocab, BYTES_VOCAB);
        return ERR_OK;
    }
    t->is_bytes = false;
    if (bpe_open(&t->bpe, path, n_vocab, e))
        return err_wrap(e, "tokenizer");
    t->n_vocab = t->bpe.n_vocab;
    return ERR_OK;
}

void tokenizer_close(struct tokenizer *t)
{
    if (!t->is_bytes)
        bpe_close(&t->bpe);
    *t = (struct tokenizer){.is_bytes = true};
}

/* --- encoding ----------------------------------------------------------------------------- */
void tok_encode_init(struct tok_encode *s, struct tokenizer *t, bool is_plain)
{
    *s = (struct tok_encode){.t = t, .is_plain = is_plain};
}

static void encode_bytes(const uint8_t *p, size_t n, struct ids *out)
{
    ids_reserve(out, n);
    for (size_t i = 0; i < n; i++)
        out->id[out->n++] = 1u + p[i];
}

static void encode_ready(struct tok_encode *s, bool is_end, struct ids *out)
{
    size_t cut = s->text.len;

    if (!is_end) {
        if (s->text.len < 2 * s->tried) /* looked through in vain: wait until it has doubled */
            return;
        cut = bpe_last_cut(&s->t->bpe, s->text.data, s->text.len);
        s->tried = cut ? 0 : s->text.len;
    }
    if (cut == 0)
        return;
    bpe_encode(&s->t->bpe, s->text.data, cut, s->is_plain, out);
    memmove(s->text.data, s->text.data + cut, s->text.len - cut);
    s->text.len -= cut;
}

void tok_encode_add(struct tok_encode *s, const void *data, size_t n, bool is_end, struct ids *out)
{
    const char *p = data;

    if (s->t->is_bytes) {
        encode_bytes(data, n, out);
        return;
    }
    do {
        size_t take = n < CHUNK ? n : CHUNK;

        n -= take;
        utf8_repair(&s->repair, &s->text, p, take, is_end && n == 0);
        p += take;
        encode_ready(s, is_end && n == 0, out);
    } while (n);
}

void tok_encode_free(struct tok_encode *s)
{
    buf_free(&s->text);
}

void tokenizer_encode(struct tokenizer *t, const void *text, size_t n, bool is_plain,
                      struct ids *out)
{
    struct tok_encode s;

    tok_encode_init(&s, t, is_plain);
    tok_encode_add(&s, text, n, true, out);
    tok_encode_free(&s);
}

/* --- decoding ----------------------------------------------------------------------------- */
const char *tokenizer_bytes(const struct tokenizer *t, uint32_t id, size_t *len)
{
    *len = 0;
    if (id >= t->n_vocab)
        return NULL;
    if (!t->is_bytes)
        return bpe_bytes(&t->bpe, id, len);
    *len = id != TOKEN_END;
    return id == TOKEN_END ? NULL : &every_byte[id - 1];
}

void tok_decode_init(struct tok_decode *s, const struct tokenizer *t)
{
    *s = (struct tok_decode){.t = t};
}

enum err_code tok_decode_add(struct tok_decode *s, uint32_t id, struct buf *out, struct err *e)
{
    size_t n;

    if (id >= s->t->n_vocab)
        return err_set(e, ERR_INVALID, "id %u is outside the vocabulary [0, %zu)", id, s->t->n_vocab);
    const char *bytes = tokenizer_bytes(s->t, id, &n);
    if (s->t->is_bytes)
        buf_add(out, bytes, n);
    else
        utf8_repair(&s->repair, out, bytes, n, false);
    return ERR_OK;
}

void tok_decode_end(struct tok_decode *s, struct buf *out)
{
    if (!s->t->is_bytes)
        utf8_repair(&s->repair, out, "", 0, true);
}
