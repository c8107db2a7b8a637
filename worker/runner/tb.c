/* tb.c - see tb.h.  Field numbers: tensorboard/compat/proto/{event,summary,histogram}.proto. */
#include "worker/runner/tb.h"

#include <string.h>

enum { EVENT_WALL_TIME = 1, EVENT_STEP = 2, EVENT_VERSION = 3, EVENT_SUMMARY = 5 };
enum { SUMMARY_VALUE = 1, VALUE_TAG = 1, VALUE_SIMPLE = 2, VALUE_HISTO = 5 };
enum { HISTO_MIN = 1, HISTO_MAX, HISTO_NUM, HISTO_SUM, HISTO_SUM_SQUARES, HISTO_LIMIT, HISTO_BUCKET };
enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

/* Castagnoli, reflected, bit by bit: event files are small. */
uint32_t tb_crc32c(const void *data, size_t n)
{
    const uint8_t *p = data;
    uint32_t crc = 0xFFFFFFFFu;

    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82F63B78u : 0);
    }
    return crc ^ 0xFFFFFFFFu;
}

static uint32_t masked(const void *data, size_t n)
{
    uint32_t crc = tb_crc32c(data, n);

    return (crc >> 15 | crc << 17) + 0xA282EAD8u;
}

static void put_le(struct buf *b, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++)
        buf_char(b, (char)(v >> (8 * i)));
}

static void put_varint(struct buf *b, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        buf_char(b, (char)(v | 0x80));
    buf_char(b, (char)v);
}

static void put_tag(struct buf *b, int field, int wire)
{
    put_varint(b, (uint64_t)field << 3 | (uint64_t)wire);
}

static void put_double(struct buf *b, double v)
{
    uint64_t bits;

    memcpy(&bits, &v, sizeof bits);
    put_le(b, bits, 8);
}

static void put_double_field(struct buf *b, int field, double v)
{
    put_tag(b, field, WIRE_64);
    put_double(b, v);
}

static void put_bytes(struct buf *b, int field, const char *data, size_t n)
{
    put_tag(b, field, WIRE_BYTES);
    put_varint(b, n);
    buf_add(b, data, n);
}

/* Puts and frees a nested message. */
static void put_message(struct buf *b, int field, struct buf *message)
{
    put_bytes(b, field, message->data ? message->data : "", message->len);
    buf_free(message);
}

static void put_record(struct buf *out, struct buf *event)
{
    size_t at = out->len;

    put_le(out, event->len, 8);
    put_le(out, masked(out->data + at, 8), 4);
    buf_add(out, event->data, event->len);
    put_le(out, masked(event->data, event->len), 4);
    buf_free(event);
}

void tb_begin(struct buf *out, double wall_s)
{
    static const char version[] = "brain.Event:2";
    struct buf event = {0};

    put_double_field(&event, EVENT_WALL_TIME, wall_s);
    put_bytes(&event, EVENT_VERSION, version, sizeof version - 1);
    put_record(out, &event);
}

/* Takes `value`, a Summary.Value, into an event of its own. */
static void put_value(struct buf *out, double wall_s, int64_t step, struct buf *value)
{
    struct buf event = {0}, summary = {0};

    put_message(&summary, SUMMARY_VALUE, value);
    put_double_field(&event, EVENT_WALL_TIME, wall_s);
    put_tag(&event, EVENT_STEP, WIRE_VARINT);
    put_varint(&event, (uint64_t)step);
    put_message(&event, EVENT_SUMMARY, &summary);
    put_record(out, &event);
}

void tb_scalar(struct buf *out, double wall_s, int64_t step, const char *tag, double value)
{
    struct buf v = {0};
    float single = (float)value;
    uint32_t bits;

    memcpy(&bits, &single, sizeof bits);
    put_bytes(&v, VALUE_TAG, tag, strlen(tag));
    put_tag(&v, VALUE_SIMPLE, WIRE_32);
    put_le(&v, bits, 4);
    put_value(out, wall_s, step, &v);
}

static void put_packed(struct buf *b, int field, const double *x, size_t n)
{
    put_tag(b, field, WIRE_BYTES);
    put_varint(b, n * sizeof *x);
    for (size_t i = 0; i < n; i++)
        put_double(b, x[i]);
}

void tb_histogram(struct buf *out, double wall_s, int64_t step, const char *tag,
                  const struct tb_histogram *h)
{
    struct buf v = {0}, histo = {0};

    put_double_field(&histo, HISTO_MIN, h->min);
    put_double_field(&histo, HISTO_MAX, h->max);
    put_double_field(&histo, HISTO_NUM, h->n);
    put_double_field(&histo, HISTO_SUM, h->sum);
    put_double_field(&histo, HISTO_SUM_SQUARES, h->sum_sq);
    put_packed(&histo, HISTO_LIMIT, h->limits, h->n_bins);
    put_packed(&histo, HISTO_BUCKET, h->counts, h->n_bins);
    put_bytes(&v, VALUE_TAG, tag, strlen(tag));
    put_message(&v, VALUE_HISTO, &histo);
    put_value(out, wall_s, step, &v);
}
