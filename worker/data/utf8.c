/* utf8.c - see utf8.h. */
#include "worker/data/utf8.h"

#include <string.h>

#include "worker/data/unicode.h"

/* Allowed range of the second byte by the first (Unicode 3.9, table 3-7), and the length; 0: no. */
static size_t shape(uint8_t first, uint8_t *low, uint8_t *high)
{
    *low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
    *high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
    return first < 0xC2 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF5 ? 4 : 0;
}

size_t utf8_next(const uint8_t *p, size_t n, uint32_t *c)
{
    uint8_t low, high;

    if (p[0] < 0x80) {
        *c = p[0];
        return 1;
    }
    size_t len = shape(p[0], &low, &high);
    *c = UNICODE_BAD;
    if (len == 0)
        return 1;
    for (size_t i = 1; i < len; i++) {
        if (i == n)
            return 0;
        if (p[i] < low || p[i] > high)
            return i;
        low = 0x80;
        high = 0xBF;
    }
    *c = utf8_get(p, &len);
    return len;
}

size_t utf8_put(char out[4], uint32_t c)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    size_t len = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = len; i-- > 1; c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3F));
    out[0] = (char)((0xF00 >> len & 0xF0) | c);
    return len;
}

static const char bad_text[] = "\xEF\xBF\xBD"; /* U+FFFD */

/* Well-formed bytes at the beginning of p. */
static size_t good_len(const uint8_t *p, size_t n)
{
    size_t i = 0;
    uint32_t c;

    while (i < n) {
        uint64_t eight;

        while (n - i >= sizeof eight) {
            memcpy(&eight, p + i, sizeof eight);
            if (eight & 0x8080808080808080u)
                break;
            i += sizeof eight;
        }
        if (i == n)
            break;
        size_t len = utf8_next(p + i, n - i, &c);
        if (len == 0 || (c == UNICODE_BAD && (len != 3 || memcmp(p + i, bad_text, 3) != 0)))
            break;
        i += len;
    }
    return i;
}

/* Appends p[0..n) repaired; returns the bytes used, short of n only for a cut sequence. */
static size_t repair(struct buf *out, const uint8_t *p, size_t n)
{
    size_t at = 0;

    while (at < n) {
        size_t good = good_len(p + at, n - at);
        uint32_t c;

        buf_add(out, p + at, good);
        at += good;
        if (at == n)
            break;
        size_t len = utf8_next(p + at, n - at, &c);
        if (len == 0)
            break;
        buf_add(out, bad_text, 3);
        at += len;
    }
    return at;
}

void utf8_repair(struct utf8_repair *r, struct buf *out, const void *in, size_t n, bool is_end)
{
    const uint8_t *p = in;

    while (r->n_held && n) { /* one byte more; a sequence is at most four long */
        uint8_t one[5];
        size_t n_one = r->n_held;

        memcpy(one, r->held, n_one);
        one[n_one++] = *p++;
        n--;
        size_t used = repair(out, one, n_one);
        r->n_held = n_one - used;
        memcpy(r->held, one + used, r->n_held);
    }
    if (n) {
        size_t used = repair(out, p, n);

        r->n_held = n - used;
        memcpy(r->held, p + used, r->n_held);
    }
    if (is_end && r->n_held) {
        buf_add(out, bad_text, 3);
        r->n_held = 0;
    }
}
