/* views.h - the views that users query, as SQL text made from the rows of knobs and metrics.
 *
 * Nothing here talks to SQLite.  docs/manifest.md describes every view and column.
 */
#pragma once
#include <stdint.h>

#include "common/buf.h"

/* DROP and CREATE statements of every view; ids[i]: row of metric_at(i) in this manifest's metric_name, 0: it has none. */
void views_sql(struct buf *out, const int64_t *ids);
/* The same for one connection, over those of the file: a manifest made by an older program is read through this one's. */
void views_temp_sql(struct buf *out, const int64_t *ids);

/* Name of a metric as a column of `runs`: a metric that shares its name with a knob is
 * <name>_done there. */
void views_metric_column(const char *metric, struct buf *out);

/* Names of all knob columns in the order of the views; returns how many (at most `max`). */
size_t views_knobs(const char **names, size_t max);
