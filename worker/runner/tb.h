/* tb.h - TensorBoard event files: records of protobuf messages, appended to a buffer.
 *
 * Encoded by hand: three message types with nine fields in all, write only, against a generated
 * library, its compiler and a build step; peers open the files (tests/peer).  A record is
 *   u64 length | u32 masked crc32c(length) | bytes | u32 masked crc32c(bytes), little-endian.
 * The same calls give the same bytes.
 */
#pragma once
#include "common/buf.h"

/* One folder is one run; the name has the shape that importers look for, and is always the same. */
#define TB_EVENTS_FILE "tb/events.out.tfevents.0000000000.saegrid.0.0"

struct tb_histogram {
    double n, min, max, sum, sum_sq;
    const double *limits, *counts;   /* [n_bins] right edges, ascending; counts */
    size_t n_bins;
};

void tb_begin(struct buf *out, double wall_s); /* the version record: the first of a file */
void tb_scalar(struct buf *out, double wall_s, int64_t step, const char *tag, double value);
void tb_histogram(struct buf *out, double wall_s, int64_t step, const char *tag,
                  const struct tb_histogram *h);

/* When the first point of a step was logged, by an event file of ours; `otherwise` if it has none. */
double tb_time_of(const struct buf *events, int64_t step, double otherwise);

uint32_t tb_crc32c(const void *data, size_t n);
