/* plot_script.h - a figure as text for gnuplot; plot.c runs it. */
#pragma once
#include "common/buf.h"
#include "common/plot.h"

/* Appends what draws one figure to `path`.  ERR_INVALID: not a suffix we write. */
MUST_CHECK enum err_code plot_script(struct buf *out, const char *path, const struct plot *p, struct err *e);
