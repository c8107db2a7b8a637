/* report_front.c - what stability costs in reconstruction: every condition, and those no other beats. */
#include "common/oom.h"
#include "coordinator/report_table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "coordinator/condition.h"

enum { NAMED_MAX = 8, GROUPS_MAX = 16 };

/* Conditions may be compared on the same rows only. */
static const char *const rows_of[] = {"task", "layer", "hook", "position", "data_fraction"};

static double value(const struct table *t, size_t row, const char *name)
{
    double v;

    return table_f64(t, row, name, &v) ? v : NAN;
}

/* Rows are told apart by their architecture, or by stage where that is the same. */
static int group_column(const struct table *t)
{
    int arch = table_col(t, "arch");

    return arch >= 0 && !table_is_constant(t, (size_t)arch) ? arch : table_col(t, "stage");
}

static void add_points(struct figure *g, const struct table *t, int by)
{
    size_t n_groups = 0;

    for (size_t i = 0; i < t->n_rows && n_groups < GROUPS_MAX; i++) {
        struct figure_line *l;
        struct buf name = {0};
        size_t k = 0;

        while (k < i && !cell_equal(table_cell(t, k, (size_t)by), table_cell(t, i, (size_t)by)))
            k++;
        if (k < i)
            continue;
        n_groups++;
        bool is_known = table_cell(t, i, (size_t)by)->type != CELL_NULL; /* an imported SAE has no arch */
        cell_text(table_cell(t, i, is_known ? (size_t)by : (size_t)table_col(t, "stage")), &name);
        l = figure_line(g, name.data, PLOT_SCATTER);
        for (k = i; k < t->n_rows; k++) {
            struct buf text = {0};

            if (!cell_equal(table_cell(t, k, (size_t)by), table_cell(t, i, (size_t)by)))
                continue;
            if (t->n_rows <= NAMED_MAX)
                condition_name(t, k, &text);
            figure_point(l, value(t, k, "ev_mean"), value(t, k, "ratio"), value(t, k, "ratio_ci_low"), value(t, k, "ratio_ci_high"),
                         text.data && text.len < 40 ? text.data : NULL);
            buf_free(&text);
        }
        buf_free(&name);
    }
}

static bool is_beaten(const struct table *t, size_t i)
{
    double ev = value(t, i, "ev_mean"), ratio = value(t, i, "ratio");

    for (size_t k = 0; k < t->n_rows; k++) {
        double other_ev = value(t, k, "ev_mean"), other = value(t, k, "ratio");

        if (other_ev >= ev && other >= ratio && (other_ev > ev || other > ratio))
            return true;
    }
    return isnan(ev) || isnan(ratio);
}

static int by_first(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

/* The front in these two objectives, and the area below it over EV > 0 and ratio > 1. */
static double add_front(struct figure *g, const struct table *t)
{
    double(*p)[2] = calloc(t->n_rows + 1, sizeof *p), area = 0, before = 0;
    size_t n = 0;

    if (!p)
        oom_exit("report_front");
    for (size_t i = 0; i < t->n_rows; i++)
        if (!is_beaten(t, i)) {
            p[n][0] = value(t, i, "ev_mean");
            p[n++][1] = value(t, i, "ratio");
        }
    qsort(p, n, sizeof *p, by_first);
    struct figure_line *l = g && n > 1 ? figure_line(g, "front", PLOT_REFERENCE) : NULL;
    for (size_t i = 0; i < n; i++) {
        if (l)
            figure_point(l, p[i][0], p[i][1], NAN, NAN, NULL);
        if (p[i][0] > before && p[i][1] > 1) {
            area += (p[i][0] - before) * (p[i][1] - 1);
            before = p[i][0];
        }
    }
    free(p);
    return area;
}

static bool same_rows(const struct table *t, size_t a, size_t b)
{
    for (size_t i = 0; i < ARRAY_LEN(rows_of); i++) {
        int c = table_col(t, rows_of[i]);

        if (c >= 0 && !cell_equal(table_cell(t, a, (size_t)c), table_cell(t, b, (size_t)c)))
            return false;
    }
    return true;
}

/* The conditions on the rows of `like`. */
static void on_rows_of(const struct table *t, size_t like, struct table *out)
{
    for (size_t c = 0; c < t->n_cols; c++)
        table_add_col(out, t->cols[c]);
    for (size_t i = 0; i < t->n_rows; i++) {
        if (!same_rows(t, i, like))
            continue;
        struct cell *row = table_add_row(out);
        for (size_t c = 0; c < t->n_cols; c++)
            cell_copy(&row[c], table_cell(t, i, c));
    }
}

/* ": task modadd, layer 1, hook resid_post" */
static void name_rows(const struct table *t, struct buf *title)
{
    for (size_t i = 0, n = 0; i < 3; i++) {
        int c = table_col(t, rows_of[i]);

        if (c < 0 || table_cell(t, 0, (size_t)c)->type == CELL_NULL)
            continue;
        buf_fmt(title, "%s%s ", n++ ? ", " : ": ", rows_of[i]);
        cell_text(table_cell(t, 0, (size_t)c), title);
    }
}

static void draw(struct report *r, const struct table *t)
{
    struct buf title = {0};
    struct figure *g;
    double area;

    if (t->n_rows < 2 || isnan(value(t, 0, "ev_mean")))
        return;
    buf_str(&title, "Stability against reconstruction");
    name_rows(t, &title);
    g = report_figure(r, "front", title.data, "EV (explained variance)", "PWMCC / PWMCC of random decoders",
                      "Every finished comparison; up and right is better. Bars: 95 % intervals of the ratio over pairs. "
                      "Dashed: conditions that none beats in both.");
    buf_free(&title);
    if (!g)
        return;
    add_points(g, t, group_column(t));
    area = add_front(g, t);
    buf_str(r->out, "<p>Area under the front over EV above 0 and ratio above 1 (hypervolume in these two objectives): ");
    table_number(r->out, area);
    buf_str(r->out, ".</p>\n");
}

/* One figure for each set of rows on which architectures compete; if they compete nowhere, one of the most conditions. */
static void draw_all(struct report *r, const struct table *t)
{
    struct table most = {0};
    bool any = false;

    for (size_t i = 0; i < t->n_rows; i++) {
        struct table own = {0};
        size_t k = 0;

        while (k < i && !same_rows(t, k, i))
            k++;
        if (k < i)
            continue;
        on_rows_of(t, i, &own);
        int arch = table_col(&own, "arch");
        if (arch >= 0 && !table_is_constant(&own, (size_t)arch)) {
            draw(r, &own);
            any = true;
        }
        if (own.n_rows > most.n_rows) {
            table_free(&most);
            most = own;
        } else {
            table_free(&own);
        }
    }
    if (!any)
        draw(r, &most);
    table_free(&most);
}

static void put_table(struct report *r, const struct table *t)
{
    static const struct report_col figures[] = {{.column = "ratio"},
                                                {.column = "ev", .title = "EV", .metric = "ev_mean"},
                                                {.column = "l0", .title = "L0", .metric = "l0_mean"},
                                                {.column = "dead_pct", .title = "dead %", .metric = "dead_pct_mean"}};
    struct report_col cols[CONDITION_MAX + 1 + ARRAY_LEN(figures)];
    size_t knobs[CONDITION_MAX], n = condition_columns(t, knobs), k = 0;
    struct buf all = {0};

    cols[k++] = (struct report_col){.column = "stage", .form = REPORT_RUN};
    for (size_t i = 0; i < n; i++)
        cols[k++] = (struct report_col){.column = t->cols[knobs[i]]};
    memcpy(cols + k, figures, sizeof figures);
    buf_fmt(&all, "saegrid table pareto --sweep %s", r->sweep);
    report_table(r, t, cols, k + ARRAY_LEN(figures), "Conditions that no other on the same activations beats in ratio, EV, L0 and dead %",
                 all.data);
    buf_free(&all);
}

static enum err_code write_front(struct report *r, struct err *e)
{
    struct table all = {0}, front = {0};
    enum err_code rc = query_table(r->q, &all, e, "SELECT * FROM stability WHERE sweep = ?1 AND ratio IS NOT NULL"
                                   " AND coalesce(surrogate, 'none') = 'none'", "t", r->sweep);

    if (!rc && all.n_rows > 1)
        rc = query_table(r->q, &front, e, "SELECT * FROM pareto WHERE sweep = ?1 ORDER BY ratio DESC", "t", r->sweep);
    if (!rc && front.n_rows) {
        put_table(r, &front);
        draw_all(r, &all);
    }
    table_free(&all);
    table_free(&front);
    return rc;
}

REPORT_SECTION(front) = {"pareto", "Stability against quality", write_front};
