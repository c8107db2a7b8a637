/* buf.h - growable byte string; the only string builder.
 *
 * `struct buf b = {0};` is an empty buffer.  `data` is always zero-terminated once
 * anything was added.  Running out of memory aborts: buffers are small.
 * Doubles are printed by buf_f64(): the shortest decimal that reads back to the same
 * bits, independent of the locale.
 */
#pragma once
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

struct buf {
    char *data;
    size_t len, cap;
};

void buf_add(struct buf *b, const void *data, size_t n);
void buf_str(struct buf *b, const char *s);
void buf_char(struct buf *b, char c);
void buf_fmt(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void buf_vfmt(struct buf *b, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);
void buf_f64(struct buf *b, double v);    /* round trip; v must be finite */
void buf_json(struct buf *b, const char *s); /* quoted and escaped JSON string */
void buf_reset(struct buf *b);            /* empty, keeps the memory */
void buf_free(struct buf *b);
char *buf_steal(struct buf *b);           /* caller frees; never NULL */

/* Shortest round-trip text of a finite double into `out` (>= 32 bytes); returns out. */
char *f64_text(char out[32], double v);
