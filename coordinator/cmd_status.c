/* cmd_status.c - saegrid status: how far each sweep is, what runs, what failed. */
#include "coordinator/cmd.h"
#include "coordinator/cmd_common.h"
#include "coordinator/manifest_query.h"

#include <string.h>

#include "common/clock.h"
#include "common/json.h"

#define CURRENT                                                                                    \
    " FROM sweep s JOIN sweep_job sj ON sj.sweep = s.id AND sj.revision = s.revision"              \
    " JOIN stage t ON t.id = sj.stage JOIN job j ON j.id = sj.job WHERE (?1 IS NULL OR s.name = ?1)"

static const char stages_sql[] =
    "SELECT s.name AS sweep, t.name AS stage, t.kind, count(*) AS jobs, sum(j.state = 'done') AS done,"
    " sum(j.state = 'leased') AS running, sum(j.state = 'ready') AS ready, sum(j.state = 'waiting') AS waiting,"
    " sum(j.state = 'failed') AS failed, sum(j.state = 'quarantined') AS quarantined,"
    " sum(j.state = 'skipped') AS skipped, sum(j.state = 'cancelled') AS cancelled,"
    " sum(coalesce(sj.verdict, j.verdict) IS 'negative') AS negative" CURRENT
    " GROUP BY s.id, t.id ORDER BY s.id, t.ord";
static const char running_sql[] =
    "SELECT DISTINCT s.name AS sweep, j.run_name AS run_id, a.rank, a.host, (?2 - a.granted_ms) / 1000 AS age_s,"
    " a.epoch AS attempt FROM sweep s JOIN sweep_job sj ON sj.sweep = s.id AND sj.revision = s.revision"
    " JOIN job j ON j.id = sj.job JOIN attempt a ON a.job = j.id AND a.epoch = j.epoch"
    " WHERE (?1 IS NULL OR s.name = ?1) AND j.state = 'leased' ORDER BY a.granted_ms LIMIT 200";
static const char failures_sql[] =
    "SELECT class, state, count(*) AS jobs, min(message) AS message FROM failures WHERE (?1 IS NULL OR sweep = ?1)"
    " GROUP BY class, state ORDER BY jobs DESC";

struct status {
    struct table stages, running, failures;
    int64_t n_jobs, n_done; /* each job once, however many stages list it */
    struct buf holder;
};

static enum err_code collect(const char *results, const char *sweep, struct status *s, struct err *e)
{
    struct query *q;
    int64_t id;
    enum err_code rc = query_open(results, &q, e);

    if (rc)
        return rc;
    if (sweep)
        rc = query_sweep(q, sweep, &id, e);
    if (!rc)
        rc = query_table(q, &s->stages, e, stages_sql, "t", sweep);
    if (!rc)
        rc = query_table(q, &s->running, e, running_sql, "ti", sweep, clock_system.wall_ms(&clock_system));
    if (!rc)
        rc = query_table(q, &s->failures, e, failures_sql, "t", sweep);
    if (!rc)
        rc = query_i64(q, &s->n_jobs, e, "SELECT count(DISTINCT j.id)" CURRENT, "t", sweep);
    if (!rc)
        rc = query_i64(q, &s->n_done, e, "SELECT count(DISTINCT j.id)" CURRENT " AND j.state = 'done'", "t", sweep);
    if (!rc)
        query_holder(results, &s->holder);
    query_close(q);
    return rc;
}

static int64_t total(const struct table *t, const char *col)
{
    int c = table_col(t, col);
    int64_t sum = 0;

    for (size_t r = 0; r < t->n_rows && c >= 0; r++)
        sum += table_cell(t, r, (size_t)c)->i;
    return sum;
}

/* Columns of states that nobody is in are left out. */
static void drop_zero(struct table *t)
{
    static const char *const optional[] = {"running", "ready",     "waiting",  "failed", "quarantined",
                                           "skipped", "cancelled", "negative"};
    const char *names[32];
    size_t n = 0;

    for (size_t c = 0; c < t->n_cols; c++) {
        bool may_go = false;

        for (size_t i = 0; i < ARRAY_LEN(optional); i++)
            may_go |= strcmp(optional[i], t->cols[c]) == 0;
        if (!may_go || total(t, t->cols[c]))
            names[n++] = t->cols[c];
    }
    table_select(t, names, n);
}

static void print_text(struct status *s, struct buf *out)
{
    bool colour = cmd_use_colour(stdout);

    drop_zero(&s->stages);
    table_print(&s->stages, TABLE_TEXT, colour, out);
    buf_fmt(out, "\n%lld of %lld jobs done", (long long)s->n_done, (long long)s->n_jobs);
    if (s->holder.len)
        buf_fmt(out, "; a coordinator works on it: %s", s->holder.data);
    buf_char(out, '\n');
    if (s->running.n_rows) {
        buf_str(out, "\nrunning\n");
        table_print(&s->running, TABLE_TEXT, colour, out);
    }
    if (s->failures.n_rows) {
        buf_str(out, "\nfailures by class (saegrid table failures lists them)\n");
        table_print(&s->failures, TABLE_TEXT, colour, out);
    }
}

static void print_json(const struct status *s, struct buf *out)
{
    buf_str(out, "{\"coordinator\": ");
    if (s->holder.len)
        buf_json(out, s->holder.data);
    else
        buf_str(out, "null");
    buf_fmt(out, ",\n\"jobs\": %lld, \"done\": %lld,\n\"stages\": ", (long long)s->n_jobs, (long long)s->n_done);
    table_print(&s->stages, TABLE_JSON, false, out);
    buf_str(out, ",\n\"running\": ");
    table_print(&s->running, TABLE_JSON, false, out);
    buf_str(out, ",\n\"failures\": ");
    table_print(&s->failures, TABLE_JSON, false, out);
    buf_str(out, "}\n");
}

int cmd_status(int argc, char **argv)
{
    bool json = false;
    const char *results = NULL;
    const struct opt rows[] = {OPT_JSON(&json), OPT_RESULTS(&results)};
    const struct opts_cmd cmd = {"status", "[SWEEP]", "Show how far each sweep is, what runs and what failed.",
                                 rows, ARRAY_LEN(rows), 0, 1};
    struct status s = {0};
    struct opts_args args;
    struct buf out = {0};
    struct err e = {0};
    int rc;

    if (!cmd_start(&cmd, argc, argv, &args, &rc))
        return rc;
    if (collect(cmd_results(results), args.n ? args.v[0] : NULL, &s, &e)) {
        rc = cmd_fail("status", &e);
    } else {
        if (json)
            print_json(&s, &out);
        else
            print_text(&s, &out);
        rc = cmd_put(&out);
    }
    table_free(&s.stages);
    table_free(&s.running);
    table_free(&s.failures);
    buf_free(&s.holder);
    opts_free(&args);
    return rc;
}
