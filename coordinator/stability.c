/* stability.c - see stability.h. */
#include "coordinator/stability.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coordinator/condition.h"
#include "coordinator/point.h"

enum { NAMED_MAX = 3 };
#define LEAK_LIMIT 0.1 /* as the definition of `leak` says */

void stability_leaks(const struct table *t, struct buf *out)
{
    double worst = 0, v;
    size_t n = 0;

    for (size_t i = 0; i < t->n_rows; i++)
        if (table_f64(t, i, "leak", &v) && v > LEAK_LIMIT) {
            worst = v > worst ? v : worst;
            n++;
        }
    if (n == 0)
        return;
    buf_fmt(out, "Beware: the base model leaks (%zu of %zu rows): it is shown its answers, and ", n,
            t->n_rows);
    table_number(out, worst);
    buf_str(out, " of its outputs follow them and not the operands.\n");
}

/* --- tables ------------------------------------------------------------------------------- */

/* Columns of the view, and what they are called above a table. */
static const struct figure {
    const char *column, *title;
    int digits; /* 0: as they are */
} figures[] = {
    {"n_seeds", "n_seeds", 0},     {"pwmcc_mean", "pwmcc_mean", 0}, {"pwmcc_std", "std", 2},
    {"ci_low", "ci_low", 0},       {"ci_high", "ci_high", 0},       {"random_mean", "random_mean", 0},
    {"random_expected", "expected", 4}, {"surrogate_mean", "gaussian", 4}, {"untrained_mean", "untrained", 4},
    {"shuffled_mean", "shuffled", 4},
    {"ratio", "ratio", 0},         {"ratio_ci", "ratio_ci", 0},     {"p_value", "p", 2},
    {"ev_mean", "EV", 0},          {"l0_mean", "L0", 0},            {"dead_pct_mean", "dead_%", 3},
    {"erank", "erank", 3},         {"gt_mcc", "gt_mcc", 0},         {"hungarian_mean", "pw_mcc", 4},
};

/* Controls: they have a column in every table, and where there is no value a reason below it. */
static const struct {
    const char *column, *title;
} controls[] = {{"random_mean", "random"}, {"random_expected", "expected"}, {"surrogate_mean", "gaussian"},
                {"untrained_mean", "untrained"}, {"shuffled_mean", "shuffled"}};

static bool is_control(const char *column)
{
    for (size_t i = 0; i < ARRAY_LEN(controls); i++)
        if (strcmp(controls[i].column, column) == 0)
            return true;
    return false;
}

void stability_mark_controls(struct table *t)
{
    for (size_t i = 0; i < ARRAY_LEN(controls); i++) {
        int col = table_col(t, controls[i].column);

        for (size_t r = 0; col >= 0 && r < t->n_rows; r++) {
            struct cell *c = &t->cells[r * t->n_cols + (size_t)col];

            if (c->type == CELL_NULL)
                cell_set_text(c, "-");
        }
    }
}

/* What the sweep itself says about its controls, in its file. */
static enum err_code put_declared(struct query *q, const char *sweep, struct buf *out, struct err *e)
{
    struct pool pool = {0};
    struct ynode *root, *n;
    enum err_code rc = point_sweep_text(q, sweep, &pool, &root, e);

    n = rc ? NULL : ytree_get(root, "controls");
    if (n && n->type == YNODE_SCALAR)
        buf_fmt(out, "Controls: %s\n", n->text);
    pool_free(&pool);
    return rc;
}

enum err_code stability_controls(struct query *q, const char *sweep, const char *stage, struct buf *out, struct err *e)
{
    struct table t = {0};
    size_t start = out->len;
    enum err_code rc = query_table(q, &t, e,
        "SELECT a.name, a.reason, count(*) FROM metric_absent a JOIN job j ON j.id = a.job JOIN sweep_job sj ON sj.job = j.id"
        " JOIN sweep s ON s.id = sj.sweep AND s.revision = sj.revision JOIN stage t ON t.id = sj.stage"
        " WHERE s.name = ?1 AND t.name = ?2 GROUP BY a.name, a.reason ORDER BY count(*) DESC, a.name", "tt", sweep, stage);

    for (size_t i = 0; i < ARRAY_LEN(controls) && !rc; i++)
        for (size_t r = 0; r < t.n_rows; r++)
            if (strcmp(table_cell(&t, r, 0)->text, controls[i].column) == 0)
                buf_fmt(out, "%s -: %s (%lld condition%s)\n", controls[i].title, table_cell(&t, r, 1)->text,
                        (long long)table_cell(&t, r, 2)->i, table_cell(&t, r, 2)->i == 1 ? "" : "s");
    table_free(&t);
    return rc || out->len == start ? rc : put_declared(q, sweep, out, e);
}

enum err_code stability_unsound(struct query *q, const char *sweep, struct buf *out, struct err *e)
{
    struct table t = {0};
    enum err_code rc = query_table(q, &t, e,
        "SELECT DISTINCT m.run_name, coalesce(g.message, 'its gate was missed') FROM sweep s JOIN sweep_job sj ON sj.sweep = s.id"
        " AND sj.revision = s.revision JOIN job g ON g.id = sj.job JOIN kind k ON k.id = g.kind JOIN job_input i ON i.job = g.id"
        " JOIN job m ON m.id = i.input WHERE s.name = ?1 AND k.name = 'lm_gate' AND g.state = 'done' AND g.verdict = 'negative'"
        " ORDER BY m.run_name", "t", sweep);

    for (size_t r = 0; r < t.n_rows && !rc; r++)
        buf_fmt(out, "Beware: the base model %s did not pass its gate: %s.\n", table_cell(&t, r, 0)->text, table_cell(&t, r, 1)->text);
    table_free(&t);
    return rc;
}

static void set_ratio_ci(const struct table *t, size_t row, struct cell *cell)
{
    double low, high;
    struct buf text = {0};

    if (!table_f64(t, row, "ratio_ci_low", &low) || !table_f64(t, row, "ratio_ci_high", &high))
        return;
    buf_fmt(&text, "%.3f..%.3f", low, high);
    cell_set_text(cell, text.data);
    buf_free(&text);
}

static void set_figure(const struct table *t, size_t row, const struct figure *f, struct cell *cell)
{
    char text[40];
    double v;

    if (strcmp(f->column, "ratio_ci") == 0) {
        set_ratio_ci(t, row, cell);
    } else if (table_f64(t, row, f->column, &v)) {
        snprintf(text, sizeof text, "%.*g", f->digits, v);
        cell_set_f64(cell, f->digits ? strtod(text, NULL) : v);
    } else if (is_control(f->column)) {
        cell_set_text(cell, "-");
    }
}

static void build(const struct table *t, struct table *shown)
{
    size_t cols[CONDITION_MAX], n = condition_columns(t, cols);

    for (size_t i = 0; i < n; i++)
        table_add_col(shown, t->cols[cols[i]]);
    for (size_t i = 0; i < ARRAY_LEN(figures); i++)
        table_add_col(shown, figures[i].title);
    for (size_t r = 0; r < t->n_rows; r++) {
        struct cell *row = table_add_row(shown);

        for (size_t i = 0; i < n; i++)
            cell_copy(&row[i], table_cell(t, r, cols[i]));
        for (size_t i = 0; i < ARRAY_LEN(figures); i++)
            set_figure(t, r, &figures[i], &row[n + i]);
    }
    table_drop_empty(shown);
}

/* --- the sentence ------------------------------------------------------------------------- */

static double figure(const struct table *t, size_t row, const char *name)
{
    double v;

    return table_f64(t, row, name, &v) ? v : NAN;
}

/* Reconstructs worse than the mean would, or has lost most of its features. */
static bool is_poor(const struct table *t, size_t row)
{
    return figure(t, row, "ev_mean") < 0 || figure(t, row, "dead_pct_mean") > 50;
}

static bool best_row(const struct table *t, bool only_sound, size_t *row)
{
    double best = -INFINITY, r;
    bool found = false;

    for (size_t i = 0; i < t->n_rows; i++) {
        if (!table_f64(t, i, "ratio", &r) || r <= best || (only_sound && is_poor(t, i)))
            continue;
        *row = i;
        best = r;
        found = true;
    }
    return found;
}

static void add_number(struct buf *out, const char *before, double v)
{
    buf_str(out, before);
    table_number(out, v);
}

/* "PWMCC 0.31 is 1.2 times that of random decoders (95 % interval 1.1 to 1.3, above 1): ..." */
static void add_ratio(const struct table *t, size_t row, struct buf *out)
{
    double low = figure(t, row, "ratio_ci_low"), high = figure(t, row, "ratio_ci_high");

    add_number(out, "PWMCC ", figure(t, row, "pwmcc_mean"));
    add_number(out, " is ", figure(t, row, "ratio"));
    buf_str(out, " times that of random decoders");
    if (isnan(low) || isnan(high)) {
        buf_str(out, "; there is no interval to judge it by");
        return;
    }
    add_number(out, " (95 % interval ", low);
    add_number(out, " to ", high);
    if (low > 1)
        buf_str(out, ", above 1): its features agree more than chance");
    else if (high < 1)
        buf_str(out, ", below 1): its features agree less than chance");
    else
        buf_str(out, ", which includes 1): no agreement beyond chance is shown");
}

/* "; EV 0.91, 2 % dead." */
static void add_quality(const struct table *t, size_t row, struct buf *out)
{
    double ev = figure(t, row, "ev_mean"), dead = figure(t, row, "dead_pct_mean");

    if (!isnan(ev))
        add_number(out, "; EV ", ev);
    if (!isnan(dead))
        buf_fmt(out, "%s%.3g %% dead", isnan(ev) ? "; " : ", ", dead);
    buf_char(out, '.');
}

/* The row after `after` by falling ratio whose interval reaches `low`; n_rows if there is none. */
static size_t next_tie(const struct table *t, size_t after, double low)
{
    double last = figure(t, after, "ratio"), best = -INFINITY, r, high;
    size_t found = t->n_rows;

    for (size_t i = 0; i < t->n_rows; i++) {
        if (!table_f64(t, i, "ratio", &r) || !table_f64(t, i, "ratio_ci_high", &high) || !(high >= low))
            continue;
        if ((r < last || (r == last && i > after)) && r > best) {
            best = r;
            found = i;
        }
    }
    return found;
}

/* " Not distinguishable from k = 8 (intervals overlap)." */
static void add_ties(const struct table *t, size_t best, struct buf *out)
{
    double low = figure(t, best, "ratio_ci_low");
    size_t n = 0;

    for (size_t i = next_tie(t, best, low); i < t->n_rows; i = next_tie(t, i, low)) {
        if (n < NAMED_MAX) {
            buf_str(out, n ? "; " : " Not distinguishable from ");
            condition_name(t, i, out);
        }
        n++;
    }
    if (n > NAMED_MAX)
        buf_fmt(out, "; and %zu more", n - NAMED_MAX);
    if (n)
        buf_str(out, " (intervals overlap).");
}

static void add_flaw(const struct table *t, size_t row, struct buf *out)
{
    bool no_ev = figure(t, row, "ev_mean") < 0, dead = figure(t, row, "dead_pct_mean") > 50;

    buf_fmt(out, " Beware: %s%s%s, so this is no sound dictionary", no_ev ? "it reconstructs worse than the mean does" : "",
            no_ev && dead ? " and " : "", dead ? "most of its features are dead" : "");
}

void stability_sentence(const struct table *t, struct buf *out)
{
    size_t row = 0, sound;
    bool several = t->n_rows > 1;

    if (!best_row(t, false, &row)) {
        buf_str(out, "No comparison has a random baseline, so nothing is said about chance.");
        return;
    }
    if (several) {
        buf_str(out, is_poor(t, row) ? "Highest ratio to chance: " : "Most stable across seeds: ");
        condition_name(t, row, out);
        buf_str(out, ": ");
    } else {
        buf_str(out, "Stability across seeds: ");
    }
    add_ratio(t, row, out);
    add_quality(t, row, out);
    add_ties(t, row, out);
    if (!is_poor(t, row))
        return;
    add_flaw(t, row, out);
    if (!several || !best_row(t, true, &sound)) {
        buf_str(out, several ? "; nor is any other." : ".");
        return;
    }
    buf_str(out, ". The most stable sound one: ");
    condition_name(t, sound, out);
    buf_str(out, ": ");
    add_ratio(t, sound, out);
    add_quality(t, sound, out);
}

/* Comparisons on Gaussian or shuffled rows: controls of other stages. */
bool stability_is_control(const struct table *t)
{
    int rows = table_col(t, "surrogate");

    for (size_t r = 0; rows >= 0 && r < t->n_rows; r++) {
        const struct cell *c = table_cell(t, r, (size_t)rows);

        if (c->type != CELL_TEXT || strcmp(c->text, "none") == 0)
            return false;
    }
    return rows >= 0 && t->n_rows > 0;
}

/* --- a sweep's stages --------------------------------------------------------------------- */

enum err_code stability_stages(struct query *q, const char *sweep, struct table *out, struct err *e)
{
    return query_table(q, out, e,
                       "SELECT t.name FROM stage t JOIN sweep s ON s.id = t.sweep WHERE s.name = ?1"
                       " AND t.name IN (SELECT stage FROM stability WHERE sweep = ?1)"
                       " GROUP BY t.name ORDER BY min(t.ord)",
                       "t", sweep);
}

enum err_code stability_load(struct query *q, const char *sweep, const char *stage, struct table *t,
                             struct err *e)
{
    size_t cols[CONDITION_MAX], n;
    struct buf sql = {0};
    enum err_code rc;

    buf_str(&sql, "SELECT * FROM stability WHERE sweep = ?1 AND stage = ?2");
    rc = query_table(q, t, e, sql.data, "tt", sweep, stage);
    n = rc ? 0 : condition_columns(t, cols);
    for (size_t i = 0; i < n; i++)
        buf_fmt(&sql, "%s`%s`", i ? ", " : " ORDER BY ", t->cols[cols[i]]);
    if (n) {
        table_free(t);
        rc = query_table(q, t, e, sql.data, "tt", sweep, stage);
    }
    buf_free(&sql);
    return rc;
}

enum err_code stability_tables(struct query *q, const char *sweep, bool colour, struct buf *out,
                               struct err *e)
{
    struct table names = {0};
    int64_t id;
    enum err_code rc = query_sweep(q, sweep, &id, e);

    if (!rc)
        rc = stability_stages(q, sweep, &names, e);
    if (!rc && names.n_rows)
        rc = stability_unsound(q, sweep, out, e);
    for (size_t i = 0; i < names.n_rows && !rc; i++) {
        struct table t = {0}, shown = {0};

        rc = stability_load(q, sweep, table_cell(&names, i, 0)->text, &t, e);
        if (!rc) {
            if (names.n_rows > 1)
                buf_fmt(out, "%s%s%s\n", i ? "\n" : "", table_cell(&names, i, 0)->text,
                        stability_is_control(&t) ? ": a control, on rows made to have no more than mean and covariance" : "");
            condition_constants(&t, out);
            stability_leaks(&t, out);
            build(&t, &shown);
            table_print(&shown, TABLE_TEXT, colour, out);
            rc = stability_controls(q, sweep, table_cell(&names, i, 0)->text, out, e);
        }
        table_free(&shown);
        table_free(&t);
    }
    table_free(&names);
    return rc;
}

enum err_code stability_sentences(struct query *q, const char *sweep, struct buf *out, struct err *e)
{
    struct table names = {0};
    enum err_code rc = stability_stages(q, sweep, &names, e);

    for (size_t i = 0; i < names.n_rows && !rc; i++) {
        struct table t = {0};

        rc = stability_load(q, sweep, table_cell(&names, i, 0)->text, &t, e);
        if (!rc && !stability_is_control(&t)) {
            if (names.n_rows > 1)
                buf_fmt(out, "%s: ", table_cell(&names, i, 0)->text);
            stability_sentence(&t, out);
            buf_char(out, '\n');
        }
        table_free(&t);
    }
    table_free(&names);
    return rc;
}
