/* summary.c - see summary.h. */
#include "coordinator/summary.h"

#include <inttypes.h>
#include <string.h>

#include "coordinator/stability.h"

#define OF_SWEEP                                                                                   \
    " FROM sweep s JOIN sweep_job sj ON sj.sweep = s.id AND sj.revision = s.revision"              \
    " JOIN job j ON j.id = sj.job JOIN stage t ON t.id = sj.stage WHERE s.id = ?1"

enum err_code summary_load(struct query *q, int64_t sweep, struct summary *out, struct err *e)
{
    const struct {
        int64_t *n;
        const char *sql;
    } row[] = {
        {&out->n_jobs, "SELECT count(DISTINCT j.id)" OF_SWEEP},
        {&out->n_done, "SELECT count(DISTINCT j.id)" OF_SWEEP " AND j.state = 'done'"},
        {&out->n_open,
         "SELECT count(DISTINCT j.id)" OF_SWEEP " AND j.state IN ('waiting', 'ready', 'leased')"},
        {&out->n_failed, "SELECT count(DISTINCT j.id)" OF_SWEEP
                         " AND j.state IN ('failed', 'quarantined', 'cancelled')"},
        {&out->n_skipped, "SELECT count(DISTINCT j.id)" OF_SWEEP " AND j.state = 'skipped'"},
        {&out->n_negative,
         "SELECT count(DISTINCT j.id)" OF_SWEEP
         " AND j.state = 'done' AND (j.verdict = 'negative' OR (sj.verdict = 'negative' AND t.gate_top IS NULL))"},
        {&out->n_stopped, "SELECT count(DISTINCT j.id)" OF_SWEEP
                          " AND j.state = 'done' AND sj.verdict = 'negative' AND t.gate_top IS NOT NULL"},
        {&out->n_gates_failed, "SELECT count(DISTINCT j.id)" OF_SWEEP
                               " AND j.state = 'done' AND sj.verdict = 'negative' AND t.gate_fails"},
    };

    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < ARRAY_LEN(row); i++)
        if (query_i64(q, row[i].n, e, row[i].sql, "i", sweep))
            return e->code;
    return ERR_OK;
}

int summary_exit_code(const struct summary *s)
{
    if (s->n_open)
        return err_exit_code(ERR_STOPPED);
    return s->n_failed || s->n_gates_failed ? 1 : 0;
}

void summary_counts(const struct summary *s, struct buf *out)
{
    buf_fmt(out, "%" PRId64 " job%s: %" PRId64 " done", s->n_jobs, s->n_jobs == 1 ? "" : "s", s->n_done);
    if (s->n_negative)
        buf_fmt(out, " (%" PRId64 " negative)", s->n_negative);
    if (s->n_stopped)
        buf_fmt(out, " (%" PRId64 " stopped, others were better)", s->n_stopped);
    if (s->n_failed)
        buf_fmt(out, ", %" PRId64 " failed", s->n_failed);
    if (s->n_skipped)
        buf_fmt(out, ", %" PRId64 " skipped", s->n_skipped);
    if (s->n_open)
        buf_fmt(out, ", %" PRId64 " to go", s->n_open);
    if (s->n_gates_failed)
        buf_fmt(out, "; %" PRId64 " missed a gate that must pass", s->n_gates_failed);
}

enum err_code summary_stability(struct query *q, const char *sweep, bool colour, struct buf *out,
                                struct err *e)
{
    size_t start = out->len;
    enum err_code rc = stability_tables(q, sweep, colour, out, e);

    if (!rc && out->len > start) {
        buf_char(out, '\n');
        rc = stability_sentences(q, sweep, out, e);
    }
    return rc;
}

static void add_text(struct buf *out, const struct cell *c)
{
    buf_str(out, c->type == CELL_TEXT ? c->text : "-");
}

enum err_code summary_failures(struct query *q, const char *sweep, struct buf *out, struct err *e)
{
    struct table t = {0};
    enum err_code rc = query_table(q, &t, e,
                                   "SELECT run_id, class, message FROM failures WHERE sweep = ?1 LIMIT 5",
                                   "t", sweep);

    for (size_t r = 0; r < t.n_rows && !rc; r++) {
        buf_str(out, r ? "        " : "failed: ");
        add_text(out, table_cell(&t, r, 0));
        buf_str(out, " (");
        add_text(out, table_cell(&t, r, 1));
        buf_str(out, "): ");
        add_text(out, table_cell(&t, r, 2));
        buf_char(out, '\n');
    }
    table_free(&t);
    return rc;
}

enum err_code summary_gates(struct query *q, const char *sweep, struct buf *out, struct err *e)
{
    struct table t = {0};
    enum err_code rc = query_table(
        q, &t, e,
        "SELECT t.name, j.run_name, sj.reason FROM sweep s JOIN sweep_job sj ON sj.sweep = s.id"
        " AND sj.revision = s.revision JOIN job j ON j.id = sj.job JOIN stage t ON t.id = sj.stage"
        " WHERE s.name = ?1 AND j.state = 'done' AND sj.verdict = 'negative' AND t.gate_fails"
        " ORDER BY t.id, j.run_name LIMIT 5",
        "t", sweep);

    for (size_t r = 0; r < t.n_rows && !rc; r++) {
        buf_str(out, r ? "             " : "gate missed: ");
        add_text(out, table_cell(&t, r, 0));
        buf_str(out, ", ");
        add_text(out, table_cell(&t, r, 1));
        buf_str(out, ": ");
        add_text(out, table_cell(&t, r, 2));
        buf_char(out, '\n');
    }
    table_free(&t);
    return rc;
}
