/* plot.h - figures by gnuplot.  A missing gnuplot is reported once and is no failure.
 *
 * Colours are Okabe and Ito's, told apart by the colour-blind; lines differ in dashes and marks too,
 * for print in grey.
 */
#pragma once
#include "common/err.h"

enum plot_style {
    PLOT_CURVE,     /* a line, with marks where it has few points; its interval is a band */
    PLOT_INTERVALS, /* a line with marks and bars for the intervals */
    PLOT_SCATTER,   /* marks and bars, no line */
    PLOT_REFERENCE, /* a thin dashed grey line without marks, among categories a dash at each; its interval is not drawn */
};

struct plot_line {
    const char *title;
    const double *x, *y;
    size_t n;
    const double *y_low, *y_high; /* optional interval */
    enum plot_style style;
    const char *const *names;     /* n texts beside the marks, or NULL */
};
/* Values [rows, cols] as colours, drawn instead of lines; NaN is left blank. */
struct plot_matrix {
    const double *v;
    size_t rows, cols;
    const char *const *row_names, *const *col_names;
    const char *unit; /* beside the scale of colours */
};
struct plot {
    const char *title, *x_label, *y_label;
    bool log_x, log_y, points, is_bars;
    const struct plot_line *lines;
    size_t n_lines;
    const double *x_at;         /* marks of the x axis, n_x of them; NULL: gnuplot's own */
    const char *const *x_names; /* and their texts */
    size_t n_x;
    bool has_categories;        /* x_at is 0, 1, ..: no numbers, some room on both sides */
    const struct plot_matrix *matrix;
};
bool plot_available(void); /* gnuplot is on the PATH */
/* PNG, SVG or PDF by the path's suffix.  Non-finite points are left out, and on a logarithmic
 * axis those <= 0.  Texts are shown as they are: no markup, no substitution.  ERR_STOPPED: somebody
 * killed gnuplot, and figures may be there in part. */
MUST_CHECK enum err_code plot_write(const char *path, const struct plot *p, struct err *e);
/* The same for n figures with one gnuplot, which takes longer to start than to draw. */
MUST_CHECK enum err_code plot_write_all(const char *const *paths, const struct plot *plots,
                                        size_t n, struct err *e);
