/* pbuf.c - see pbuf.h. */
#include "worker/runner/pbuf.h"

#include <string.h>

enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

void pb_le(struct buf *b, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++)
        buf_char(b, (char)(v >> (8 * i)));
}

static void put(struct buf *b, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        buf_char(b, (char)(v | 0x80));
    buf_char(b, (char)v);
}

static void tag(struct buf *b, int field, int wire)
{
    put(b, (uint64_t)field << 3 | (uint64_t)wire);
}

static uint64_t bits_of(double v)
{
    uint64_t bits;

    memcpy(&bits, &v, sizeof bits);
    return bits;
}

void pb_varint(struct buf *b, int field, uint64_t v)
{
    tag(b, field, WIRE_VARINT);
    put(b, v);
}

void pb_double(struct buf *b, int field, double v)
{
    tag(b, field, WIRE_64);
    pb_le(b, bits_of(v), 8);
}

void pb_float(struct buf *b, int field, float v)
{
    uint32_t bits;

    memcpy(&bits, &v, sizeof bits);
    tag(b, field, WIRE_32);
    pb_le(b, bits, 4);
}

void pb_bytes(struct buf *b, int field, const void *data, size_t n)
{
    tag(b, field, WIRE_BYTES);
    put(b, n);
    if (n)
        buf_add(b, data, n);
}

void pb_str(struct buf *b, int field, const char *text)
{
    if (text && *text)
        pb_bytes(b, field, text, strlen(text));
}

void pb_message(struct buf *b, int field, struct buf *message)
{
    pb_bytes(b, field, message->data, message->len);
    buf_free(message);
}

void pb_doubles(struct buf *b, int field, const double *x, size_t n)
{
    tag(b, field, WIRE_BYTES);
    put(b, n * sizeof *x);
    for (size_t i = 0; i < n; i++)
        pb_le(b, bits_of(x[i]), 8);
}
