/* bpe.c - see bpe.h: from text to pieces.  bpe_load.c reads the file, bpe_merge.c does the merges. */
#include "worker/data/bpe.h"

#include <stdlib.h>
#include <string.h>

#include "worker/data/bpe_parts.h"
#include "worker/data/nfc.h"
#include "worker/data/utf8.h"

static bool has_pair(const uint64_t *set, const uint8_t *p)
{
    unsigned key = (unsigned)p[0] << 8 | p[1];

    return set[key / 64] >> (key % 64) & 1;
}

static const struct bpe_added *longest_at(const struct bpe_added_set *s, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->token[i].len <= n && !memcmp(s->token[i].text, p, s->token[i].len))
            return &s->token[i];
    return NULL;
}

size_t bpe_added_find(const struct bpe_added_set *s, const uint8_t *text, size_t from, size_t n,
                      const struct bpe_added **which)
{
    *which = NULL;
    if (s->n == 0)
        return n;
    for (size_t i = from; i < n; i++) {
        if (!s->first[text[i]] || (i + 1 < n && !has_pair(s->pair, text + i)))
            continue;
        *which = longest_at(s, text + i, n - i);
        if (*which)
            return i;
    }
    return n;
}

/* --- GPT-2's pattern ---------------------------------------------------------------------- */
static unsigned class_at(const struct bpe *b, const uint8_t *p, size_t *len)
{
    return b->unicode.flags[utf8_get(p, len)] & UNICODE_CLASS;
}

/* Length of 's 't 're 've 'm 'll 'd at p, or 0. */
static size_t contraction(const uint8_t *p, size_t n)
{
    if (n < 2)
        return 0;
    if (strchr("stmd", p[1]) && p[1])
        return 2;
    if (n < 3)
        return 0;
    return (p[1] == 'r' && p[2] == 'e') || (p[1] == 'v' && p[2] == 'e') ||
                   (p[1] == 'l' && p[2] == 'l')
               ? 3
               : 0;
}

/* White space from i on: all of it at the end of the text, else all but the last character. */
static size_t space_end(const struct bpe *b, const uint8_t *s, size_t i, size_t n)
{
    size_t last = i, end = i, len;

    while (end < n && class_at(b, s + end, &len) == CLASS_SPACE) {
        last = end;
        end += len;
    }
    return end < n && last > i ? last : end;
}

/* End of the piece that begins at i < n. */
static size_t piece_end(const struct bpe *b, const uint8_t *s, size_t i, size_t n)
{
    size_t len;

    if (s[i] == '\'') {
        size_t c = contraction(s + i, n - i);

        if (c)
            return i + c;
    }
    size_t j = i;
    if (s[i] == ' ' && i + 1 < n && class_at(b, s + i + 1, &len) != CLASS_SPACE)
        j = i + 1;
    unsigned class = class_at(b, s + j, &len);
    if (class == CLASS_SPACE)
        return space_end(b, s, i, n);
    for (j += len; j < n && class_at(b, s + j, &len) == class;)
        j += len;
    return j;
}

static void encode_pieces(struct bpe *b, const uint8_t *s, size_t n, struct ids *out)
{
    for (size_t i = 0; i < n;) {
        size_t end = piece_end(b, s, i, n);

        bpe_piece(b, s + i, end - i, out);
        i = end;
    }
}

static void encode_normal(struct bpe *b, const uint8_t *s, size_t n, struct ids *out)
{
    for (size_t at = 0; at < n;) {
        const struct bpe_added *token;
        size_t hit = bpe_added_find(&b->normal, s, at, n, &token);

        encode_pieces(b, s + at, hit - at, out);
        at = hit;
        if (token) {
            ids_push(out, token->id);
            at += token->len;
        }
    }
}

static void encode_raw(struct bpe *b, const uint8_t *s, size_t n, struct ids *out)
{
    if (!b->is_nfc || nfc_is_stable(&b->unicode, s, n)) {
        encode_normal(b, s, n, out);
        return;
    }
    buf_reset(&b->scratch);
    nfc_add(&b->unicode, &b->scratch, s, n);
    encode_normal(b, (const uint8_t *)b->scratch.data, b->scratch.len, out);
}

void bpe_encode(struct bpe *b, const void *text, size_t n, bool is_plain, struct ids *out)
{
    const uint8_t *s = text;

    for (size_t at = 0; at < n;) {
        const struct bpe_added *token = NULL;
        size_t hit = is_plain ? n : bpe_added_find(&b->raw, s, at, n, &token);

        encode_raw(b, s + at, hit - at, out);
        at = hit;
        if (token) {
            ids_push(out, token->id);
            at += token->len;
        }
    }
}

/* --- cutting ------------------------------------------------------------------------------ */
/* A cut before `i` is safe where a piece ends whatever surrounds it: between two characters of
 * different classes of which the first is no white space; but not from punctuation to a letter,
 * which may be a contraction.  NFC must not act across it and no added token lie across it. */
static bool is_cut(const struct bpe *b, const uint8_t *s, size_t before, size_t i)
{
    size_t len;
    uint8_t left = b->unicode.flags[utf8_get(s + before, &len)];
    uint8_t right = b->unicode.flags[utf8_get(s + i, &len)];
    unsigned from = left & UNICODE_CLASS, to = right & UNICODE_CLASS;

    if (from == to || from == CLASS_SPACE || (from == CLASS_OTHER && to == CLASS_LETTER))
        return false;
    if ((left | right) & UNICODE_UNSTABLE)
        return false;
    return !has_pair(b->inside, s + i - 1);
}

size_t bpe_last_cut(const struct bpe *b, const void *text, size_t n)
{
    const uint8_t *s = text;
    size_t i = n;

    while (i > 0) {
        size_t before = i - 1;

        while (before > 0 && s[before] >> 6 == 2)
            before--;
        if (i < n && is_cut(b, s, before, i))
            return i;
        i = before;
    }
    return 0;
}

const char *bpe_bytes(const struct bpe *b, uint32_t id, size_t *len)
{
    *len = b->at[id + 1] - b->at[id];
    return b->bytes + b->at[id];
}

static void set_free(struct bpe_added_set *s)
{
    for (size_t i = 0; i < s->n; i++)
        free(s->token[i].text);
    free(s->token);
}

void bpe_close(struct bpe *b)
{
    free(b->bytes);
    free(b->at);
    free(b->merge);
    free(b->inside);
    set_free(&b->raw);
    set_free(&b->normal);
    unicode_close(&b->unicode);
    bpe_cache_free(b->cache);
    buf_free(&b->scratch);
    *b = (struct bpe){0};
}
