/* report_pairs.c - which seeds agree with which: a matrix a comparison. */
#include "coordinator/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coordinator/condition.h"
#include "coordinator/stability.h"

enum { MATRICES_MAX = 4, SEEDS_MAX = 40 };

static size_t seed_at(int64_t *seeds, size_t *n, int64_t seed)
{
    size_t i = 0;

    while (i < *n && seeds[i] != seed)
        i++;
    if (i == *n && *n < SEEDS_MAX)
        seeds[(*n)++] = seed;
    return i;
}

static void draw(struct report *r, const struct table *pairs, const char *title)
{
    int64_t seeds[SEEDS_MAX];
    char text[SEEDS_MAX][24];
    const char *names[SEEDS_MAX];
    size_t n = 0;

    for (size_t i = 0; i < pairs->n_rows; i++) {
        seed_at(seeds, &n, table_cell(pairs, i, 0)->i);
        seed_at(seeds, &n, table_cell(pairs, i, 1)->i);
    }
    for (size_t i = 0; i < n; i++) {
        snprintf(text[i], sizeof text[i], "%lld", (long long)seeds[i]);
        names[i] = text[i];
    }
    struct figure *g = report_figure(r, "pairs", title, "seed", "seed", "PWMCC of each pair of seeds.");
    if (!g)
        return;
    figure_matrix(g, n, n, names, names, "PWMCC");
    for (size_t i = 0; i < pairs->n_rows; i++) {
        size_t a = seed_at(seeds, &n, table_cell(pairs, i, 0)->i), b = seed_at(seeds, &n, table_cell(pairs, i, 1)->i);

        if (a < n && b < n && table_cell(pairs, i, 2)->type == CELL_F64)
            g->cells[a * n + b] = g->cells[b * n + a] = table_cell(pairs, i, 2)->f;
    }
}

/* ", k = 4": what tells it apart from the others of its stage. */
static enum err_code add_condition(struct report *r, const char *stage, const char *job, struct buf *title, struct err *e)
{
    struct table own = {0};
    struct buf name = {0};
    enum err_code rc = stability_load(r->q, r->sweep, stage, &own, e);

    for (size_t i = 0; !rc && i < own.n_rows && own.n_rows > 1; i++)
        if (strcmp(table_cell(&own, i, (size_t)table_col(&own, "job"))->text, job) == 0)
            condition_name(&own, i, &name);
    if (name.len)
        buf_fmt(title, ", %s", name.data);
    buf_free(&name);
    table_free(&own);
    return rc;
}

static enum err_code put_one(struct report *r, const struct table *t, size_t row, struct err *e)
{
    struct table pairs = {0};
    struct buf title = {0};
    enum err_code rc = query_table(r->q, &pairs, e, "SELECT seed_a, seed_b, pwmcc FROM pairs WHERE job = ?1 AND pwmcc IS NOT NULL"
                                   " ORDER BY seed_a, seed_b", "t", table_cell(t, row, (size_t)table_col(t, "job"))->text);

    const char *stage = table_cell(t, row, (size_t)table_col(t, "stage"))->text;
    buf_fmt(&title, "PWMCC of pairs: %s", stage);
    if (!rc)
        rc = add_condition(r, stage, table_cell(t, row, (size_t)table_col(t, "job"))->text, &title, e);
    if (!rc && pairs.n_rows > 1)
        draw(r, &pairs, title.data);
    table_free(&pairs);
    buf_free(&title);
    return rc;
}

static enum err_code write_pairs(struct report *r, struct err *e)
{
    struct table t = {0};
    enum err_code rc = query_table(r->q, &t, e, "SELECT * FROM stability WHERE sweep = ?1 AND n_pairs > 1 ORDER BY ratio DESC", "t",
                                   r->sweep);
    size_t shown = t.n_rows < MATRICES_MAX ? t.n_rows : MATRICES_MAX;

    for (size_t i = 0; i < shown && !rc; i++) /* from the most to the least stable */
        rc = put_one(r, &t, shown > 1 ? i * (t.n_rows - 1) / (shown - 1) : 0, e);
    if (!rc && t.n_rows > shown)
        buf_fmt(r->out, "<p class=\"cap\">%zu of %zu comparisons, from the most stable to the least: <code>saegrid table pairs --sweep %s</code>"
                        " has all.</p>\n", shown, t.n_rows, r->sweep);
    table_free(&t);
    return rc;
}

REPORT_SECTION(pairs) = {"pairs", "Which seeds agree", write_pairs};
