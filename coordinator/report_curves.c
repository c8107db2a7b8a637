/* report_curves.c - how trainings went: curves by condition, and how often features are active. */
#include "coordinator/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "coordinator/report_runs_of.h"

enum { LINES_MAX = 6, SEEDS_MAX = 8, POINTS_MAX = 120, FIGURES_A_STAGE = 3, DENSITY_BINS = 20 };
#define DENSITY_FROM (-5.0) /* log10 of the share of rows */

static const struct curve {
    const char *series, *y_label;
} curves[] = {{"loss", "training loss"}, {"lm_loss", "loss of the language model (nats)"},
              {"aux_over_lm", "lambda * aux / lm"}, {"grad_ratio", "auxiliary gradient / lm gradient at the hook"}, {"val_acc", "validation accuracy"}, {"val_loss", "validation loss (nats)"}};

/* Of n conditions those shown, evenly chosen. */
static size_t chosen(size_t n, size_t i)
{
    return n <= LINES_MAX ? i : i * (n - 1) / (LINES_MAX - 1);
}

static enum err_code curve_points(struct report *r, const struct runs_of *o, size_t i, const char *series, struct table *out,
                                  struct err *e)
{
    struct buf ids = {0}, sql = {0};

    runs_of_ids(o, i, SEEDS_MAX, &ids);
    buf_fmt(&sql, "SELECT p.step, avg(p.value), min(p.value), max(p.value) FROM job j JOIN series_point p ON p.job = j.id"
                  " JOIN series_name n ON n.id = p.name WHERE n.name = ?1 AND j.digest IN (%s) GROUP BY p.step ORDER BY p.step", ids.data);
    enum err_code rc = query_table(r->q, out, e, sql.data, "t", series);
    buf_free(&ids);
    buf_free(&sql);
    return rc;
}

static double number(const struct table *t, size_t row, size_t col)
{
    const struct cell *c = table_cell(t, row, col);

    return c->type == CELL_I64 ? (double)c->i : c->type == CELL_F64 ? c->f : NAN;
}

static void add_curve(struct figure *g, const char *name, const struct table *t)
{
    struct figure_line *l = figure_line(g, name, PLOT_CURVE);
    size_t step = t->n_rows / POINTS_MAX + 1;

    for (size_t k = 0; k < t->n_rows; k += step)
        figure_point(l, number(t, k, 0), number(t, k, 1), number(t, k, 2), number(t, k, 3), NULL);
}

/* Falls by more than a factor of 50: read on a logarithmic axis. */
static bool wants_log(const struct figure *g)
{
    double low = INFINITY, high = 0;

    for (size_t i = 0; i < g->n_lines; i++)
        for (size_t k = 0; k < g->lines[i].n; k++) {
            low = fmin(low, g->lines[i].low[k]);
            high = fmax(high, g->lines[i].high[k]);
        }
    return low > 0 && high > 50 * low;
}

static void caption_of(const struct runs_of *o, const char *what, struct buf *out)
{
    buf_str(out, what);
    if (o->n > LINES_MAX)
        buf_fmt(out, " %d of %zu conditions, evenly chosen.", LINES_MAX, o->n);
}

static enum err_code put_curve(struct report *r, const struct runs_of *o, const char *stage, const char *kind,
                               const struct curve *c, bool *any, struct err *e)
{
    struct figure *g = NULL;
    struct buf caption = {0}, name = {0}, title = {0};
    enum err_code rc = ERR_OK;

    *any = false;
    for (size_t i = 0; i < o->n && i < LINES_MAX && !rc; i++) {
        struct table t = {0};
        struct buf line = {0};

        rc = curve_points(r, o, chosen(o->n, i), c->series, &t, e);
        if (!rc && t.n_rows > 1 && !*any) {
            *any = true;
            caption_of(o, "Mean over seeds; the band holds all of them (at most 8).", &caption);
            buf_fmt(&name, "%s_%s", stage, c->series);
            buf_fmt(&title, "%s: %s", stage, c->y_label);
            g = report_figure(r, name.data, title.data, strcmp(kind, "lm_train") == 0 ? "epoch" : "step", c->y_label, caption.data);
        }
        if (!rc && g && t.n_rows > 1) {
            runs_of_name(o, chosen(o->n, i), &line);
            add_curve(g, o->n > 1 ? line.data : NULL, &t);
        }
        table_free(&t);
        buf_free(&line);
    }
    if (g)
        g->log_y = wants_log(g) && strcmp(c->series, "val_acc") != 0;
    buf_free(&caption);
    buf_free(&name);
    buf_free(&title);
    return rc;
}

/* --- densities ---------------------------------------------------------------------------- */

/* Adds the shares of a histogram blob ("low,high,count" lines) as a line over bins of a quarter decade from
 * DENSITY_FROM to 0.  Features that are never active (-10) are no point of the line. */
static void add_density(struct figure *g, const char *name, const char *csv)
{
    struct figure_line *l = figure_line(g, name, PLOT_CURVE);
    double low, high, count, sum = 0, bin[DENSITY_BINS] = {0};
    char *end;

    for (const char *s = strchr(csv, '\n'); s && s[1]; s = strchr(s + 1, '\n')) {
        low = strtod(s + 1, &end);
        high = *end == ',' ? strtod(end + 1, &end) : NAN;
        count = *end == ',' ? strtod(end + 1, &end) : NAN;
        sum += isfinite(count) ? count : 0;
        double at = ((low + high) / 2 - DENSITY_FROM) * DENSITY_BINS / -DENSITY_FROM;
        if (at >= 0 && count > 0)
            bin[at < DENSITY_BINS ? (size_t)at : DENSITY_BINS - 1] += count;
    }
    for (size_t i = 0; i < DENSITY_BINS && sum > 0; i++)
        figure_point(l, DENSITY_FROM * (1 - ((double)i + 0.5) / DENSITY_BINS), 100 * bin[i] / sum, NAN, NAN, NULL);
}

static enum err_code put_densities(struct report *r, const struct runs_of *o, const char *stage, struct err *e)
{
    struct figure *g = NULL;
    struct buf caption = {0}, name = {0}, title = {0};
    enum err_code rc = ERR_OK;
    bool any = false;

    for (size_t i = 0; i < o->n && i < LINES_MAX && !rc; i++) {
        struct table t = {0};
        struct buf ids = {0}, sql = {0}, line = {0};

        runs_of_ids(o, chosen(o->n, i), 1, &ids);
        buf_fmt(&sql, "SELECT CAST(b.data AS TEXT) FROM blob b JOIN job j ON j.id = b.job WHERE b.name ="
                      " 'histogram.log10_activation_frequency' AND j.digest = %s", ids.data);
        rc = query_table(r->q, &t, e, sql.data, "");
        if (!rc && t.n_rows && !any) {
            any = true;
            caption_of(o, "How often features are active, of the first seed, in bins of a quarter decade: 0 is on every row. Features that never are have no place here: see dead %.", &caption);
            buf_fmt(&name, "%s_density", stage);
            buf_fmt(&title, "%s: how often features are active", stage);
            g = report_figure(r, name.data, title.data, "log10 of the share of rows on which a feature is active", "features (%)",
                              caption.data);
        }
        if (!rc && t.n_rows && g) {
            runs_of_name(o, chosen(o->n, i), &line);
            add_density(g, o->n > 1 ? line.data : NULL, t.cells[0].text);
        }
        table_free(&t);
        buf_free(&ids);
        buf_free(&sql);
        buf_free(&line);
    }
    buf_free(&caption);
    buf_free(&name);
    buf_free(&title);
    return rc;
}

/* Experiments that share jobs would show the same figures again. */
static bool is_shown_already(const struct runs_of *o, struct buf *seen)
{
    struct buf ids = {0};
    bool is_known;

    for (size_t i = 0; i < o->n; i++) {
        runs_of_ids(o, i, SEEDS_MAX, &ids);
        buf_char(&ids, ' ');
    }
    buf_char(&ids, '\n');
    is_known = seen->data && strstr(seen->data, ids.data);
    if (!is_known)
        buf_str(seen, ids.data);
    buf_free(&ids);
    return is_known;
}

static enum err_code put_stage(struct report *r, const char *stage, const char *kind, struct buf *seen, struct err *e)
{
    struct runs_of o = {0};
    size_t n = 0;
    enum err_code rc = runs_of_load(&o, r, stage, e);

    if (!rc && is_shown_already(&o, seen)) {
        runs_of_free(&o);
        return ERR_OK;
    }
    for (size_t c = 0; c < ARRAY_LEN(curves) && n < FIGURES_A_STAGE && !rc; c++) {
        bool any;

        rc = put_curve(r, &o, stage, kind, &curves[c], &any, e);
        n += any;
    }
    if (!rc)
        rc = put_densities(r, &o, stage, e);
    runs_of_free(&o);
    return rc;
}

static enum err_code write_curves(struct report *r, struct err *e)
{
    struct table stages = {0};
    struct buf seen = {0};
    enum err_code rc = runs_of_stages(r, &stages, e);

    for (size_t i = 0; i < stages.n_rows && !rc; i++)
        if (strcmp(table_cell(&stages, i, 1)->text, "sae_compare") != 0 && strcmp(table_cell(&stages, i, 1)->text, "mock") != 0)
            rc = put_stage(r, table_cell(&stages, i, 0)->text, table_cell(&stages, i, 1)->text, &seen, e);
    buf_free(&seen);
    table_free(&stages);
    return rc;
}

REPORT_SECTION(curves) = {"curves", "How trainings went", write_curves};
