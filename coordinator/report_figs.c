/* report_figs.c - see report_figs.h.
 *
 * One figure a knob that varies: conditions that differ in nothing else are a line.  A single line is
 * shown as PWMCC with its controls; several as ratios to random, which may be compared between widths.
 * Of more than LINES_MAX lines some are shown, evenly chosen, and the caption says so.
 */
#include "coordinator/report_figs.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/oom.h"
#include "coordinator/condition.h"
#include "coordinator/tables.h"

enum { LINES_MAX = 6, TICKS_MAX = 12 };
#define TICK_ROOM 0.045 /* of the axis */

/* A figure in the making. */
struct axis {
    const struct table *t;
    const char *stage, *name;    /* of the x axis */
    const double *x;             /* [n_rows] */
    size_t knobs[CONDITION_MAX]; /* that tell lines apart */
    size_t n_knobs;
    size_t *group;               /* [n_rows] */
    size_t n_groups;
};

static double value(const struct table *t, size_t row, const char *name)
{
    double v;

    return table_f64(t, row, name, &v) ? v : NAN;
}

static bool same_line(const struct axis *a, size_t i, size_t k)
{
    for (size_t c = 0; c < a->n_knobs; c++)
        if (!cell_equal(table_cell(a->t, i, a->knobs[c]), table_cell(a->t, k, a->knobs[c])))
            return false;
    return true;
}

static void find_groups(struct axis *a)
{
    a->n_groups = 0;
    for (size_t i = 0; i < a->t->n_rows; i++) {
        size_t k = 0;

        while (k < i && !same_line(a, i, k))
            k++;
        a->group[i] = k < i ? a->group[k] : a->n_groups++;
    }
}

/* Groups that are shown, when there are too many: evenly chosen. */
static bool is_shown(const struct axis *a, size_t group)
{
    if (a->n_groups <= LINES_MAX)
        return true;
    for (size_t i = 0; i < LINES_MAX; i++)
        if (i * (a->n_groups - 1) / (LINES_MAX - 1) == group)
            return true;
    return false;
}

static void line_name(const struct axis *a, size_t row, struct buf *out)
{
    for (size_t i = 0; i < a->n_knobs; i++) {
        buf_fmt(out, "%s%s = ", i ? ", " : "", a->t->cols[a->knobs[i]]);
        tables_knob_text(table_cell(a->t, row, a->knobs[i]), out);
    }
}

static void add_controls(struct figure *g, const struct axis *a)
{
    static const struct {
        const char *column, *title;
    } rows[] = {{"random_mean", "random decoders"},
                {"surrogate_mean", "Gaussian surrogate"},
                {"untrained_mean", "untrained model"},
                {"shuffled_mean", "shuffled columns"}};

    for (size_t c = 0; c < ARRAY_LEN(rows); c++) {
        struct figure_line *l = NULL;

        for (size_t i = 0; i < a->t->n_rows; i++) {
            if (isnan(value(a->t, i, rows[c].column)))
                continue;
            l = l ? l : figure_line(g, rows[c].title, PLOT_REFERENCE);
            figure_point(l, a->x[i], value(a->t, i, rows[c].column), NAN, NAN, NULL);
        }
    }
}

/* The interval over seeds where there is one, else over pairs. */
static void add_single(struct figure *g, const struct axis *a, enum plot_style style)
{
    struct figure_line *l = figure_line(g, "PWMCC, trained", style);

    for (size_t i = 0; i < a->t->n_rows; i++) {
        double low = value(a->t, i, "seed_ci_low"), high = value(a->t, i, "seed_ci_high");
        bool has_seeds = !isnan(low) && !isnan(high);

        figure_point(l, a->x[i], value(a->t, i, "pwmcc_mean"), has_seeds ? low : value(a->t, i, "ci_low"),
                     has_seeds ? high : value(a->t, i, "ci_high"), NULL);
    }
    l = NULL;
    for (size_t i = 0; i < a->t->n_rows; i++) {
        if (isnan(value(a->t, i, "gt_mcc")))
            continue;
        l = l ? l : figure_line(g, "GT-MCC (true dictionary)", style);
        figure_point(l, a->x[i], value(a->t, i, "gt_mcc"), NAN, NAN, NULL);
    }
    add_controls(g, a);
}

static void add_groups(struct figure *g, const struct axis *a, enum plot_style style)
{
    double low = INFINITY, high = -INFINITY;

    for (size_t k = 0; k < a->n_groups; k++) {
        struct figure_line *l = NULL;
        struct buf name = {0};

        for (size_t i = 0; i < a->t->n_rows && is_shown(a, k); i++) {
            if (a->group[i] != k || isnan(value(a->t, i, "ratio")))
                continue;
            if (!l) {
                line_name(a, i, &name);
                l = figure_line(g, name.data, style);
            }
            double unit = value(a->t, i, "random_mean"), from = value(a->t, i, "seed_ci_low") / unit,
                   to = value(a->t, i, "seed_ci_high") / unit;
            bool has_seeds = isfinite(from) && isfinite(to);

            figure_point(l, a->x[i], value(a->t, i, "ratio"), has_seeds ? from : value(a->t, i, "ratio_ci_low"),
                         has_seeds ? to : value(a->t, i, "ratio_ci_high"), NULL);
            low = fmin(low, a->x[i]);
            high = fmax(high, a->x[i]);
        }
        buf_free(&name);
    }
    if (low <= high) {
        struct figure_line *l = figure_line(g, "chance", PLOT_REFERENCE);

        for (double x = low; g->has_categories && x < high; x++)
            figure_point(l, x, 1, NAN, NAN, NULL);
        figure_point(l, low, 1, NAN, NAN, NULL);
        figure_point(l, high, 1, NAN, NAN, NULL);
    }
}

static bool has_tick(const struct figure *g, double x, double room)
{
    for (size_t k = 0; k < g->n_x; k++)
        if (fabs(g->x_at[k] - x) <= room)
            return true;
    return false;
}

/* A mark a value, but none that would stand on another; too many: gnuplot chooses. */
static void add_ticks(struct figure *g, const struct axis *a)
{
    double low = INFINITY, high = -INFINITY;
    int col = table_col(a->t, a->name);

    for (size_t i = 0; i < a->t->n_rows; i++) {
        low = fmin(low, a->x[i]);
        high = fmax(high, a->x[i]);
    }
    g->log_x = !g->has_categories && low > 0 && high >= 8 * low;
    double room = g->log_x || g->has_categories ? 0 : TICK_ROOM * (high - low);
    for (size_t i = a->t->n_rows; i-- > 0;) { /* from the right, where a training ends */
        struct buf name = {0};

        if (has_tick(g, a->x[i], room))
            continue;
        if (col >= 0)
            tables_knob_text(table_cell(a->t, i, (size_t)col), &name);
        else
            buf_fmt(&name, "%.3g", a->x[i]);
        figure_tick(g, a->x[i], name.data);
        buf_free(&name);
    }
    if (g->n_x > TICKS_MAX && !g->has_categories) {
        for (size_t i = 0; i < g->n_x; i++)
            free(g->x_names[i]);
        g->n_x = 0;
    }
}

/* Two conditions that differ in this knob alone, and are no controls. */
static bool has_a_line(const struct axis *a)
{
    int rows = table_col(a->t, "surrogate");

    for (size_t i = 0; i < a->t->n_rows && rows >= 0; i++) {
        const struct cell *c = table_cell(a->t, i, (size_t)rows);

        if (c->type == CELL_TEXT && strcmp(c->text, "none") != 0)
            return false; /* controls stand in the figures of what they control */
    }
    for (size_t i = 0; i < a->t->n_rows; i++)
        for (size_t k = 0; k < i; k++)
            if (a->group[i] == a->group[k] && a->x[i] != a->x[k])
                return true;
    return false;
}

static void draw_axis(struct report *r, const struct axis *a, const char *label, bool has_categories)
{
    struct buf title = {0}, caption = {0}, name = {0};
    bool is_single = a->n_groups == 1;

    if (!has_a_line(a))
        return;
    buf_fmt(&title, "%s: %s against %s", a->stage, is_single ? "PWMCC" : "PWMCC / random",
            strcmp(a->name, "d_sae_over_rank") == 0 ? "d_sae / effective rank" : a->name);
    buf_fmt(&name, "%s_%s", a->stage, a->name);
    buf_fmt(&caption, "Bars: 95 %% intervals, seeds resampled where there are three or more, else pairs.%s",
            is_single ? " Grey: controls." : "");
    if (a->n_groups > LINES_MAX)
        buf_fmt(&caption, " %d of %zu lines, evenly chosen; the table has all.", LINES_MAX, a->n_groups);
    struct figure *g = report_figure(r, name.data, title.data, label, is_single ? "PWMCC" : "PWMCC / PWMCC of random decoders",
                                     caption.data);
    if (g) {
        enum plot_style style = has_categories ? PLOT_SCATTER : PLOT_INTERVALS;

        g->has_categories = has_categories;
        if (is_single)
            add_single(g, a, style);
        else
            add_groups(g, a, style);
        add_ticks(g, a);
    }
    buf_free(&title);
    buf_free(&caption);
    buf_free(&name);
}

/* Numbers as they are; texts as 0, 1, .. in the order in which they come.  False: fewer than two. */
static bool knob_axis(const struct table *t, size_t col, double *x, bool *has_categories)
{
    size_t n = 0;
    bool varies = false;

    *has_categories = false;
    for (size_t i = 0; i < t->n_rows; i++)
        *has_categories = *has_categories || table_cell(t, i, col)->type == CELL_TEXT;
    for (size_t i = 0; i < t->n_rows; i++) {
        size_t k = 0;

        if (!*has_categories) {
            x[i] = value(t, i, t->cols[col]);
        } else {
            while (k < i && !cell_equal(table_cell(t, i, col), table_cell(t, k, col)))
                k++;
            x[i] = k < i ? x[k] : (double)n++;
        }
        varies = varies || (isfinite(x[i]) && x[i] != x[0]);
    }
    return varies;
}

static void other_knobs(struct axis *a, const size_t *cols, size_t n, size_t but)
{
    a->n_knobs = 0;
    for (size_t i = 0; i < n; i++)
        if (cols[i] != but)
            a->knobs[a->n_knobs++] = cols[i];
    find_groups(a);
}

/* Agreement against d_sae / effective rank, when widths or ranks differ. */
static void rank_axis(struct report *r, struct axis *a, double *x, const size_t *cols, size_t n)
{
    int width = table_col(a->t, "d_sae");
    bool varies = false;

    for (size_t i = 0; i < a->t->n_rows; i++) {
        x[i] = value(a->t, i, "d_sae") / value(a->t, i, "erank");
        varies = varies || (isfinite(x[i]) && x[i] != x[0]);
    }
    if (!varies)
        return;
    a->name = "d_sae_over_rank";
    other_knobs(a, cols, n, width < 0 ? SIZE_MAX : (size_t)width);
    draw_axis(r, a, "d_sae / effective rank of the activations", false);
}

void figs_of_stage(struct report *r, const struct table *t, const char *stage)
{
    size_t cols[CONDITION_MAX], n = condition_columns(t, cols);
    double *x = calloc(t->n_rows + 1, sizeof *x);
    struct axis *a = calloc(1, sizeof *a);

    if (!x || !a || !(a->group = calloc(t->n_rows + 1, sizeof *a->group)))
        oom_exit("report_figs");
    a->t = t;
    a->stage = stage;
    a->x = x;
    for (size_t i = 0; i < n && t->n_rows > 1; i++) {
        struct buf label = {0};
        bool has_categories;

        a->name = t->cols[cols[i]];
        if (tables_is_knob(t, cols[i]) && strncmp(a->name, "seed", 4) != 0 && knob_axis(t, cols[i], x, &has_categories)) {
            other_knobs(a, cols, n, cols[i]);
            report_label(r, a->name, &label);
            draw_axis(r, a, label.data, has_categories);
        }
        buf_free(&label);
    }
    rank_axis(r, a, x, cols, n);
    free(a->group);
    free(a);
    free(x);
}
