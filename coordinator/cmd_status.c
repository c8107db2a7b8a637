/* cmd_status.c - saegrid status: how far each sweep is, what runs, what failed. */
#include "coordinator/cmd.h"
#include "coordinator/cmd_common.h"
#include "coordinator/control.h"
#include "coordinator/manifest_query.h"

#include <string.h>
#include <unistd.h>

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
    struct buf holder, paused;
    bool is_paused;
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
    s->is_paused = control_is_paused(results, &s->paused);
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
    if (s->is_paused)
        buf_fmt(out, "paused by %s; `saegrid resume` goes on\n", s->paused.len ? s->paused.data : "somebody");
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
    buf_str(out, ",\n\"paused\": ");
    if (s->is_paused)
        buf_json(out, s->paused.len ? s->paused.data : "");
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

static void status_free(struct status *s)
{
    table_free(&s->stages);
    table_free(&s->running);
    table_free(&s->failures);
    buf_free(&s->holder);
    buf_free(&s->paused);
    *s = (struct status){0};
}

static int show_once(const char *results, const char *sweep, bool json, bool clear, bool *is_over)
{
    struct status s = {0};
    struct buf out = {0};
    struct err e = {0};
    int rc;

    if (collect(results, sweep, &s, &e)) {
        rc = cmd_fail("status", &e);
    } else {
        if (clear)
            buf_str(&out, "\033[H\033[J");
        if (json)
            print_json(&s, &out);
        else
            print_text(&s, &out);
        rc = cmd_put(&out);
    }
    *is_over = rc != 0 || s.holder.len == 0;
    status_free(&s);
    return rc;
}

/* Again and again until no coordinator holds the manifest; on a terminal in place. */
static int show(const char *results, const char *sweep, bool json, double every_s)
{
    bool clear = isatty(STDOUT_FILENO) && !json && every_s > 0, is_over = false;
    int rc = show_once(results, sweep, json, clear, &is_over);

    while (every_s > 0 && !rc && !is_over) {
        clock_system.sleep_us(&clock_system, (int64_t)(every_s * 1e6));
        rc = show_once(results, sweep, json, clear, &is_over);
    }
    return rc;
}

int cmd_status(int argc, char **argv)
{
    bool json = false, watch = false;
    double every_s = 2;
    const char *results = NULL;
    const struct opt rows[] = {
        OPT_FLAG("watch", 'w', &watch, "again and again while a coordinator works"),
        OPT_DUR("every", 0, &every_s, "TIME", "pause of --watch (2s)"),
        OPT_JSON(&json),
        OPT_RESULTS(&results),
    };
    const struct opts_cmd cmd = {"status", "[SWEEP]", "Show how far each sweep is, what runs and what failed.",
                                 rows, ARRAY_LEN(rows), 0, 1};
    struct opts_args args;
    struct err e;
    int rc;

    if (!cmd_start(&cmd, argc, argv, &args, &rc))
        return rc;
    if (!(every_s >= 0.1 && every_s <= 86400)) {
        err_set(&e, ERR_USAGE, "--every %g: not in [100ms, 1d]", every_s);
        rc = cmd_fail("status", &e);
    } else {
        rc = show(cmd_results(results), args.n ? args.v[0] : NULL, json, watch ? every_s : 0);
    }
    opts_free(&args);
    return rc;
}
