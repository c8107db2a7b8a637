/* report_quality.c - every other stage: its metrics by condition, folded over seeds. */
#include "common/oom.h"
#include "coordinator/report_table.h"

#include <stdlib.h>
#include <string.h>

#include "coordinator/html.h"
#include "coordinator/report_runs_of.h"

enum { METRICS_MAX = 10, SEEDS_SHOWN = 12 };

/* Shown first; a kind without any of them shows its first metrics. */
static const char *const main_metrics[] = {"ev",        "mse",      "l0",       "dead_pct", "dec_cos_init", "dup_cos_max", "loss",
                                           "steps",     "val_acc",  "train_acc", "val_loss", "leak",        "erank",       "n_rows",
                                           "ce_score",  "kl_score", "acc_sae",  "value"};

static size_t add_metric(struct table *of, const char **names, size_t n, const char *name)
{
    for (size_t i = 0; i < of->n_rows; i++) {
        const char *there = table_cell(of, i, 0)->text;

        if (strcmp(there, name) != 0)
            continue;
        for (size_t k = 0; k < n; k++)
            if (names[k] == there)
                return n;
        names[n] = there;
        return n + 1;
    }
    return n;
}

static size_t choose(struct table *of, const char **names)
{
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_LEN(main_metrics) && n < METRICS_MAX; i++)
        n = add_metric(of, names, n, main_metrics[i]);
    for (size_t i = 0; i < of->n_rows && n < METRICS_MAX; i++)
        n = add_metric(of, names, n, table_cell(of, i, 0)->text);
    return n;
}

/* Links to the runs of a condition, by their seed. */
static void put_runs(struct report *r, const struct runs_of *o, size_t i, struct cell *cell)
{
    int job = table_col(&o->t, "job"), seed = table_col(&o->t, "seed");
    struct buf *page = r->out, text = {0};
    size_t n = o->first[i + 1] - o->first[i];

    r->out = &text;
    for (size_t k = 0; k < n && k < SEEDS_SHOWN; k++) {
        size_t row = o->first[i] + k;

        buf_str(&text, k ? " " : "");
        report_open_run(r, table_cell(&o->t, row, (size_t)job)->text);
        if (seed >= 0 && table_cell(&o->t, row, (size_t)seed)->type == CELL_I64)
            cell_text(table_cell(&o->t, row, (size_t)seed), &text);
        else
            buf_fmt(&text, "%zu", k + 1);
        buf_str(&text, "</a>");
    }
    if (n > SEEDS_SHOWN)
        buf_fmt(&text, " and %zu more", n - SEEDS_SHOWN);
    cell_set_text(cell, text.data);
    r->out = page;
    buf_free(&text);
}

/* Mean and standard deviation as in the view `summary`, of all runs of a condition. */
static enum err_code put_values(struct report *r, const struct runs_of *o, size_t i, const char *const *names, size_t n,
                                struct cell *row, struct err *e)
{
    struct table t = {0};
    struct buf ids = {0}, sql = {0};

    runs_of_ids(o, i, SIZE_MAX - o->t.n_rows, &ids);
    buf_fmt(&sql, "WITH x AS (SELECT n.name, m.value, avg(m.value) OVER (PARTITION BY n.name) AS mu FROM job j JOIN metric m ON m.job = j.id"
                  " JOIN metric_name n ON n.id = m.name WHERE j.digest IN (%s)) SELECT name, max(mu), iif(count(*) > 1,"
                  " sqrt(sum((value - mu) * (value - mu)) / (count(*) - 1)), NULL) FROM x GROUP BY name", ids.data);
    enum err_code rc = query_table(r->q, &t, e, sql.data, "");
    for (size_t k = 0; k < t.n_rows && !rc; k++)
        for (size_t c = 0; c < n; c++)
            if (strcmp(table_cell(&t, k, 0)->text, names[c]) == 0) {
                cell_copy(&row[2 * c], table_cell(&t, k, 1));
                cell_copy(&row[2 * c + 1], table_cell(&t, k, 2));
            }
    table_free(&t);
    buf_free(&ids);
    buf_free(&sql);
    return rc;
}

static void add_columns(struct table *shown, const struct runs_of *o, const char *const *names, size_t n, struct report_col *cols,
                        size_t *n_cols)
{
    static const char *const second[METRICS_MAX] = {"std0", "std1", "std2", "std3", "std4", "std5", "std6", "std7", "std8", "std9"};

    for (size_t c = 0; c < o->n_cols; c++) {
        table_add_col(shown, o->t.cols[o->cols[c]]);
        cols[(*n_cols)++] = (struct report_col){.column = o->t.cols[o->cols[c]]};
    }
    for (size_t i = 0; i < n; i++) {
        table_add_col(shown, names[i]);
        table_add_col(shown, second[i]);
        cols[(*n_cols)++] = (struct report_col){.column = names[i], .form = REPORT_SPREAD, .second = second[i], .metric = names[i]};
    }
    table_add_col(shown, "runs");
    cols[(*n_cols)++] = (struct report_col){.column = "runs", .title = "runs, by seed", .form = REPORT_HTML};
    table_add_col(shown, "job");
}

static enum err_code put_conditions(struct report *r, const struct runs_of *o, const char *stage, struct table *of, struct err *e)
{
    const char *names[METRICS_MAX];
    size_t n = choose(of, names), n_cols = 0, shown_rows = o->n < REPORT_ROWS ? o->n : REPORT_ROWS;
    struct report_col *cols = calloc(o->n_cols + METRICS_MAX + 1, sizeof *cols);
    struct table shown = {0};
    struct buf all = {0}, caption = {0};
    enum err_code rc = ERR_OK;

    if (!cols)
        oom_exit("report_quality");
    add_columns(&shown, o, names, n, cols, &n_cols);
    for (size_t i = 0; i < shown_rows && !rc; i++) {
        struct cell *row = table_add_row(&shown);

        for (size_t c = 0; c < o->n_cols; c++)
            cell_copy(&row[c], table_cell(&o->t, o->first[i], o->cols[c]));
        rc = put_values(r, o, i, names, n, row + o->n_cols, e);
        put_runs(r, o, i, &row[shown.n_cols - 2]);
        cell_copy(&row[shown.n_cols - 1], table_cell(&o->t, o->first[i], (size_t)table_col(&o->t, "job")));
    }
    buf_fmt(&all, "saegrid table summary --sweep %s --where \"stage = '%s'\"", r->sweep, stage);
    buf_fmt(&caption, "%s: mean \u00b1 standard deviation over seeds", stage);
    if (!rc)
        report_table(r, &shown, cols, n_cols, caption.data, all.data);
    if (!rc && (o->n > shown_rows || of->n_rows > n)) {
        buf_fmt(r->out, "<p class=\"cap\">%zu of %zu conditions, %zu of %zu metrics: <code>", shown_rows, o->n, n, of->n_rows);
        html_text(r->out, all.data);
        buf_str(r->out, "</code> has all.</p>\n");
    }
    table_free(&shown);
    buf_free(&all);
    buf_free(&caption);
    free(cols);
    return rc;
}

static enum err_code put_stage(struct report *r, const char *stage, struct err *e)
{
    struct runs_of o = {0};
    struct table of = {0};
    enum err_code rc = query_table(r->q, &of, e,
        "SELECT n.name FROM metric_name n WHERE NOT n.is_volatile AND EXISTS (SELECT 1 FROM sweep_job sj JOIN sweep s ON s.id = sj.sweep"
        " AND s.revision = sj.revision JOIN stage t ON t.id = sj.stage JOIN metric m ON m.job = sj.job"
        " WHERE s.id = ?1 AND t.name = ?2 AND m.name = n.id) ORDER BY n.id", "it", r->sweep_id, stage);

    if (!rc && of.n_rows)
        rc = runs_of_load(&o, r, stage, e);
    if (!rc && o.n)
        rc = put_conditions(r, &o, stage, &of, e);
    runs_of_free(&o);
    table_free(&of);
    return rc;
}

static enum err_code write_quality(struct report *r, struct err *e)
{
    struct table stages = {0};
    enum err_code rc = runs_of_stages(r, &stages, e);

    for (size_t i = 0; i < stages.n_rows && !rc; i++)
        if (strcmp(table_cell(&stages, i, 1)->text, "sae_compare") != 0) /* has a section of its own */
            rc = put_stage(r, table_cell(&stages, i, 0)->text, e);
    table_free(&stages);
    return rc;
}

REPORT_SECTION(quality) = {"quality", "Quality of every stage", write_quality};
