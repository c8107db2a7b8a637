/* cmd_jobs.c - saegrid jobs: the jobs of the manifest, one a line. */
#include "coordinator/cmd.h"
#include "coordinator/cmd_common.h"
#include "coordinator/event.h"
#include "coordinator/manifest_query.h"

#include <string.h>

static const char sql[] =
    "SELECT substr(lower(hex(j.digest)), 1, 12) AS job, s.name AS sweep, t.name AS stage, j.state,"
    " coalesce(sj.verdict, j.verdict) AS verdict, j.epoch AS attempts, a.wall_s, j.class, j.run_name AS run_id"
    " FROM sweep s JOIN sweep_job sj ON sj.sweep = s.id AND sj.revision = s.revision"
    " JOIN stage t ON t.id = sj.stage JOIN job j ON j.id = sj.job"
    " LEFT JOIN attempt a ON a.job = j.id AND a.epoch = j.epoch"
    " WHERE (?1 IS NULL OR s.name = ?1) AND (?2 IS NULL OR t.name = ?2) AND (?3 IS NULL OR j.state = ?3)"
    " ORDER BY s.id, t.ord, j.id LIMIT iif(?4 > 0, ?4, -1)";

static enum err_code collect(const char *results, const char *const filter[3], int64_t limit, struct table *t,
                             struct err *e)
{
    struct query *q;
    int64_t id;
    enum err_code rc = query_open(results, &q, e);

    if (!rc && filter[0])
        rc = query_sweep(q, filter[0], &id, e);
    if (!rc)
        rc = query_table(q, t, e, sql, "ttti", filter[0], filter[1], filter[2], limit);
    query_close(q);
    return rc;
}

static enum err_code check_state(const char *name, struct err *e)
{
    struct buf all = {0};

    for (int s = 0; s < JOB_STATE_COUNT; s++) {
        if (!name || strcmp(name, job_state_name((enum job_state)s)) == 0) {
            buf_free(&all);
            return ERR_OK;
        }
        buf_fmt(&all, "%s%s", s ? ", " : "", job_state_name((enum job_state)s));
    }
    err_set(e, ERR_USAGE, "--state %s: no such state; there are %s", name, all.data);
    buf_free(&all);
    return e->code;
}

int cmd_jobs(int argc, char **argv)
{
    bool json = false, csv = false;
    const char *results = NULL, *filter[3] = {NULL};
    int64_t limit = 0;
    const struct opt rows[] = {
        OPT_STR("stage", 0, &filter[1], "STAGE", "only this stage"),
        OPT_STR("state", 0, &filter[2], "STATE",
                "waiting, ready, leased, done, failed, quarantined, skipped or cancelled"),
        OPT_I64("limit", 'n', &limit, "N", "at most N jobs"),
        OPT_FLAG("csv", 0, &csv, "print CSV"),
        OPT_JSON(&json),
        OPT_RESULTS(&results),
    };
    const struct opts_cmd cmd = {"jobs", "[SWEEP]", "List jobs: id, stage, state, verdict, attempts, time, run name.",
                                 rows, ARRAY_LEN(rows), 0, 1};
    struct opts_args args;
    struct table t = {0};
    struct buf out = {0};
    struct err e = {0};
    int rc;

    if (!cmd_start(&cmd, argc, argv, &args, &rc))
        return rc;
    filter[0] = args.n ? args.v[0] : NULL;
    if (check_state(filter[2], &e) || collect(cmd_results(results), filter, limit, &t, &e)) {
        rc = cmd_fail("jobs", &e);
    } else {
        if (!json && !csv)
            table_drop_empty(&t);
        table_print(&t, json ? TABLE_JSON : csv ? TABLE_CSV : TABLE_TEXT, !json && !csv && cmd_use_colour(stdout),
                    &out);
        rc = cmd_put(&out);
    }
    table_free(&t);
    opts_free(&args);
    return rc;
}
