/* report_runs_of.c - see report_runs_of.h. */
#include "coordinator/report_runs_of.h"

#include <stdlib.h>
#include <string.h>

#include "coordinator/tables.h"
#include "coordinator/views.h"

enum { KNOBS_MAX = 512 };

/* Whatever was made with a model that was not trained at all. */
#define UNTRAINED                                                                                  \
    "u (job) AS (SELECT j.id FROM job j JOIN kind k ON k.id = j.kind AND k.name = 'lm_train'"      \
    " WHERE json_extract(j.knobs, '$.epochs') = 0 UNION SELECT i.job FROM u JOIN job_input i"      \
    " ON i.input = u.job AND i.name NOT IN ('untrained', 'like'))"                                 \
    " SELECT lower(hex(j.digest)) FROM u JOIN job j ON j.id = u.job"

static void put_query(struct buf *sql, const struct runs_of *o)
{
    const char *names[KNOBS_MAX];
    size_t n = views_knobs(names, KNOBS_MAX);

    buf_str(sql, "SELECT run_id, job, job IN (WITH RECURSIVE " UNTRAINED ") AS is_untrained");
    for (size_t i = 0; i < n; i++)
        buf_fmt(sql, ", \"%s\"", names[i]);
    buf_str(sql, " FROM runs WHERE sweep = ?1 AND stage = ?2 AND state = 'done' ORDER BY ");
    for (size_t i = 0; i < o->n_cols; i++)
        buf_fmt(sql, "\"%s\", ", o->t.cols[o->cols[i]]);
    buf_str(sql, "seed, run_id");
}

static bool is_seed(const char *name)
{
    return strncmp(name, "seed", 4) == 0;
}

static void find_varying(struct runs_of *o)
{
    o->n_cols = 0;
    for (size_t c = 0; c < o->t.n_cols; c++)
        if (tables_is_knob(&o->t, c) && !is_seed(o->t.cols[c]) && !table_is_constant(&o->t, c))
            o->cols[o->n_cols++] = c;
}

static bool same_condition(const struct runs_of *o, size_t a, size_t b)
{
    for (size_t i = 0; i < o->n_cols; i++)
        if (!cell_equal(table_cell(&o->t, a, o->cols[i]), table_cell(&o->t, b, o->cols[i])))
            return false;
    return true;
}

static bool is_control(const struct runs_of *o, size_t row)
{
    int col = table_col(&o->t, "surrogate");
    const struct cell *c = col < 0 ? NULL : table_cell(&o->t, row, (size_t)col);

    return (c && c->type == CELL_TEXT && strcmp(c->text, "none") != 0) ||
           table_cell(&o->t, row, (size_t)table_col(&o->t, "is_untrained"))->i != 0;
}

/* Conditions on surrogate rows or on those of an untrained model are controls: where there are others beside them, these are shown. */
static void drop_controls(struct runs_of *o)
{
    size_t kept = 0, n = 0;

    for (size_t r = 0; r < o->t.n_rows; r++)
        n += !is_control(o, r);
    for (size_t r = 0; r < o->t.n_rows && n; r++) {
        struct cell *row = &o->t.cells[r * o->t.n_cols];

        if (is_control(o, r)) {
            for (size_t c = 0; c < o->t.n_cols; c++)
                free(row[c].text);
        } else {
            if (kept != r)
                memcpy(&o->t.cells[kept * o->t.n_cols], row, o->t.n_cols * sizeof *row);
            kept++;
        }
    }
    o->t.n_rows = n ? kept : o->t.n_rows;
    find_varying(o);
}

enum err_code runs_of_load(struct runs_of *o, struct report *r, const char *stage, struct err *e)
{
    struct buf sql = {0};

    *o = (struct runs_of){0};
    o->cols = calloc(KNOBS_MAX + 2, sizeof *o->cols);
    if (!o->cols)
        return err_set(e, ERR_NOMEM, "report: out of memory");
    put_query(&sql, o);
    enum err_code rc = query_table(r->q, &o->t, e, sql.data, "tt", r->sweep, stage);
    if (!rc)
        find_varying(o);
    if (!rc && o->n_cols) { /* once more, in their order */
        buf_reset(&sql);
        put_query(&sql, o);
        table_free(&o->t);
        rc = query_table(r->q, &o->t, e, sql.data, "tt", r->sweep, stage);
    }
    o->first = calloc(o->t.n_rows + 1, sizeof *o->first);
    if (!rc && !o->first)
        rc = err_set(e, ERR_NOMEM, "report: out of memory");
    if (!rc && o->t.n_rows)
        drop_controls(o);
    for (size_t i = 0; !rc && i < o->t.n_rows; i++)
        if (i == 0 || !same_condition(o, i - 1, i))
            o->first[o->n++] = i;
    if (!rc)
        o->first[o->n] = o->t.n_rows;
    buf_free(&sql);
    if (rc)
        runs_of_free(o);
    return rc;
}

void runs_of_free(struct runs_of *o)
{
    table_free(&o->t);
    free(o->cols);
    free(o->first);
    *o = (struct runs_of){0};
}

void runs_of_name(const struct runs_of *o, size_t i, struct buf *out)
{
    for (size_t c = 0; c < o->n_cols; c++) {
        const struct cell *cell = table_cell(&o->t, o->first[i], o->cols[c]);

        buf_fmt(out, "%s%s = ", c ? ", " : "", o->t.cols[o->cols[c]]);
        tables_knob_text(cell, out);
    }
    if (o->n_cols == 0)
        buf_str(out, "all");
}

void runs_of_ids(const struct runs_of *o, size_t i, size_t max, struct buf *out)
{
    int job = table_col(&o->t, "job");

    for (size_t k = o->first[i]; k < o->first[i + 1] && k < o->first[i] + max; k++)
        buf_fmt(out, "%sx'%s'", k > o->first[i] ? ", " : "", table_cell(&o->t, k, (size_t)job)->text);
}

enum err_code runs_of_stages(struct report *r, struct table *out, struct err *e)
{
    return query_table(r->q, out, e,
                       "SELECT t.name, t.kind FROM stage t WHERE t.sweep = ?1 AND EXISTS (SELECT 1 FROM sweep_job sj JOIN sweep s"
                       " ON s.id = sj.sweep AND s.revision = sj.revision JOIN job j ON j.id = sj.job"
                       " WHERE sj.stage = t.id AND j.state = 'done') ORDER BY t.ord",
                       "i", r->sweep_id);
}
