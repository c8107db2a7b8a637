/* cmd_requeue.c - saegrid requeue: put jobs back by hand, recording who, why and what mends them. */
#include "coordinator/cmd.h"
#include "coordinator/cmd_common.h"
#include "coordinator/fix.h"
#include "coordinator/give.h"
#include "coordinator/manifest_query.h"
#include "coordinator/target.h"

#include <string.h>

struct requeue {
    const char *results, *fix, *note, *class;
    bool failed;
};

static bool is_class(const char *name)
{
    for (int c = 0; c < ERR_CLASS_COUNT; c++)
        if (strcmp(err_class_name((enum err_class)c), name) == 0)
            return true;
    return false;
}

static enum err_code find(const struct requeue *r, const struct opts_args *args, struct target *t, struct err *e)
{
    struct query *q;
    enum err_code rc;

    if (r->class && !is_class(r->class))
        return err_set(e, ERR_USAGE, "--class %s: not one of external, infra, code, config, science", r->class);
    if ((r->class || r->failed) == (args->n > 0))
        return err_set(e, ERR_USAGE, "name jobs, or say --failed or --class CLASS, not both");
    rc = query_open(r->results, &q, e);
    if (rc)
        return rc;
    if (!args->n)
        rc = target_add_failed(q, r->class, t, e);
    for (size_t i = 0; i < args->n && !rc; i++)
        rc = target_add_job(q, args->v[i], t, e);
    query_close(q);
    return rc;
}

static enum err_code requeue(const struct requeue *r, const struct opts_args *args, struct buf *answer,
                             struct err *e)
{
    struct control_order o = {.verb = CONTROL_REQUEUE, .note = r->note};
    struct target t = {0};
    struct buf commit = {0};
    enum err_code rc = find(r, args, &t, e);

    if (!rc && r->fix)
        rc = fix_commit(r->fix, &commit, e);
    o.fix = commit.len ? commit.data : NULL;
    o.what = t.what.data;
    o.jobs = t.jobs;
    o.n_jobs = t.n;
    if (!rc && !t.n)
        buf_str(answer, "no such job: nothing to put back");
    else if (!rc)
        rc = give_order(r->results, &o, answer, e);
    if (!rc && t.n)
        buf_str(answer, "\nrun the sweep again to go on, unless it runs now");
    target_free(&t);
    buf_free(&commit);
    return rc;
}

int cmd_requeue(int argc, char **argv)
{
    struct requeue r = {0};
    const char *results = NULL;
    const struct opt rows[] = {
        OPT_STR("fix", 0, &r.fix, "COMMIT", "commit that mends the failure; needed for class code"),
        OPT_STR("note", 0, &r.note, "TEXT", "why, in your words"),
        OPT_FLAG("failed", 0, &r.failed, "all failed and quarantined jobs"),
        OPT_STR("class", 0, &r.class, "CLASS", "of these, those of a class: external, infra, code, config"),
        OPT_RESULTS(&results),
    };
    const struct opts_cmd cmd = {
        "requeue", "[JOB...]",
        "Put failed, quarantined, skipped or cancelled jobs back; what was skipped because of them follows.\n\n"
        "COMMIT must exist in the git repository of the current folder.  Works while the sweep runs, too.",
        rows, ARRAY_LEN(rows), 0, 10000};
    struct opts_args args;
    struct buf answer = {0};
    struct err e = {0};
    int rc;

    if (!cmd_start(&cmd, argc, argv, &args, &rc))
        return rc;
    r.results = cmd_results(results);
    if (requeue(&r, &args, &answer, &e)) {
        rc = cmd_fail("requeue", &e);
    } else {
        buf_char(&answer, '\n');
        rc = cmd_put(&answer);
    }
    buf_free(&answer);
    opts_free(&args);
    return rc;
}
