/* figures.c - see figures.h. */
#include "coordinator/figures.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/fs.h"
#include "common/oom.h"
#include "coordinator/html.h"

enum { SVG_MAX = 64 << 20 };

static void *grown(void *p, size_t n, size_t size)
{
    p = realloc(p, (n ? n : 1) * size);
    if (!p)
        oom_exit("figures");
    return p;
}

static void *fresh(size_t n, size_t size)
{
    void *p = calloc(n + 1, size);

    if (!p)
        oom_exit("figures");
    return p;
}

static char *copy(const char *s)
{
    char *c = strdup(s ? s : "");

    if (!c)
        oom_exit("figures");
    return c;
}

static bool has_name(const struct figures *f, const char *name)
{
    for (size_t i = 0; i < f->n; i++)
        if (strcmp(f->v[i]->name, name) == 0)
            return true;
    return false;
}

struct figure *figures_new(struct figures *f, const char *name, const char *title, const char *x_label,
                           const char *y_label)
{
    struct figure *g = calloc(1, sizeof *g);
    struct buf id = {0};

    if (!g)
        oom_exit("figures");
    html_id(&id, name);
    size_t stem = id.len;
    for (int i = 2; has_name(f, id.data); i++) {
        id.len = stem;
        buf_fmt(&id, "_%d", i);
    }
    *g = (struct figure){.name = buf_steal(&id), .title = copy(title), .x_label = copy(x_label), .y_label = copy(y_label)};
    f->v = grown(f->v, f->n + 1, sizeof(struct figure *));
    f->v[f->n++] = g;
    return g;
}

static void free_texts(char **v, size_t n)
{
    for (size_t i = 0; v && i < n; i++)
        free(v[i]);
    free(v);
}

static void figure_free(struct figure *g)
{
    for (size_t i = 0; i < g->n_lines; i++) {
        struct figure_line *l = &g->lines[i];

        free_texts(l->names, l->n);
        free(l->title);
        free(l->x);
        free(l->y);
        free(l->low);
        free(l->high);
    }
    free_texts(g->x_names, g->n_x);
    free_texts(g->row_names, g->rows);
    free_texts(g->col_names, g->cols);
    free(g->lines);
    free(g->x_at);
    free(g->cells);
    free(g->unit);
    free(g->name);
    free(g->title);
    free(g->x_label);
    free(g->y_label);
    free(g);
}

void figures_free(struct figures *f)
{
    for (size_t i = 0; i < f->n; i++)
        figure_free(f->v[i]);
    free(f->v);
    *f = (struct figures){0};
}

struct figure_line *figure_line(struct figure *g, const char *title, enum plot_style style)
{
    g->lines = grown(g->lines, g->n_lines + 1, sizeof *g->lines);
    g->lines[g->n_lines] = (struct figure_line){.title = title ? copy(title) : NULL, .style = style};
    return &g->lines[g->n_lines++];
}

void figure_point(struct figure_line *l, double x, double y, double low, double high, const char *name)
{
    if (l->n == l->cap) {
        l->cap = l->cap ? 2 * l->cap : 16;
        l->x = grown(l->x, l->cap, sizeof *l->x);
        l->y = grown(l->y, l->cap, sizeof *l->y);
        l->low = grown(l->low, l->cap, sizeof *l->low);
        l->high = grown(l->high, l->cap, sizeof *l->high);
        l->names = grown(l->names, l->cap, sizeof(char *));
    }
    l->x[l->n] = x;
    l->y[l->n] = y;
    l->low[l->n] = low;
    l->high[l->n] = high;
    l->names[l->n++] = copy(name);
}

void figure_tick(struct figure *g, double at, const char *name)
{
    g->x_at = grown(g->x_at, g->n_x + 1, sizeof *g->x_at);
    g->x_names = grown(g->x_names, g->n_x + 1, sizeof(char *));
    g->x_at[g->n_x] = at;
    g->x_names[g->n_x++] = copy(name);
}

void figure_matrix(struct figure *g, size_t rows, size_t cols, const char *const *row_names,
                   const char *const *col_names, const char *unit)
{
    g->rows = rows;
    g->cols = cols;
    g->unit = copy(unit);
    g->cells = grown(NULL, rows * cols, sizeof *g->cells);
    g->row_names = grown(NULL, rows, sizeof(char *));
    g->col_names = grown(NULL, cols, sizeof(char *));
    for (size_t i = 0; i < rows * cols; i++)
        g->cells[i] = NAN;
    for (size_t i = 0; i < rows; i++)
        g->row_names[i] = copy(row_names[i]);
    for (size_t i = 0; i < cols; i++)
        g->col_names[i] = copy(col_names[i]);
}

/* --- drawing ------------------------------------------------------------------------------ */

static bool has_names(const struct figure_line *l)
{
    for (size_t i = 0; i < l->n; i++)
        if (*l->names[i])
            return true;
    return false;
}

static void as_plot(const struct figure *g, struct plot *p, struct plot_line *lines, struct plot_matrix *m)
{
    for (size_t i = 0; i < g->n_lines; i++) {
        const struct figure_line *l = &g->lines[i];

        lines[i] = (struct plot_line){.title = l->title, .x = l->x, .y = l->y, .n = l->n, .y_low = l->low, .y_high = l->high,
                                      .style = l->style, .names = has_names(l) ? (const char *const *)l->names : NULL};
    }
    *m = (struct plot_matrix){g->cells, g->rows, g->cols, (const char *const *)g->row_names,
                              (const char *const *)g->col_names, g->unit};
    *p = (struct plot){.title = g->title, .x_label = g->x_label, .y_label = g->y_label, .log_x = g->log_x, .log_y = g->log_y,
                       .lines = lines, .n_lines = g->n_lines, .x_at = g->x_at, .x_names = (const char *const *)g->x_names,
                       .n_x = g->n_x, .has_categories = g->has_categories, .matrix = g->cells ? m : NULL};
}

enum err_code figures_draw(const struct figures *f, const char *dir, const char *const *suffixes, size_t n_suffixes,
                           struct err *e)
{
    size_t n_lines = 0, at = 0, n = f->n * n_suffixes;

    for (size_t i = 0; i < f->n; i++)
        n_lines += f->v[i]->n_lines;
    struct plot_line *lines = fresh(n_lines, sizeof *lines);
    struct plot_matrix *matrices = fresh(f->n, sizeof *matrices);
    struct plot *plots = fresh(n, sizeof *plots);
    char **paths = fresh(n, sizeof(char *));
    for (size_t i = 0; i < f->n; i++) {
        for (size_t s = 0; s < n_suffixes; s++) {
            struct buf path = {0};

            as_plot(f->v[i], &plots[i * n_suffixes + s], lines + at, &matrices[i]);
            buf_fmt(&path, "%s/%s%s", dir, f->v[i]->name, suffixes[s]);
            paths[i * n_suffixes + s] = buf_steal(&path);
        }
        at += f->v[i]->n_lines;
    }
    enum err_code rc = plot_write_all((const char *const *)paths, plots, n, e);
    free_texts(paths, n);
    free(plots);
    free(matrices);
    free(lines);
    return rc;
}

/* Copies s up to `end`, with a prefix at every id and every reference to one. */
static void put_own_ids(struct buf *out, const char *s, const char *end, const char *prefix)
{
    static const char *const marks[] = {" id=\"", " id='", "href='#", "href=\"#", "url(#"};

    while (s < end) {
        size_t i = 0;

        if (strncmp(s, "<title>", strlen("<title>")) == 0) { /* gnuplot's own names */
            s = strstr(s, "</title>") + strlen("</title>");
            continue;
        }
        while (i < ARRAY_LEN(marks) && strncmp(s, marks[i], strlen(marks[i])) != 0)
            i++;
        if (i == ARRAY_LEN(marks)) {
            buf_char(out, *s++);
            continue;
        }
        buf_str(out, marks[i]);
        buf_str(out, prefix);
        s += strlen(marks[i]);
    }
}

enum err_code figures_inline(const struct figures *f, size_t i, const char *dir, struct buf *out, struct err *e)
{
    struct buf path = {0}, svg = {0}, prefix = {0};
    const struct figure *g = f->v[i];
    const char *box = NULL, *body = NULL, *end = NULL;

    buf_fmt(&path, "%s/%s.svg", dir, g->name);
    enum err_code rc = fs_read(path.data, SVG_MAX, &svg, e);
    if (!rc) {
        box = strstr(svg.data, "viewBox=\"");
        body = strstr(svg.data, "</desc>");
        end = body ? strstr(body, "</svg>") : NULL;
        if (!box || !end)
            rc = err_set(e, ERR_INVALID, "%s: not what gnuplot writes", path.data);
    }
    if (!rc) {
        buf_fmt(&prefix, "f%zu-", i);
        buf_fmt(out, "<svg %.*s role=\"img\" aria-labelledby=\"f%zu-title\"><title id=\"f%zu-title\">",
                (int)(strchr(box + strlen("viewBox=\""), '"') + 1 - box), box, i, i);
        html_text(out, g->title);
        buf_str(out, "</title>");
        put_own_ids(out, body + strlen("</desc>"), end, prefix.data);
        buf_str(out, "</svg>");
    }
    buf_free(&path);
    buf_free(&svg);
    buf_free(&prefix);
    return rc;
}
