/* plot.h - figures by gnuplot.  A missing gnuplot is reported once and is no failure. */
#pragma once
#include "common/err.h"

struct plot_line {
    const char *title;
    const double *x, *y;
    size_t n;
    const double *y_low, *y_high; /* optional interval */
};
struct plot {
    const char *title, *x_label, *y_label;
    bool log_x, log_y, points, is_bars;
    const struct plot_line *lines;
    size_t n_lines;
};
bool plot_available(void); /* gnuplot is on the PATH */
/* PNG, SVG or PDF by the path's suffix.  Non-finite points are left out, and on a logarithmic
 * axis those <= 0.  Texts are shown as they are: no markup, no substitution.  ERR_STOPPED: somebody
 * killed gnuplot, and figures may be there in part. */
MUST_CHECK enum err_code plot_write(const char *path, const struct plot *p, struct err *e);
/* The same for n figures with one gnuplot, which takes longer to start than to draw. */
MUST_CHECK enum err_code plot_write_all(const char *const *paths, const struct plot *plots,
                                        size_t n, struct err *e);
