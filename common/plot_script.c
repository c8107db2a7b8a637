/* plot_script.c - see plot_script.h.
 *
 * Texts stand in single quotes, where gnuplot expands nothing; a quote is doubled.  Data are inline:
 * one block a line of the figure, with columns x, y, low, high, name.
 */
#include "common/plot_script.h"

#include <math.h>
#include <string.h>

static const char *const colours[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                      "#e69f00", "#56b4e9", "#000000"};
/* Filled marks of gnuplot: circle, square, triangles, diamond, pentagon. */
static const int marks[] = {7, 5, 9, 11, 13, 15};
enum { DASHES = 5, CELL_TEXTS_MAX = 12 };

static void put_quoted(struct buf *b, const char *text)
{
    buf_char(b, '\'');
    for (; text && *text; text++) {
        if (*text == '\'')
            buf_char(b, '\'');
        buf_char(b, (unsigned char)*text < 0x20 ? ' ' : *text);
    }
    buf_char(b, '\'');
}

/* A text in a block of data, where blanks separate and double quotes enclose. */
static void put_word(struct buf *b, const char *text)
{
    buf_char(b, '"');
    for (; text && *text; text++)
        buf_char(b, (unsigned char)*text < 0x20 || *text == '"' || *text == '\\' ? ' ' : *text);
    buf_char(b, '"');
}

static enum err_code put_terminal(struct buf *b, const char *path, struct err *e)
{
    static const struct {
        const char *suffix, *terminal;
    } row[] = {
        {".png", "pngcairo size 900,600 font 'sans,12' noenhanced"},
        {".svg", "svg size 720,460 dynamic font 'sans-serif,13' noenhanced"},
        {".pdf", "pdfcairo size 6in,4in font 'sans,11' noenhanced"},
    };
    size_t n = strlen(path);

    for (size_t i = 0; i < ARRAY_LEN(row); i++) {
        if (n > 4 && strcmp(path + n - 4, row[i].suffix) == 0) {
            buf_fmt(b, "reset\nset terminal %s\n", row[i].terminal);
            return ERR_OK;
        }
    }
    return err_set(e, ERR_INVALID, "%s: a figure is .png, .svg or .pdf", path);
}

static bool is_shown(const struct plot *p, double x, double y)
{
    return isfinite(x) && isfinite(y) && (!p->log_x || x > 0) && (!p->log_y || y > 0);
}

static bool has_interval(const struct plot *p, const struct plot_line *l, size_t k)
{
    return l->y_low && l->y_high && is_shown(p, l->x[k], l->y_low[k]) && is_shown(p, l->x[k], l->y_high[k]);
}

/* The datablock $d<i> of a line; returns its points. */
static size_t put_data(struct buf *b, const struct plot *p, size_t i)
{
    const struct plot_line *l = &p->lines[i];
    size_t n = 0;

    buf_fmt(b, "$d%zu << EOD\n", i);
    for (size_t k = 0; k < l->n; k++) {
        bool has_band = has_interval(p, l, k);
        double v[4];

        if (!is_shown(p, l->x[k], l->y[k]))
            continue;
        v[0] = l->x[k];
        v[1] = l->y[k];
        v[2] = has_band ? l->y_low[k] : l->y[k];
        v[3] = has_band ? l->y_high[k] : l->y[k];
        for (size_t c = 0; c < ARRAY_LEN(v); c++) {
            buf_f64(b, v[c]);
            buf_char(b, ' ');
        }
        put_word(b, l->names ? l->names[k] : "");
        buf_char(b, '\n');
        n++;
    }
    buf_str(b, "EOD\n");
    return n;
}

static void put_title(struct buf *b, const char *title)
{
    if (title) {
        buf_str(b, " title ");
        put_quoted(b, title);
    } else {
        buf_str(b, " notitle");
    }
}

static void put_band(struct buf *b, const struct plot *p, size_t i, const char *colour)
{
    const struct plot_line *l = &p->lines[i];

    if (!l->y_low || !l->y_high)
        return;
    if (l->style == PLOT_CURVE && !p->is_bars)
        buf_fmt(b, "$d%zu using 1:3:4 with filledcurves fillcolor rgb '%s' fillstyle transparent solid 0.2 noborder"
                   " notitle, ", i, colour);
    if (l->style == PLOT_INTERVALS || l->style == PLOT_SCATTER)
        buf_fmt(b, "$d%zu using 1:2:3:4 with yerrorbars linewidth 1.5 pointtype -1 linecolor rgb '%s' notitle, ", i, colour);
}

static void put_line(struct buf *b, const struct plot *p, size_t i, bool is_first)
{
    const struct plot_line *l = &p->lines[i];
    const char *colour = colours[i % ARRAY_LEN(colours)];
    int mark = marks[i % ARRAY_LEN(marks)], dash = (int)(i % DASHES) + 1;

    buf_str(b, is_first ? "plot " : ", ");
    put_band(b, p, i, colour);
    buf_fmt(b, l->style == PLOT_REFERENCE && p->has_categories ? "$d%zu using ($1-0.2):2:(0.4):(0) with " : "$d%zu using 1:2 with ", i);
    if (p->is_bars)
        buf_fmt(b, "boxes fillstyle solid 0.7 linecolor rgb '%s'", colour);
    else if (l->style == PLOT_REFERENCE)
        buf_fmt(b, "%s linewidth 1.5 dashtype %d linecolor rgb '#555555'", p->has_categories ? "vectors nohead" : "lines",
                (int)(i % (DASHES - 1)) + 2); /* 1 is a solid line */
    else if (l->style == PLOT_SCATTER)
        buf_fmt(b, "points pointtype %d pointsize 0.9 linecolor rgb '%s'", mark, colour);
    else
        buf_fmt(b, "%s linewidth 2 dashtype %d pointtype %d pointsize %s linecolor rgb '%s'",
                p->points || l->n < 30 || l->style == PLOT_INTERVALS ? "linespoints" : "lines", dash, mark,
                l->style == PLOT_INTERVALS ? "0.9" : "0.6", colour);
    put_title(b, l->title);
    if (l->names)
        buf_fmt(b, ", $d%zu using 1:2:5 with labels offset 0.7,0.6 left font ',10' textcolor rgb '%s' notitle", i, colour);
}

/* The outermost marks, with some room. */
static void put_range(struct buf *b, const struct plot *p)
{
    double low = p->x_at[0], high = low;

    for (size_t i = 1; i < p->n_x; i++) {
        low = fmin(low, p->x_at[i]);
        high = fmax(high, p->x_at[i]);
    }
    double room = p->has_categories ? 0.5 : 0.04 * (high - low);
    if (p->log_x) {
        room = pow(high / low, 0.04);
        low /= room;
        high *= room;
    } else {
        low -= room;
        high += room;
    }
    if (!(low < high))
        return;
    buf_str(b, "set xrange [");
    buf_f64(b, low);
    buf_char(b, ':');
    buf_f64(b, high);
    buf_str(b, "]\n");
}

static void put_ticks(struct buf *b, const struct plot *p)
{
    size_t longest = 0, total = 0;

    buf_str(b, "set xtics (");
    for (size_t i = 0; i < p->n_x; i++) {
        size_t n = strlen(p->x_names[i]);

        buf_str(b, i ? ", " : "");
        put_quoted(b, p->x_names[i]);
        buf_char(b, ' ');
        buf_f64(b, p->x_at[i]);
        longest = n > longest ? n : longest;
        total += n + 2;
    }
    buf_str(b, total > 80 && longest > 6 ? ") rotate by -25\n" : ")\n");
    put_range(b, p);
}

/* Lines need room, so the key stands above the figure; names need it beside their marks, and a reference must not
 * lie on the axis. */
static void put_room(struct buf *b, const struct plot *p)
{
    bool has_names = false, has_reference = false, has_titles = false;

    for (size_t i = 0; i < p->n_lines; i++) {
        has_reference = has_reference || p->lines[i].style == PLOT_REFERENCE;
        has_names = has_names || p->lines[i].names;
        has_titles = has_titles || p->lines[i].title;
    }
    if (p->matrix)
        return;
    if (has_titles)
        buf_str(b, "set key tmargin center horizontal samplen 3\n");
    if (has_names)
        buf_str(b, "set offsets graph 0.03, graph 0.1, graph 0.06, graph 0.03\n");
    else if (has_reference && !p->log_y)
        buf_str(b, "set offsets 0, 0, graph 0.03, graph 0.03\n");
}

static void put_frame(struct buf *b, const struct plot *p)
{
    const struct {
        const char *what, *text;
    } label[] = {{"title", p->title}, {"xlabel", p->x_label}, {"ylabel", p->y_label}};

    buf_str(b, "set grid linetype 1 linewidth 0.5 linecolor rgb '#dddddd'\nset border 3\nset tics nomirror\n"
               "set key top right\nset boxwidth 1 relative\n");
    for (size_t i = 0; i < ARRAY_LEN(label); i++) {
        buf_fmt(b, "set %s ", label[i].what);
        put_quoted(b, label[i].text);
        buf_char(b, '\n');
    }
    put_room(b, p);
    if (p->log_x)
        buf_str(b, "set logscale x\n");
    if (p->log_y)
        buf_str(b, "set logscale y\n");
    if (p->is_bars && !p->log_y)
        buf_str(b, "set yrange [0:*]\n");
    if (p->n_x && !p->matrix)
        put_ticks(b, p);
}

/* --- matrices ----------------------------------------------------------------------------- */

static void put_names(struct buf *b, const char *axis, const char *const *names, size_t n)
{
    buf_fmt(b, "set %stics (", axis);
    for (size_t i = 0; i < n; i++) {
        buf_str(b, i ? ", " : "");
        put_quoted(b, names[i]);
        buf_fmt(b, " %zu", i);
    }
    buf_str(b, ")\n");
}

/* Blocks of one cell each: x, y, value, its text; black on light cells, white on dark ones. */
static void put_cells(struct buf *b, const struct plot_matrix *m)
{
    double low = INFINITY, high = -INFINITY;

    for (size_t i = 0; i < m->rows * m->cols; i++) {
        low = isfinite(m->v[i]) ? fmin(low, m->v[i]) : low;
        high = isfinite(m->v[i]) ? fmax(high, m->v[i]) : high;
    }
    for (int dark = 0; dark < 2; dark++) {
        buf_fmt(b, "$m%d << EOD\n", dark);
        for (size_t i = 0; i < m->rows * m->cols; i++) {
            if (!isfinite(m->v[i]) || (m->v[i] < low + 0.55 * (high - low)) != (dark == 1))
                continue;
            buf_fmt(b, "%zu %zu ", i % m->cols, i / m->cols);
            buf_f64(b, m->v[i]);
            buf_fmt(b, fabs(high) < 10 ? " \"%.3f\"\n" : " \"%.3g\"\n", m->v[i]);
        }
        buf_str(b, dark ? "EOD\n" : "NaN NaN NaN \"\"\nEOD\n");
    }
    if (!(low < high))
        buf_str(b, "set cbrange [*:*]\n");
}

/* Cividis, which the colour-blind and a grey printer order alike. */
static void put_matrix(struct buf *b, const struct plot *p)
{
    const struct plot_matrix *m = p->matrix;

    buf_str(b, "set rmargin 14\nunset grid\nset border 0\nset tics scale 0\nunset key\nset palette defined (0 '#00224e', 0.25 '#434e6c',"
               " 0.5 '#7d7c78', 0.75 '#bcae6c', 1 '#fee838')\nset cblabel ");
    put_quoted(b, m->unit);
    buf_char(b, '\n');
    put_names(b, "x", m->col_names, m->cols);
    put_names(b, "y", m->row_names, m->rows);
    buf_fmt(b, "set xrange [-0.5:%zu.5]\nset yrange [%zu.5:-0.5]\n", m->cols - 1, m->rows - 1);
    put_cells(b, m);
    buf_str(b, "plot $m0 using 1:2:(0.5):(0.5):3 with boxxyerror fillcolor palette fillstyle solid noborder,"
               " $m1 using 1:2:(0.5):(0.5):3 with boxxyerror fillcolor palette fillstyle solid noborder");
    if (m->rows <= CELL_TEXTS_MAX && m->cols <= CELL_TEXTS_MAX)
        buf_str(b, ", $m0 using 1:2:4 with labels textcolor rgb 'black', $m1 using 1:2:4 with labels textcolor rgb 'white'");
    buf_char(b, '\n');
}

static void put_lines(struct buf *b, const struct plot *p)
{
    bool is_first = true;
    struct buf plot = {0};

    for (size_t i = 0; i < p->n_lines; i++) {
        if (put_data(b, p, i) == 0)
            continue;
        put_line(&plot, p, i, is_first);
        is_first = false;
    }
    if (is_first)
        buf_str(b, "unset logscale\nset xrange [0:1]\nset yrange [0:1]\n"
                   "set label 'no finite points' at 0.5,0.5 center\nplot NaN notitle\n");
    else
        buf_fmt(b, "%s\n", plot.data);
    buf_free(&plot);
}

enum err_code plot_script(struct buf *out, const char *path, const struct plot *p, struct err *e)
{
    if (put_terminal(out, path, e))
        return e->code;
    buf_str(out, "set output ");
    put_quoted(out, path);
    buf_char(out, '\n');
    put_frame(out, p);
    if (p->matrix && p->matrix->rows && p->matrix->cols)
        put_matrix(out, p);
    else
        put_lines(out, p);
    buf_str(out, "unset output\n");
    return ERR_OK;
}
