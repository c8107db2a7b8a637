/* target.c - see target.h. */
#include "coordinator/target.h"

#include <stdlib.h>
#include <string.h>

static void add_id(struct target *t, int64_t id)
{
    if (t->n && t->jobs[t->n - 1].to + 1 == id) {
        t->jobs[t->n - 1].to = id;
        return;
    }
    if (t->n == t->cap) {
        t->cap = t->cap ? 2 * t->cap : 16;
        t->jobs = realloc(t->jobs, t->cap * sizeof *t->jobs);
        if (!t->jobs)
            abort();
    }
    t->jobs[t->n++] = (struct control_range){id, id};
}

/* The ids that a question answers, and what they are called. */
static enum err_code add_all(struct query *q, struct target *t, const char *sql, const char *text,
                             int64_t row, size_t *n, struct err *e)
{
    struct table ids = {0};
    enum err_code rc = query_table(q, &ids, e, sql, "ti", text, row);

    for (size_t i = 0; i < ids.n_rows && !rc; i++)
        add_id(t, ids.cells[i].i);
    *n = ids.n_rows;
    table_free(&ids);
    return rc;
}

static void name_it(struct target *t, const char *kind, const char *text, size_t n)
{
    buf_fmt(&t->what, "%s%s %s", t->what.len ? ", " : "", kind, text);
    if (n != 1)
        buf_fmt(&t->what, " (%zu jobs)", n);
}

static enum err_code find_stage(struct query *q, const char *text, int64_t *stage, struct err *e)
{
    struct table t = {0};
    enum err_code rc = query_table(q, &t, e,
                                   "SELECT t.id, s.name || '.' || t.name FROM stage t JOIN sweep s ON s.id = t.sweep"
                                   " WHERE t.name = ?1 OR s.name || '.' || t.name = ?1 ORDER BY t.id", "t", text);

    *stage = 0;
    if (!rc && t.n_rows > 1)
        rc = err_set(e, ERR_INVALID, "%s: a stage of several sweeps: say %s or %s", text,
                     table_cell(&t, 0, 1)->text, table_cell(&t, 1, 1)->text);
    else if (!rc && t.n_rows)
        *stage = t.cells[0].i;
    table_free(&t);
    return rc;
}

enum err_code target_add_job(struct query *q, const char *text, struct target *t, struct err *e)
{
    int64_t job;
    enum err_code rc = query_job(q, text, &job, e);

    if (!rc) {
        add_id(t, job);
        name_it(t, "job", text, 1);
    }
    return rc;
}

enum err_code target_add(struct query *q, const char *text, struct target *t, struct err *e)
{
    int64_t sweep, stage = 0;
    size_t n;
    enum err_code rc = query_i64(q, &sweep, e, "SELECT id FROM sweep WHERE name = ?", "t", text);

    if (!rc && !sweep)
        rc = find_stage(q, text, &stage, e);
    if (rc)
        return rc;
    if (sweep) {
        rc = add_all(q, t, "SELECT DISTINCT sj.job FROM sweep s JOIN sweep_job sj ON sj.sweep = s.id AND"
                     " sj.revision = s.revision WHERE s.id = ?2 AND s.name = ?1 ORDER BY sj.job", text, sweep, &n, e);
        name_it(t, "sweep", text, n);
    } else if (stage) {
        rc = add_all(q, t, "SELECT DISTINCT sj.job FROM sweep s JOIN sweep_job sj ON sj.sweep = s.id AND"
                     " sj.revision = s.revision WHERE sj.stage = ?2 AND ?1 <> '' ORDER BY sj.job", text, stage, &n, e);
        name_it(t, "stage", text, n);
    } else {
        rc = target_add_job(q, text, t, e);
        if (rc == ERR_NOT_FOUND)
            rc = err_set(e, rc, "%s: no sweep, stage or job is called so; see saegrid status and saegrid jobs", text);
    }
    return rc;
}

enum err_code target_add_failed(struct query *q, const char *class, struct target *t, struct err *e)
{
    size_t n;
    enum err_code rc = add_all(q, t, "SELECT id FROM job WHERE state IN ('failed', 'quarantined') AND"
                               " (?1 IS NULL OR class = ?1) AND ?2 = 0 ORDER BY id", class, 0, &n, e);

    name_it(t, "failed", class ? class : "jobs", n);
    return rc;
}

void target_free(struct target *t)
{
    free(t->jobs);
    buf_free(&t->what);
    *t = (struct target){0};
}
