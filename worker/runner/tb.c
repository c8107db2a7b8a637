/* tb.c - see tb.h.  Field numbers: tensorboard/compat/proto/{event,summary,histogram}.proto. */
#include "worker/runner/tb.h"

#include <string.h>

#include "worker/runner/pbuf.h"

enum { EVENT_WALL_TIME = 1, EVENT_STEP = 2, EVENT_VERSION = 3, EVENT_SUMMARY = 5 };
enum { RECORD_HEAD = 12, RECORD_TAIL = 4 }; /* length and checksums around the bytes */
enum { SUMMARY_VALUE = 1, VALUE_TAG = 1, VALUE_SIMPLE = 2, VALUE_HISTO = 5 };
enum { HISTO_MIN = 1, HISTO_MAX, HISTO_NUM, HISTO_SUM, HISTO_SUM_SQUARES, HISTO_LIMIT, HISTO_BUCKET };

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

static void put_record(struct buf *out, struct buf *event)
{
    size_t at = out->len;

    pb_le(out, event->len, 8);
    pb_le(out, masked(out->data + at, 8), 4);
    buf_add(out, event->data, event->len);
    pb_le(out, masked(event->data, event->len), 4);
    buf_free(event);
}

void tb_begin(struct buf *out, double wall_s)
{
    static const char version[] = "brain.Event:2";
    struct buf event = {0};

    pb_double(&event, EVENT_WALL_TIME, wall_s);
    pb_bytes(&event, EVENT_VERSION, version, sizeof version - 1);
    put_record(out, &event);
}

/* Takes `value`, a Summary.Value, into an event of its own. */
static void put_value(struct buf *out, double wall_s, int64_t step, struct buf *value)
{
    struct buf event = {0}, summary = {0};

    pb_message(&summary, SUMMARY_VALUE, value);
    pb_double(&event, EVENT_WALL_TIME, wall_s);
    pb_varint(&event, EVENT_STEP, (uint64_t)step);
    pb_message(&event, EVENT_SUMMARY, &summary);
    put_record(out, &event);
}

void tb_scalar(struct buf *out, double wall_s, int64_t step, const char *tag, double value)
{
    struct buf v = {0};

    pb_bytes(&v, VALUE_TAG, tag, strlen(tag));
    pb_float(&v, VALUE_SIMPLE, (float)value);
    put_value(out, wall_s, step, &v);
}

void tb_histogram(struct buf *out, double wall_s, int64_t step, const char *tag,
                  const struct tb_histogram *h)
{
    struct buf v = {0}, histo = {0};

    pb_double(&histo, HISTO_MIN, h->min);
    pb_double(&histo, HISTO_MAX, h->max);
    pb_double(&histo, HISTO_NUM, h->n);
    pb_double(&histo, HISTO_SUM, h->sum);
    pb_double(&histo, HISTO_SUM_SQUARES, h->sum_sq);
    pb_doubles(&histo, HISTO_LIMIT, h->limits, h->n_bins);
    pb_doubles(&histo, HISTO_BUCKET, h->counts, h->n_bins);
    pb_bytes(&v, VALUE_TAG, tag, strlen(tag));
    pb_message(&v, VALUE_HISTO, &histo);
    put_value(out, wall_s, step, &v);
}

/* --- reading what tb_scalar() wrote -------------------------------------------------------------- */

static uint64_t get_le(const char *p, int bytes)
{
    uint64_t v = 0;

    for (int i = 0; i < bytes; i++)
        v |= (uint64_t)(unsigned char)p[i] << (8 * i);
    return v;
}

/* An event begins with its wall time and its step: a tag and 8 bytes, a tag and a varint. */
static bool is_of_step(const char *event, size_t n, int64_t step)
{
    uint64_t v = 0;
    int shift = 0;

    if (n < 11 || event[0] != (EVENT_WALL_TIME << 3 | 1) || event[9] != EVENT_STEP << 3)
        return false;
    for (size_t i = 10; i < n && shift < 64; i++, shift += 7) {
        v |= (uint64_t)(event[i] & 0x7f) << shift;
        if (!(event[i] & 0x80))
            return v == (uint64_t)step;
    }
    return false;
}

double tb_time_of(const struct buf *events, int64_t step, double otherwise)
{
    const char *p = events->data;
    size_t left = events->len;

    while (left >= RECORD_HEAD + RECORD_TAIL) {
        uint64_t n = get_le(p, 8), bits;
        double time;

        if (n > left - RECORD_HEAD - RECORD_TAIL)
            break;
        if (is_of_step(p + RECORD_HEAD, n, step)) {
            bits = get_le(p + RECORD_HEAD + 1, 8);
            memcpy(&time, &bits, sizeof time);
            return time;
        }
        p += RECORD_HEAD + n + RECORD_TAIL;
        left -= RECORD_HEAD + n + RECORD_TAIL;
    }
    return otherwise;
}
