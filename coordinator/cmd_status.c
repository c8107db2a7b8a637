/* cmd_status.c - saegrid status: how far each sweep is, what runs, what failed. */
#include "coordinator/cmd.h"
#include "coordinator/cmd_common.h"
#include "coordinator/manifest_query.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/json.h"
#include "coordinator/live.h"

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
    " a.epoch AS attempt, NULL AS step, j.id AS row FROM sweep s JOIN sweep_job sj ON sj.sweep = s.id AND sj.revision = s.revision"
    " JOIN job j ON j.id = sj.job JOIN attempt a ON a.job = j.id AND a.epoch = j.epoch"
    " WHERE (?1 IS NULL OR s.name = ?1) AND j.state = 'leased' ORDER BY a.granted_ms LIMIT 200";
static const char failures_sql[] =
    "SELECT class, state, count(*) AS jobs, min(message) AS message FROM failures WHERE (?1 IS NULL OR sweep = ?1)"
    " GROUP BY class, state ORDER BY jobs DESC";

static const char notes_sql[] =
    "SELECT 'sweep ' || name || ' is paused; saegrid resume ' || name || ' goes on' AS note FROM sweep"
    " WHERE is_paused AND (?1 IS NULL OR name = ?1)"
    " UNION ALL SELECT 'host ' || v.host || ' is held for ' || ((v.not_before_ms - ?2) / 1000 + 1) || ' s: ' || v.message"
    " FROM event v WHERE v.id IN (SELECT max(id) FROM event WHERE type IN ('host_held', 'host_freed') GROUP BY host)"
    " AND v.type = 'host_held' AND v.not_before_ms > ?2"
    " AND v.wall_ms >= (SELECT max(started_ms) FROM session WHERE ended_ms IS NULL)";

/* Core-hours by kind, every attempt counted. */
static const char time_sql[] =
    "SELECT k.name AS kind, sum(a.wall_s * j.threads) / 3600 AS core_hours FROM job j JOIN kind k ON k.id = j.kind"
    " JOIN attempt a ON a.job = j.id AND a.wall_s IS NOT NULL WHERE ?1 IS NULL OR j.id IN (SELECT sj.job FROM sweep s"
    " JOIN sweep_job sj ON sj.sweep = s.id AND sj.revision = s.revision WHERE s.name = ?1) GROUP BY k.name ORDER BY 2 DESC";

struct status {
    struct table stages, running, failures, notes, time;
    int64_t n_jobs, n_done, n_open; /* each job once, however many stages list it */
    struct buf holder;
};

/* The last step of each running job, which is not in the manifest. */
static void add_steps(const char *results, struct table *t)
{
    static const char *const shown[] = {"sweep", "run_id", "rank", "host", "age_s", "attempt", "step"};
    struct json *live = t->n_rows ? live_read(results) : NULL;
    int at = table_col(t, "step"), row = table_col(t, "row"), epoch = table_col(t, "attempt");
    struct buf text = {0};

    for (size_t r = 0; r < t->n_rows; r++) {
        buf_reset(&text);
        live_find(live, table_cell(t, r, (size_t)row)->i, table_cell(t, r, (size_t)epoch)->i, &text);
        if (text.len)
            cell_set_text(&t->cells[r * t->n_cols + (size_t)at], text.data);
    }
    table_select(t, shown, ARRAY_LEN(shown));
    buf_free(&text);
    json_free(live);
}

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
        rc = query_table(q, &s->time, e, time_sql, "t", sweep);
    if (!rc)
        rc = query_i64(q, &s->n_jobs, e, "SELECT count(DISTINCT j.id)" CURRENT, "t", sweep);
    if (!rc)
        rc = query_i64(q, &s->n_done, e, "SELECT count(DISTINCT j.id)" CURRENT " AND j.state = 'done'", "t", sweep);
    if (!rc)
        rc = query_i64(q, &s->n_open, e, "SELECT count(DISTINCT j.id)" CURRENT
                       " AND j.state IN ('waiting', 'ready', 'leased')", "t", sweep);
    if (!rc)
        rc = query_table(q, &s->notes, e, notes_sql, "ti", sweep, clock_system.wall_ms(&clock_system));
    if (!rc) {
        query_holder(results, &s->holder);
        add_steps(results, &s->running);
    }
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

/* "0.25 core-hours: sae_train 71 %, lm_train 20 %, ..." */
static void print_time(const struct table *t, struct buf *out)
{
    enum { SHOWN = 4 };
    double all = 0, v;

    for (size_t r = 0; r < t->n_rows; r++)
        all += table_f64(t, r, "core_hours", &v) ? v : 0;
    if (all <= 0)
        return;
    table_number(out, all);
    buf_str(out, " core-hours");
    for (size_t r = 0; r < t->n_rows && r < SHOWN; r++)
        if (table_f64(t, r, "core_hours", &v))
            buf_fmt(out, "%s%s %.0f %%", r ? ", " : ": ", table_cell(t, r, 0)->text, 100 * v / all);
    buf_str(out, t->n_rows > SHOWN ? ", ... (saegrid table time)\n" : "\n");
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
    print_time(&s->time, out);
    for (size_t r = 0; r < s->notes.n_rows; r++)
        buf_fmt(out, "%s\n", table_cell(&s->notes, r, 0)->text);
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
    buf_str(out, ",\n\"core_hours\": ");
    table_print(&s->time, TABLE_JSON, false, out);
    buf_str(out, ",\n\"notes\": ");
    table_print(&s->notes, TABLE_JSON, false, out);
    buf_str(out, "}\n");
}

static void forget(struct status *s)
{
    table_free(&s->stages);
    table_free(&s->running);
    table_free(&s->failures);
    table_free(&s->notes);
    table_free(&s->time);
    buf_free(&s->holder);
}

static int show(const char *results, const char *sweep, bool json, bool redraw, int64_t *n_open)
{
    struct status s = {0};
    struct buf out = {0};
    struct err e = {0};
    int rc;

    *n_open = 0;
    if (collect(results, sweep, &s, &e)) {
        rc = cmd_fail("status", &e);
    } else {
        if (redraw)
            buf_str(&out, "\033[H\033[2J");
        if (json)
            print_json(&s, &out);
        else
            print_text(&s, &out);
        *n_open = s.n_open;
        rc = cmd_put(&out);
    }
    forget(&s);
    return rc;
}

/* On a terminal the page is drawn anew; elsewhere one follows the other. */
static int watch(const char *results, const char *sweep, bool json)
{
    bool redraw = isatty(STDOUT_FILENO) && !json;
    int64_t n_open;
    int rc;

    for (;;) {
        rc = show(results, sweep, json, redraw, &n_open);
        if (rc || n_open == 0)
            return rc;
        clock_system.sleep_us(&clock_system, 1000000);
        if (!redraw && !json && putchar('\n') == EOF)
            return 0;
    }
}

int cmd_status(int argc, char **argv)
{
    bool json = false, want_watch = false;
    const char *results = NULL, *sweep;
    const struct opt rows[] = {
        OPT_FLAG("watch", 'w', &want_watch, "again every second until nothing is left to do"),
        OPT_JSON(&json), OPT_RESULTS(&results)};
    const struct opts_cmd cmd = {"status", "[SWEEP]", "Show how far each sweep is, what runs and what failed.",
                                 rows, ARRAY_LEN(rows), 0, 1};
    struct opts_args args;
    int64_t n_open;
    int rc;

    if (!cmd_start(&cmd, argc, argv, &args, &rc))
        return rc;
    sweep = args.n ? args.v[0] : NULL;
    rc = want_watch ? watch(cmd_results(results), sweep, json)
                    : show(cmd_results(results), sweep, json, false, &n_open);
    opts_free(&args);
    return rc;
}
