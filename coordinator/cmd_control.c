/* cmd_control.c - saegrid cancel, priority, pause, resume: orders to a sweep, running or not. */
#include "coordinator/cmd.h"
#include "coordinator/cmd_common.h"
#include "coordinator/control.h"
#include "coordinator/give.h"
#include "coordinator/manifest_query.h"
#include "coordinator/target.h"

#include <stdlib.h>

#include "common/clock.h"

static enum err_code find_targets(const char *results, const char *const *names, size_t n, struct target *t,
                                  struct err *e)
{
    struct query *q;
    enum err_code rc = query_open(results, &q, e);

    if (rc)
        return rc;
    for (size_t i = 0; i < n && !rc; i++)
        rc = target_add(q, names[i], t, e);
    query_close(q);
    return rc;
}

static int give(const char *command, const char *results, struct control_order *o, const char *const *names,
                size_t n)
{
    struct target t = {0};
    struct buf answer = {0};
    struct err e = {0};
    enum err_code rc = find_targets(results, names, n, &t, &e);

    o->what = t.what.data;
    o->jobs = t.jobs;
    o->n_jobs = t.n;
    if (!rc)
        rc = give_order(results, o, &answer, &e);
    target_free(&t);
    if (rc) {
        buf_free(&answer);
        return cmd_fail(command, &e);
    }
    buf_char(&answer, '\n');
    return cmd_put(&answer);
}

int cmd_cancel(int argc, char **argv)
{
    const char *results = NULL, *note = NULL;
    const struct opt rows[] = {OPT_STR("note", 0, &note, "TEXT", "why, in your words"), OPT_RESULTS(&results)};
    const struct opts_cmd cmd = {
        "cancel", "JOB|STAGE|SWEEP...",
        "Cancel jobs that wait or run; what needs them is skipped.  Works while a sweep runs and when none does.\n\n"
        "A stage is STAGE or SWEEP.STAGE.  A running job is killed; its checkpoint stays, and `saegrid requeue`\n"
        "goes on from it.",
        rows, ARRAY_LEN(rows), 1, 10000};
    struct control_order o = {.verb = CONTROL_CANCEL};
    struct opts_args args;
    int rc;

    if (!cmd_start(&cmd, argc, argv, &args, &rc))
        return rc;
    o.note = note;
    rc = give("cancel", cmd_results(results), &o, args.v, args.n);
    opts_free(&args);
    return rc;
}

int cmd_priority(int argc, char **argv)
{
    const char *results = NULL;
    const struct opt rows[] = {OPT_RESULTS(&results)};
    const struct opts_cmd cmd = {
        "priority", "N JOB|STAGE|SWEEP...",
        "Give jobs priority N (-1000 to 1000, higher first), also while a sweep runs.\n\n"
        "It holds until the sweep file is given again: that says what it says.  Write a negative N after --.",
        rows, ARRAY_LEN(rows), 2, 10000};
    struct control_order o = {.verb = CONTROL_PRIORITY};
    struct opts_args args;
    struct err e;
    char *end;
    int rc;

    if (!cmd_start(&cmd, argc, argv, &args, &rc))
        return rc;
    o.priority = strtol(args.v[0], &end, 10);
    if (end == args.v[0] || *end || o.priority < -1000 || o.priority > 1000) {
        err_set(&e, ERR_USAGE, "%s: not an integer in [-1000, 1000]", args.v[0]);
        rc = cmd_fail("priority", &e);
    } else {
        rc = give("priority", cmd_results(results), &o, args.v + 1, args.n - 1);
    }
    opts_free(&args);
    return rc;
}

/* Pausing touches no manifest, but a folder without one is a mistyped one. */
static enum err_code check_results(const char *results, struct err *e)
{
    struct query *q;
    enum err_code rc = query_open(results, &q, e);

    if (!rc)
        query_close(q);
    return rc;
}

int cmd_pause(int argc, char **argv)
{
    const char *results = NULL;
    const struct opt rows[] = {OPT_RESULTS(&results)};
    const struct opts_cmd cmd = {
        "pause", "",
        "Begin no further job, in this results folder, until `saegrid resume`; running jobs go on to their end.\n\n"
        "Holds for a running coordinator within a second, and for all that come.",
        rows, ARRAY_LEN(rows), 0, 0};
    struct opts_args args;
    struct buf text = {0};
    struct err e = {0};
    char since[21];
    int rc;

    if (!cmd_start(&cmd, argc, argv, &args, &rc))
        return rc;
    control_who(&text);
    buf_fmt(&text, " since %s\n", clock_iso(since, clock_system.wall_ms(&clock_system)));
    enum err_code code = check_results(cmd_results(results), &e);
    if (!code)
        code = control_pause(cmd_results(results), text.data, &e);
    buf_reset(&text);
    buf_str(&text, "paused: nothing new begins until `saegrid resume`\n");
    rc = code ? cmd_fail("pause", &e) : cmd_put(&text);
    buf_free(&text);
    opts_free(&args);
    return rc;
}

int cmd_resume(int argc, char **argv)
{
    const char *results = NULL;
    const struct opt rows[] = {OPT_RESULTS(&results)};
    const struct opts_cmd cmd = {"resume", "", "Take `saegrid pause` back.", rows, ARRAY_LEN(rows), 0, 0};
    struct opts_args args;
    struct buf text = {0};
    struct err e = {0};
    bool was_paused = false;
    int rc;

    if (!cmd_start(&cmd, argc, argv, &args, &rc))
        return rc;
    enum err_code code = check_results(cmd_results(results), &e);
    if (!code)
        code = control_resume(cmd_results(results), &was_paused, &e);
    buf_str(&text, was_paused ? "resumed\n" : "it was not paused\n");
    rc = code ? cmd_fail("resume", &e) : cmd_put(&text);
    buf_free(&text);
    opts_free(&args);
    return rc;
}
