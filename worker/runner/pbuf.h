/* pbuf.h - protocol buffers on the wire, write only: fields appended to a buffer. */
#pragma once
#include "common/buf.h"

void pb_le(struct buf *b, uint64_t v, int bytes);       /* bare little-endian number */
void pb_varint(struct buf *b, int field, uint64_t v);
void pb_double(struct buf *b, int field, double v);
void pb_float(struct buf *b, int field, float v);
void pb_bytes(struct buf *b, int field, const void *data, size_t n);
void pb_str(struct buf *b, int field, const char *text); /* nothing for "" and NULL: the default */
void pb_message(struct buf *b, int field, struct buf *message); /* takes the message */
void pb_doubles(struct buf *b, int field, const double *x, size_t n); /* packed */
