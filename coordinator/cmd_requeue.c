/* cmd_requeue.c - saegrid requeue: put jobs back by hand, recording who, why and what mends them. */
#include "coordinator/cmd.h"
#include "coordinator/cmd_common.h"
#include "coordinator/manifest.h"
#include "coordinator/manifest_query.h"

#include "common/clock.h"

static enum err_code find(const char *results, const char *text, int64_t *job, struct err *e)
{
    struct query *q;
    enum err_code rc = query_open(results, &q, e);

    if (!rc)
        rc = query_job(q, text, job, e);
    query_close(q);
    return rc;
}

static enum err_code requeue(const char *results, const struct opts_args *args, const char *fix, const char *note,
                             struct buf *out, struct err *e)
{
    int64_t now = clock_system.wall_ms(&clock_system), n, job = 0;
    struct manifest *m = NULL;
    enum err_code rc = find(results, args->v[0], &job, e); /* before anything is created */

    if (!rc)
        rc = manifest_open(results, 10000, &m, e);
    for (size_t i = 0; i < args->n && !rc; i++) {
        rc = find(results, args->v[i], &job, e);
        if (!rc)
            rc = manifest_requeue(m, job, fix, note, now, &n, e);
        if (!rc)
            buf_fmt(out, "%s: waits again%s\n", args->v[i],
                    n > 1 ? ", and so do jobs that were skipped because of it" : "");
    }
    manifest_close(m);
    if (!rc)
        buf_str(out, "run the sweep again to go on\n");
    return rc;
}

int cmd_requeue(int argc, char **argv)
{
    const char *results = NULL, *fix = NULL, *note = NULL;
    const struct opt rows[] = {
        OPT_STR("fix", 0, &fix, "COMMIT", "commit that mends the failure; needed for class code"),
        OPT_STR("note", 0, &note, "TEXT", "why, in your words"),
        OPT_RESULTS(&results),
    };
    const struct opts_cmd cmd = {
        "requeue", "JOB...",
        "Put failed, quarantined, skipped or cancelled jobs back; what was skipped because of them follows.",
        rows, ARRAY_LEN(rows), 1, 10000};
    struct opts_args args;
    struct buf out = {0};
    struct err e = {0};
    int rc;

    if (!cmd_start(&cmd, argc, argv, &args, &rc))
        return rc;
    rc = requeue(cmd_results(results), &args, fix, note, &out, &e) ? cmd_fail("requeue", &e) : 0;
    if (out.len)
        (void)cmd_put(&out);
    buf_free(&out);
    opts_free(&args);
    return rc;
}
