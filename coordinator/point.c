/* point.c - see point.h. */
#include "coordinator/point.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/stats.h"
#include "coordinator/tables.h"

#define NAME_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"

bool point_ref_read(struct pool *pool, const char *text, struct point_ref *out)
{
    size_t n = text[0] == '$' ? strspn(text + 1, NAME_CHARS) : 0;
    const char *rest = text + 1 + n;
    struct buf ignored = {0};
    struct ynode *map = NULL;

    *out = (struct point_ref){NULL, NULL};
    if (n == 0)
        return false;
    out->stage = pool_strn(pool, text + 1, n);
    if (!*rest)
        return true;
    enum err_code rc = ytree_parse(pool, "", rest, strlen(rest), &map, &ignored);
    buf_free(&ignored);
    out->select = map;
    return !rc && map->type == YNODE_MAP;
}

/* --- rows ------------------------------------------------------------------------------------- */

static bool is_value(const struct cell *c, const struct ynode *n)
{
    struct buf text = {0};
    char *end;
    double v = strtod(n->text, &end);
    bool is_same;

    if (*n->text && *end == '\0' && c->type != CELL_TEXT)
        return (c->type == CELL_F64 && fabs(c->f - v) <= 1e-12 * fabs(v)) ||
               (c->type == CELL_I64 && fabs((double)c->i - v) < 0.5 && floor(v) >= v);
    cell_text(c, &text);
    is_same = text.data && strcmp(text.data, n->text) == 0;
    buf_free(&text);
    return is_same;
}

static bool is_selected(const struct table *t, size_t row, const struct ynode *select)
{
    for (size_t i = 0; select && i < select->n; i++) {
        int col = table_col(t, select->keys[i]->text);
        const struct ynode *v = select->items[i];
        bool any = false;

        if (col < 0)
            return false;
        if (v->type == YNODE_SCALAR)
            any = is_value(table_cell(t, row, (size_t)col), v);
        for (size_t k = 0; v->type == YNODE_LIST && k < v->n && !any; k++)
            any = is_value(table_cell(t, row, (size_t)col), v->items[k]);
        if (!any)
            return false;
    }
    return true;
}

/* Drops what is not selected. */
static void select_rows(struct table *t, const struct ynode *select)
{
    size_t kept = 0;

    for (size_t r = 0; r < t->n_rows; r++) {
        struct cell *from = &t->cells[r * t->n_cols];

        if (is_selected(t, r, select)) {
            if (kept != r)
                memcpy(&t->cells[kept * t->n_cols], from, t->n_cols * sizeof *from);
            kept++;
        } else {
            for (size_t c = 0; c < t->n_cols; c++)
                free(from[c].text);
        }
    }
    t->n_rows = kept;
}

static double number(const struct table *t, size_t row, const char *name)
{
    double v;

    return table_f64(t, row, name, &v) ? v : NAN;
}

static void take(struct points *p, size_t r, const char *metric, bool is_comparison)
{
    const struct table *t = &p->t;
    double low = number(t, r, "seed_ci_low"), high = number(t, r, "seed_ci_high"), unit = 1;

    if (!is_comparison) {
        p->v[r] = number(t, r, "mean");
        p->low[r] = number(t, r, "ci_low");
        p->high[r] = number(t, r, "ci_high");
        return;
    }
    p->v[r] = number(t, r, metric);
    if (strcmp(metric, "ev_mean") == 0 || strcmp(metric, "l0_mean") == 0) {
        double n = number(t, r, "n_seeds"), half = n >= 2 ? stats_t_quantile(0.975, n - 1) / sqrt(n) : NAN;

        half *= number(t, r, metric[0] == 'e' ? "ev_std" : "l0_std");
        p->low[r] = p->v[r] - half;
        p->high[r] = p->v[r] + half;
        return;
    }
    if (strcmp(metric, "ratio") == 0)
        unit = number(t, r, "random_mean");
    else if (strcmp(metric, "pwmcc_mean") != 0)
        unit = NAN;
    p->low[r] = low / unit;
    p->high[r] = high / unit;
}

double points_also(const struct points *p, size_t row, const char *metric)
{
    return number(&p->t, row, metric);
}

/* A comparison's columns; a metric whose jobs report its interval themselves, as M_low and M_high, a row a job; others
 * as means over seeds. */
static enum err_code load_rows(struct points *p, struct query *q, const char *sweep, const struct point_ref *ref,
                               const char *metric, const char *by, bool *is_comparison, struct err *e)
{
    struct buf sql = {0};
    int64_t n, own = 0;
    enum err_code rc = query_i64(q, &n, e, "SELECT count(*) FROM stability WHERE sweep = ?1 AND stage = ?2", "tt", sweep,
                                 ref->stage);

    *is_comparison = n > 0;
    if (!rc && !n)
        rc = query_i64(q, &own, e, "SELECT count(*) FROM metric_name WHERE name IN (?1 || '_low', ?1 || '_high')", "t", metric);
    if (n)
        buf_str(&sql, "SELECT * FROM stability WHERE sweep = ?1 AND stage = ?2 AND ?3 = ?3");
    else if (own == 2)
        buf_fmt(&sql, "SELECT `%s` AS mean, `%s_low` AS ci_low, `%s_high` AS ci_high, * FROM runs WHERE sweep = ?1 AND stage = ?2"
                      " AND ?3 = ?3 AND state = 'done'", metric, metric, metric);
    else
        buf_str(&sql, "SELECT * FROM summary WHERE sweep = ?1 AND stage = ?2 AND metric = ?3");
    if (by)
        buf_fmt(&sql, " ORDER BY `%s`", by);
    if (!rc)
        rc = query_table(q, &p->t, e, sql.data, "ttt", sweep, ref->stage, metric);
    buf_free(&sql);
    return rc;
}

enum err_code points_load(struct points *p, struct query *q, const char *sweep, const struct point_ref *ref,
                          const char *metric, const char *by, struct err *e)
{
    bool is_comparison;
    enum err_code rc;

    *p = (struct points){.v = NULL};
    rc = load_rows(p, q, sweep, ref, metric, by, &is_comparison, e);
    if (rc)
        return rc;
    select_rows(&p->t, ref->select);
    p->v = calloc(3 * (p->t.n_rows + 1), sizeof *p->v);
    if (!p->v) {
        table_free(&p->t);
        return err_set(e, ERR_NOMEM, "%s: %zu rows: out of memory", ref->stage, p->t.n_rows);
    }
    p->low = p->v + p->t.n_rows + 1;
    p->high = p->low + p->t.n_rows + 1;
    for (size_t r = 0; r < p->t.n_rows; r++)
        take(p, r, metric, is_comparison);
    return ERR_OK;
}

void points_free(struct points *p)
{
    table_free(&p->t);
    free(p->v);
    *p = (struct points){.v = NULL};
}

/* --- the sweep's text ------------------------------------------------------------------------- */

enum err_code point_sweep_text(struct query *q, const char *sweep, struct pool *pool, struct ynode **root, struct err *e)
{
    struct table t = {0};
    struct buf ignored = {0};
    enum err_code rc = query_table(q, &t, e, "SELECT spec FROM sweep WHERE name = ?1", "t", sweep);

    *root = NULL;
    if (!rc && t.n_rows && t.cells[0].type == CELL_TEXT && *t.cells[0].text) {
        const char *text = pool_str(pool, t.cells[0].text);

        rc = ytree_parse(pool, "sweep", text, strlen(text), root, &ignored);
        if (rc)
            err_set(e, rc, "sweep %s: its stored text cannot be read", sweep);
    }
    buf_free(&ignored);
    table_free(&t);
    return rc;
}
