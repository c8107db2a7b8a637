/* tb_export.h - a result folder as one run of TensorBoard, made again from its series and metrics. */
#pragma once
#include "common/err.h"

struct buf;

/* Writes DEST/<run_id>/events.out.tfevents.* : the points of series.csv, and the metrics of result.json below
 * metric/, as the runner does; times run evenly from start to end, since the series does not keep them.
 * Histograms are not in the series: they are in the file that the run itself wrote.  Its path goes to `written`. */
MUST_CHECK enum err_code tb_export(const char *folder, const char *dest, struct buf *written, struct err *e);
