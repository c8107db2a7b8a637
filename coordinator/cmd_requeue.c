/* cmd_requeue.c - saegrid requeue: put jobs back by hand, recording who, why and what mends them. */
#include "coordinator/cmd.h"
#include "coordinator/cmd_common.h"
#include "coordinator/fix.h"
#include "coordinator/manifest_query.h"
#include "coordinator/order.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum err_code find(const char *results, const char *text, int64_t *job, struct err *e)
{
    struct query *q;
    enum err_code rc = query_open(results, &q, e);

    if (!rc)
        rc = query_job(q, text, job, e);
    query_close(q);
    return rc;
}

struct wish {
    const char *fix, *note, *class;
    bool failed;
};

static void fill(struct control_order *o, const struct wish *w)
{
    const char *who = getenv("USER");

    *o = (struct control_order){.what = CONTROL_REQUEUE, .target = {w->failed ? TARGET_SWEEP : TARGET_JOB, 0}};
    snprintf(o->fix, sizeof o->fix, "%s", w->fix ? w->fix : "");
    snprintf(o->who, sizeof o->who, "%s", who ? who : "unknown");
    snprintf(o->note, sizeof o->note, "%s", w->note ? w->note : "");
    snprintf(o->class, sizeof o->class, "%s", w->class ? w->class : "");
}

static enum err_code give(const char *results, struct control_order *o, struct buf *out, bool *was_live,
                          struct err *e)
{
    enum err_code rc = order_give(results, o, out, was_live, e);

    buf_char(out, '\n');
    return rc;
}

static enum err_code requeue_failed(const char *results, const char *sweep, const struct wish *w,
                                    struct buf *out, bool *was_live, struct err *e)
{
    struct control_order o;
    struct query *q;
    enum err_code rc = query_open(results, &q, e);

    fill(&o, w);
    snprintf(o.name, sizeof o.name, "%s", sweep ? sweep : "failed jobs");
    if (!rc && sweep)
        rc = query_sweep(q, sweep, &o.target.id, e);
    query_close(q);
    return rc ? rc : give(results, &o, out, was_live, e);
}

static enum err_code requeue_named(const char *results, const struct opts_args *args, const struct wish *w,
                                   struct buf *out, bool *was_live, struct err *e)
{
    struct control_order o;
    enum err_code rc = ERR_OK;

    for (size_t i = 0; i < args->n && !rc; i++) {
        fill(&o, w);
        snprintf(o.name, sizeof o.name, "%s", args->v[i]);
        rc = find(results, args->v[i], &o.target.id, e);
        if (!rc)
            rc = give(results, &o, out, was_live, e);
    }
    return rc;
}

/* What the user does next: nothing, if a coordinator runs the sweep that the jobs are of. */
static void add_hint(bool was_live, struct buf *out)
{
    if (out->len && !strncmp(out->data, "no job", 6))
        return;
    buf_str(out, was_live ? "the running sweep takes up what belongs to it\n"
                          : "run the sweep again to go on\n");
}

static enum err_code check_wish(const struct wish *w, const struct opts_args *args, struct err *e)
{
    bool is_known = !w->class;

    for (int c = ERR_CLASS_NONE + 1; w->class && c < ERR_CLASS_COUNT; c++)
        is_known |= strcmp(w->class, err_class_name((enum err_class)c)) == 0;
    if (!is_known)
        return err_set(e, ERR_USAGE, "--class %s: not one of config, infra, code, external", w->class);
    if (w->class && !w->failed)
        return err_set(e, ERR_USAGE, "--class goes with --failed");
    if (!w->failed && !args->n)
        return err_set(e, ERR_USAGE, "name a job, or say --failed");
    if (w->failed && args->n > 1)
        return err_set(e, ERR_USAGE, "--failed takes one sweep, or none for all");
    return ERR_OK;
}

/* A fix is recorded under its full hash; what is no commit here is refused. */
static enum err_code check_fix(struct wish *w, struct buf *commit, struct err *e)
{
    if (!w->fix)
        return ERR_OK;
    if (fix_commit(w->fix, commit, e))
        return e->code;
    w->fix = commit->data;
    return ERR_OK;
}

int cmd_requeue(int argc, char **argv)
{
    const char *results = NULL;
    struct wish w = {0};
    const struct opt rows[] = {
        OPT_FLAG("failed", 0, &w.failed, "all failed and quarantined jobs (of class code only with --fix)"),
        OPT_STR("class", 0, &w.class, "CLASS", "with --failed: only of this class (config, infra, code, external)"),
        OPT_STR("fix", 0, &w.fix, "COMMIT", "commit that mends the failure; needed for class code"),
        OPT_STR("note", 0, &w.note, "TEXT", "why, in your words"),
        OPT_RESULTS(&results),
    };
    const struct opts_cmd cmd = {
        "requeue", "JOB... | --failed [SWEEP]",
        "Put failed, quarantined, skipped or cancelled jobs back; what was skipped because of them follows.\n"
        "While the sweep runs, its coordinator does it and goes on with them.",
        rows, ARRAY_LEN(rows), 0, 10000};
    struct opts_args args;
    struct buf out = {0}, commit = {0};
    struct err e = {0};
    bool was_live = false;
    int rc = 0;

    if (!cmd_start(&cmd, argc, argv, &args, &rc))
        return rc;
    results = cmd_results(results);
    if (check_wish(&w, &args, &e) || check_fix(&w, &commit, &e) ||
        (w.failed ? requeue_failed(results, args.n ? args.v[0] : NULL, &w, &out, &was_live, &e)
                  : requeue_named(results, &args, &w, &out, &was_live, &e)))
        rc = cmd_fail("requeue", &e);
    else
        add_hint(was_live, &out);
    if (out.len)
        (void)cmd_put(&out);
    buf_free(&out);
    buf_free(&commit);
    opts_free(&args);
    return rc;
}
