/* utf8.h - UTF-8 in and out; what is not UTF-8 becomes U+FFFD, one for each maximal part.
 *
 * "Maximal part": the longest beginning of a well-formed sequence, at least one byte; the rule of
 * the Unicode standard (section 3.9) that Python's and Rust's decoders follow.
 */
#pragma once
#include <stdbool.h>

#include "common/buf.h"

/* Bytes of the code point at p[0..n), n > 0, and the code point; UNICODE_BAD for an ill-formed
 * part.  0: the sequence is well-formed so far and cut by the end. */
size_t utf8_next(const uint8_t *p, size_t n, uint32_t *c);
size_t utf8_put(char out[4], uint32_t c);

/* A code point of text that is known to be well formed. */
static inline uint32_t utf8_get(const uint8_t *p, size_t *len)
{
    if (p[0] < 0x80) {
        *len = 1;
        return p[0];
    }
    if (p[0] < 0xE0) {
        *len = 2;
        return (p[0] & 0x1Fu) << 6 | (p[1] & 0x3Fu);
    }
    if (p[0] < 0xF0) {
        *len = 3;
        return (p[0] & 0x0Fu) << 12 | (p[1] & 0x3Fu) << 6 | (p[2] & 0x3Fu);
    }
    *len = 4;
    return (p[0] & 7u) << 18 | (p[1] & 0x3Fu) << 12 | (p[2] & 0x3Fu) << 6 | (p[3] & 0x3Fu);
}

/* A stream of bytes made well-formed.  A sequence cut by the end of a chunk is held back. */
struct utf8_repair {
    uint8_t held[4];
    size_t n_held;
};
/* Appends to out what is certain; with `is_end` also what was held back. */
void utf8_repair(struct utf8_repair *r, struct buf *out, const void *in, size_t n, bool is_end);
