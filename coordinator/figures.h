/* figures.h - the figures of a report: plots that own their texts and data. */
#pragma once
#include "common/buf.h"
#include "common/plot.h"

struct figure_line {
    char *title;
    enum plot_style style;
    double *x, *y, *low, *high;
    char **names;
    size_t n, cap;
};

struct figure {
    char *name; /* of its files */
    char *title, *x_label, *y_label;
    bool log_x, log_y, has_categories;
    struct figure_line *lines;
    size_t n_lines;
    double *x_at;
    char **x_names;
    size_t n_x;
    double *cells; /* a matrix [rows, cols] instead of lines */
    size_t rows, cols;
    char **row_names, **col_names, *unit;
};

struct figures {
    struct figure **v;
    size_t n, cap;
};

/* `name` is made unique.  The figure holds until figures_free. */
struct figure *figures_new(struct figures *f, const char *name, const char *title, const char *x_label,
                           const char *y_label);
void figures_free(struct figures *f);
/* Holds until the next line of the figure. */
struct figure_line *figure_line(struct figure *g, const char *title, enum plot_style style);
/* NaN as an end: no interval.  `name` may be NULL. */
void figure_point(struct figure_line *l, double x, double y, double low, double high, const char *name);
void figure_tick(struct figure *g, double at, const char *name);
/* Cells are NaN until set; the names are copied. */
void figure_matrix(struct figure *g, size_t rows, size_t cols, const char *const *row_names,
                   const char *const *col_names, const char *unit);

/* Draws each figure as dir/<name><suffix> for every suffix. */
MUST_CHECK enum err_code figures_draw(const struct figures *f, const char *dir, const char *const *suffixes,
                                      size_t n_suffixes, struct err *e);
/* The drawing of dir/<name>.svg for a page: ids that no other figure has, a title for those who
 * cannot see it, no prologue. */
MUST_CHECK enum err_code figures_inline(const struct figures *f, size_t i, const char *dir, struct buf *out,
                                        struct err *e);
