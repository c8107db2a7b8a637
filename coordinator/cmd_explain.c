/* cmd_explain.c - saegrid explain: why a job waits, was reused, was tried again or failed. */
#include "coordinator/cmd.h"
#include "coordinator/cmd_common.h"
#include "coordinator/manifest_query.h"

#include <string.h>

#include "common/clock.h"

struct facts {
    const char *run_id, *state, *class, *message, *home;
    int64_t epoch, not_before_ms, n_infra, n_lost, retries, cause;
};

static const char facts_sql[] =
    "SELECT j.run_name, j.state, j.class, j.message, s.name, j.epoch, j.not_before_ms, j.n_infra, j.n_lost, j.retries,"
    " coalesce(j.cause, 0) FROM job j JOIN sweep s ON s.id = j.sweep WHERE j.id = ?";

static void read_facts(const struct table *t, struct facts *f)
{
    const struct cell *c = t->cells;

    *f = (struct facts){c[0].text, c[1].text, c[2].text, c[3].text, c[4].text, c[5].i,
                        c[6].i,    c[7].i,    c[8].i,    c[9].i,    c[10].i};
}

/* One sentence from a one-column query, if it gives one. */
static enum err_code add_line(struct query *q, struct buf *out, struct err *e, const char *sql, int64_t arg)
{
    struct table t = {0};
    enum err_code rc = query_table(q, &t, e, sql, "i", arg);

    for (size_t i = 0; !rc && i < t.n_rows; i++)
        if (t.cells[i].type == CELL_TEXT)
            buf_fmt(out, "%s\n", t.cells[i].text);
    table_free(&t);
    return rc;
}

static void explain_ready(const struct facts *f, const char *holder, struct buf *out)
{
    int64_t left = f->not_before_ms - clock_system.wall_ms(&clock_system);

    if (left > 0)
        buf_fmt(out, "It is tried again in %lld s", (long long)(left / 1000 + 1));
    else if (*holder)
        buf_str(out, "Its inputs are done; it waits for a free worker: higher priority goes first, then the longest way to the end");
    else
        buf_str(out, "Its inputs are done, but no coordinator works on this manifest: run the sweep to go on");
    if (f->message && f->epoch)
        buf_fmt(out, " (last attempt: %s)", f->message);
    buf_str(out, ".\n");
}

/* What keeps ready jobs back beside a lack of workers. */
static const char kept_back_sql[] =
    "SELECT 'Sweep ' || s.name || ' is paused: saegrid resume ' || s.name || ' goes on.' FROM sweep s JOIN sweep_job sj"
    " ON sj.sweep = s.id AND sj.revision = s.revision WHERE sj.job = ?1 AND s.is_paused GROUP BY s.id UNION ALL"
    " SELECT 'Host ' || v.host || ' is held and gets no jobs: ' || v.message || '.' FROM event v WHERE v.id IN (SELECT max(id)"
    " FROM event WHERE type IN ('host_held', 'host_freed') GROUP BY host) AND v.type = 'host_held' AND v.wall_ms >="
    " (SELECT max(started_ms) FROM session WHERE ended_ms IS NULL) AND v.not_before_ms > CAST(strftime('%s', 'now') AS INTEGER) * 1000";

static enum err_code explain_state(struct query *q, int64_t job, const struct facts *f, const char *holder,
                                   struct buf *out, struct err *e)
{
    if (strcmp(f->state, "waiting") == 0)
        return add_line(q, out, e,
                        "SELECT 'It waits for ' || p.run_name || ', which is ' || p.state || '.' FROM job_input i"
                        " JOIN job p ON p.id = i.input WHERE i.job = ?1 AND p.state <> 'done' AND (i.must_pass <> 2 OR p.state IN ('waiting', 'ready', 'leased')) UNION ALL"
                        " SELECT 'Its inputs are done; the next coordinator makes it ready.' WHERE NOT EXISTS (SELECT 1"
                        " FROM job_input i JOIN job p ON p.id = i.input WHERE i.job = ?1 AND p.state <> 'done' AND (i.must_pass <> 2 OR p.state IN ('waiting', 'ready', 'leased')))",
                        job);
    if (strcmp(f->state, "ready") == 0) {
        explain_ready(f, holder, out);
        return add_line(q, out, e, kept_back_sql, job);
    }
    if (strcmp(f->state, "skipped") == 0)
        return add_line(q, out, e,
                        "SELECT 'It was skipped because of ' || c.run_name || ', which is ' || c.state || coalesce(': ' ||"
                        " c.message, '') || '. Requeue that one and this one follows.' FROM job j JOIN job c ON c.id = j.cause WHERE j.id = ?",
                        job);
    else if (strcmp(f->state, "failed") == 0)
        buf_fmt(out, "It failed for good: class %s, %s. %s\n", f->class ? f->class : "unknown",
                f->message ? f->message : "no message",
                f->class && strcmp(f->class, "code") == 0
                    ? "A fault of the code is not tried again until a fix is recorded: saegrid requeue JOB --fix COMMIT."
                    : "The same input would fail the same way: change the sweep, or saegrid requeue JOB.");
    else if (strcmp(f->state, "quarantined") == 0)
        buf_fmt(out, "It is in quarantine after %lld infra failures (%lld retries allowed) and %lld lost agents: %s. "
                     "The same run command, or saegrid requeue JOB, tries it again.\n",
                (long long)f->n_infra, (long long)f->retries, (long long)f->n_lost, f->message ? f->message : "no message");
    else if (strcmp(f->state, "leased") == 0)
        return add_line(q, out, e,
                        "SELECT 'It runs on rank ' || a.rank || ' (' || coalesce(a.host, '?') || '), attempt ' || a.epoch || '.'"
                        " FROM attempt a JOIN job j ON j.id = a.job AND a.epoch = j.epoch WHERE j.id = ?", job);
    else if (strcmp(f->state, "done") == 0)
        return add_line(q, out, e,
                        "SELECT 'It is done, computed by attempt ' || a.epoch || ' on ' || coalesce(a.host, '?') ||"
                        " coalesce(', verdict ' || j.verdict, '') || coalesce(' (' || j.message || ')', '') || '.'"
                        " FROM attempt a JOIN job j ON j.id = a.job AND a.epoch = j.epoch WHERE j.id = ?", job);
    else
        buf_str(out, "It was cancelled by hand; saegrid requeue JOB puts it back.\n");
    return ERR_OK;
}

static enum err_code explain(struct query *q, int64_t job, const char *holder, struct buf *out, struct err *e)
{
    struct table t = {0};
    struct facts f;
    enum err_code rc = query_table(q, &t, e, facts_sql, "i", job);

    if (!rc) {
        read_facts(&t, &f);
        buf_fmt(out, "%s is %s.\n", f.run_id, f.state);
        rc = explain_state(q, job, &f, holder, out, e);
    }
    if (!rc)
        rc = add_line(q, out, e,
                      "SELECT 'Sweep ' || s.name || ' uses it too: a job with the same kind, version, knobs and inputs is computed once"
                      " and reused.' FROM sweep_job sj JOIN sweep s ON s.id = sj.sweep AND s.revision = sj.revision"
                      " JOIN job j ON j.id = sj.job WHERE j.id = ? AND s.id <> j.sweep GROUP BY s.id", job);
    if (!rc)
        rc = add_line(q, out, e,
                      "SELECT 'Gate of ' || t.name || ': ' || coalesce(sj.reason, 'open until the stage it compares with is done')"
                      " FROM sweep_job sj JOIN stage t ON t.id = sj.stage JOIN sweep s ON s.id = sj.sweep AND s.revision = sj.revision"
                      " WHERE sj.job = ? AND t.gate_metric IS NOT NULL", job);
    if (!rc)
        rc = add_line(q, out, e,
                      "SELECT 'Attempt ' || epoch || ' ended as ' || outcome || coalesce(', class ' || class, '') ||"
                      " coalesce(': ' || message, '') || iif(class = 'external', ' (free of charge)', '')"
                      " FROM attempt WHERE job = ? AND outcome NOT IN ('done', 'running') ORDER BY epoch DESC LIMIT 10", job);
    table_free(&t);
    return rc;
}

int cmd_explain(int argc, char **argv)
{
    const char *results = NULL;
    const struct opt rows[] = {OPT_RESULTS(&results)};
    const struct opts_cmd cmd = {"explain", "JOB", "Say why a job waits, was reused, was tried again or failed.",
                                 rows, ARRAY_LEN(rows), 1, 1};
    struct buf out = {0}, holder = {0};
    struct opts_args args;
    struct query *q = NULL;
    struct err e = {0};
    enum err_code code;
    int64_t job;
    int rc;

    if (!cmd_start(&cmd, argc, argv, &args, &rc))
        return rc;
    code = query_open(cmd_results(results), &q, &e);
    if (!code)
        code = query_job(q, args.v[0], &job, &e);
    if (!code) {
        query_holder(cmd_results(results), &holder);
        code = explain(q, job, holder.data ? holder.data : "", &out, &e);
    }
    rc = code ? cmd_fail("explain", &e) : cmd_put(&out);
    query_close(q);
    buf_free(&out);
    buf_free(&holder);
    opts_free(&args);
    return rc;
}
