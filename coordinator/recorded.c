/* recorded.c - see recorded.h. */
#include "coordinator/recorded.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "coordinator/pair_boot.h"
#include "coordinator/point.h"

enum { COL_SWEEP, COL_TABLE, COL_OF, COL_METRIC, COL_RECORDED, COL_REC_LOW, COL_REC_HIGH, COL_OURS, COL_LOW, COL_HIGH,
       COL_DIFFERENCE, COL_WITHIN, COL_VERDICT, COL_TRAP, COL_SOURCE, COL_JOB, COL_COUNT };

static const char *const columns[COL_COUNT] = {
    "sweep", "table", "of", "metric", "recorded", "recorded_low", "recorded_high", "ours", "ours_low", "ours_high",
    "difference", "within", "verdict", "trap", "source", "job"};

/* A number of ours: that of one row, or the difference of two. */
struct ours {
    double v, low, high;
    char *job;
};

static const char *text_of(const struct ynode *row, const char *key)
{
    const struct ynode *n = ytree_get(row, key);

    return n && n->type == YNODE_SCALAR ? n->text : NULL;
}

static double number_of(const struct ynode *row, const char *key)
{
    const char *text = text_of(row, key);

    return text ? strtod(text, NULL) : NAN;
}

static const char *job_of(const struct points *p)
{
    int col = table_col(&p->t, "job");

    return p->t.n_rows == 1 && col >= 0 ? table_cell(&p->t, 0, (size_t)col)->text : NULL;
}

static enum err_code subtract(struct ours *out, struct query *q, const struct points *a, const struct points *b,
                              const char *metric, struct err *e)
{
    bool is_ratio = strcmp(metric, "ratio") == 0;
    struct pair_boot x = {.n = 0}, y = {.n = 0};
    enum err_code rc = ERR_OK;

    out->v = a->v[0] - b->v[0];
    out->low = out->high = NAN;
    if ((is_ratio || strcmp(metric, "pwmcc_mean") == 0) && job_of(a) && job_of(b)) {
        rc = pair_boot_load(&x, q, job_of(a), e);
        if (!rc)
            rc = pair_boot_load(&y, q, job_of(b), e);
        if (!rc)
            rc = pair_boot_difference(&x, is_ratio ? 1 / points_also(a, 0, "random_mean") : 1, &y,
                                      is_ratio ? 1 / points_also(b, 0, "random_mean") : 1, &out->low, &out->high, e);
    }
    pair_boot_free(&x);
    pair_boot_free(&y);
    return rc;
}

static enum err_code find_ours(struct ours *out, struct query *q, const char *sweep, struct pool *pool,
                               const struct ynode *row, struct err *e)
{
    const char *of = text_of(row, "of"), *minus = text_of(row, "minus"), *metric = text_of(row, "metric");
    struct points a = {.v = NULL}, b = {.v = NULL};
    struct point_ref ref, other;
    enum err_code rc = ERR_OK;

    *out = (struct ours){NAN, NAN, NAN, NULL};
    if (!of || !metric || !point_ref_read(pool, of, &ref) || (minus && !point_ref_read(pool, minus, &other)))
        return ERR_OK;
    rc = points_load(&a, q, sweep, &ref, metric, NULL, e);
    if (!rc && minus)
        rc = points_load(&b, q, sweep, &other, metric, NULL, e);
    if (!rc && a.t.n_rows > 1)
        rc = err_set(e, ERR_INVALID, "recorded: %s: names %zu results, one is compared", of, a.t.n_rows);
    if (!rc && a.t.n_rows == 1 && !minus)
        *out = (struct ours){a.v[0], a.low[0], a.high[0], NULL};
    else if (!rc && a.t.n_rows == 1 && b.t.n_rows == 1)
        rc = subtract(out, q, &a, &b, metric, e);
    if (!rc && job_of(&a))
        out->job = strdup(job_of(&a));
    points_free(&a);
    points_free(&b);
    return rc;
}

static void put_row(struct table *t, const char *sweep, const struct ynode *row, const struct ours *ours)
{
    struct cell *c = table_add_row(t);
    double value = number_of(row, "value"), within = number_of(row, "within");
    const char *of = text_of(row, "of"), *minus = text_of(row, "minus");
    struct buf name = {0};

    buf_fmt(&name, "%s%s%s", of + 1, minus ? " - " : "", minus ? minus + 1 : "");
    cell_set_text(&c[COL_SWEEP], sweep);
    cell_set_text(&c[COL_TABLE], text_of(row, "table"));
    cell_set_text(&c[COL_OF], name.data);
    cell_set_text(&c[COL_METRIC], text_of(row, "metric"));
    cell_set_f64(&c[COL_RECORDED], value);
    cell_set_f64(&c[COL_REC_LOW], number_of(row, "low"));
    cell_set_f64(&c[COL_REC_HIGH], number_of(row, "high"));
    cell_set_f64(&c[COL_OURS], ours->v);
    cell_set_f64(&c[COL_LOW], ours->low);
    cell_set_f64(&c[COL_HIGH], ours->high);
    cell_set_f64(&c[COL_DIFFERENCE], ours->v - value);
    cell_set_f64(&c[COL_WITHIN], within);
    cell_set_text(&c[COL_VERDICT], isnan(ours->v) ? "not run" : fabs(ours->v - value) <= within ? "same" : "differs");
    cell_set_text(&c[COL_TRAP], text_of(row, "trap"));
    cell_set_text(&c[COL_SOURCE], text_of(row, "source"));
    cell_set_text(&c[COL_JOB], ours->job);
    buf_free(&name);
}

static enum err_code add_sweep(struct table *out, struct query *q, const char *sweep, struct err *e)
{
    struct pool pool = {0};
    struct ynode *root = NULL;
    enum err_code rc = point_sweep_text(q, sweep, &pool, &root, e);
    const struct ynode *list = rc ? NULL : ytree_get(root, "recorded");

    for (size_t i = 0; !rc && list && i < list->n; i++) {
        struct ours ours;

        rc = find_ours(&ours, q, sweep, &pool, list->items[i], e);
        if (!rc)
            put_row(out, sweep, list->items[i], &ours);
        free(ours.job);
    }
    pool_free(&pool);
    return rc;
}

enum err_code recorded_table(struct table *out, struct query *q, const char *sweep, struct err *e)
{
    struct table sweeps = {0};
    int64_t id;
    enum err_code rc = sweep ? query_sweep(q, sweep, &id, e) : ERR_OK;

    for (size_t i = 0; i < COL_COUNT; i++)
        table_add_col(out, columns[i]);
    if (!rc)
        rc = query_table(q, &sweeps, e, "SELECT name FROM sweep WHERE ?1 IS NULL OR name = ?1 ORDER BY id", "t", sweep);
    for (size_t i = 0; !rc && i < sweeps.n_rows; i++)
        rc = add_sweep(out, q, table_cell(&sweeps, i, 0)->text, e);
    table_free(&sweeps);
    return rc;
}
