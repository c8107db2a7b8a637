/* cmd_control.c - saegrid cancel, pause, resume, priority: orders to a sweep, running or not.
 *
 * Who carries them out is order.h; here is what the words mean.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "coordinator/cmd.h"
#include "coordinator/cmd_common.h"
#include "coordinator/order.h"
#include "coordinator/manifest_query.h"

enum { PRIORITY_MAX = 1000 };

/* --- what is meant ------------------------------------------------------------------------ */

static const char stages_sql[] =
    "SELECT t.id, s.name || '.' || t.name FROM stage t JOIN sweep s ON s.id = t.sweep"
    " AND t.revision = s.revision WHERE t.name = ?1 OR s.name || '.' || t.name = ?1";

/* The sweep that is worked on or was last: what `pause` without a name means. */
static enum err_code last_sweep(struct query *q, struct control_order *o, struct err *e)
{
    struct table t = {0};
    enum err_code rc = query_table(q, &t, e, "SELECT id, name FROM sweep ORDER BY changed_ms DESC, id DESC LIMIT 2", "");

    if (!rc && t.n_rows == 0)
        rc = err_set(e, ERR_NOT_FOUND, "the manifest holds no sweep");
    else if (!rc && t.n_rows > 1)
        rc = err_set(e, ERR_USAGE, "there are several sweeps: name one; saegrid status lists them");
    else if (!rc) {
        o->target = (struct job_target){TARGET_SWEEP, t.cells[0].i};
        snprintf(o->name, sizeof o->name, "%s", t.cells[1].text);
    }
    table_free(&t);
    return rc;
}

static enum err_code pick_stage(struct query *q, const char *text, struct job_target *out, bool *found,
                                struct err *e)
{
    struct table t = {0};
    struct buf list = {0};
    enum err_code rc = query_table(q, &t, e, stages_sql, "t", text);

    *found = !rc && t.n_rows > 0;
    for (size_t i = 0; !rc && i < t.n_rows; i++)
        buf_fmt(&list, "%s%s", i ? ", " : "", table_cell(&t, i, 1)->text);
    if (!rc && t.n_rows > 1)
        rc = err_set(e, ERR_USAGE, "%s: a stage of several sweeps: say which of %s", text, list.data);
    if (*found)
        *out = (struct job_target){TARGET_STAGE, t.cells[0].i};
    buf_free(&list);
    table_free(&t);
    return rc;
}

/* JOB|STAGE|SWEEP, or with "sweep:", "stage:" or "job:" before it. */
static enum err_code find_target(struct query *q, const char *text, struct job_target *out, struct err *e)
{
    const char *colon = strchr(text, ':'), *name = colon ? colon + 1 : text;
    size_t n = colon ? (size_t)(colon - text) : 0;
    bool any = !colon, is_stage = false;
    int64_t sweep = 0;
    enum err_code rc;

    if (colon && !((n == 5 && (strncmp(text, "sweep", 5) == 0 || strncmp(text, "stage", 5) == 0)) ||
                   (n == 3 && strncmp(text, "job", 3) == 0)))
        return err_set(e, ERR_USAGE, "%s: before the colon stands sweep, stage or job", text);
    if (any || strncmp(text, "sweep", 5) == 0) {
        rc = any ? query_i64(q, &sweep, e, "SELECT id FROM sweep WHERE name = ?", "t", name)
                 : query_sweep(q, name, &sweep, e);
        if (rc)
            return rc;
    }
    if (any || strncmp(text, "stage", 5) == 0) {
        rc = pick_stage(q, name, out, &is_stage, e);
        if (rc)
            return rc;
        if (!any && !is_stage)
            return err_set(e, ERR_NOT_FOUND, "%s: no sweep has such a stage", name);
    }
    if (sweep && is_stage)
        return err_set(e, ERR_USAGE, "%s: a sweep and a stage bear this name: say sweep:%s or stage:%s",
                       name, name, name);
    if (sweep)
        *out = (struct job_target){TARGET_SWEEP, sweep};
    if (sweep || is_stage)
        return ERR_OK;
    out->type = TARGET_JOB;
    rc = query_job(q, name, &out->id, e);
    if (rc == ERR_NOT_FOUND)
        rc = err_set(e, ERR_NOT_FOUND, "%s: no job, stage or sweep; saegrid jobs and saegrid status list them", name);
    return rc;
}

static enum err_code resolve(const char *results, const char *text, struct control_order *o, struct err *e)
{
    bool is_sweep = o->what == CONTROL_PAUSE || o->what == CONTROL_RESUME;
    struct query *q;
    enum err_code rc = query_open(results, &q, e);

    if (rc)
        return rc;
    snprintf(o->name, sizeof o->name, "%s", text ? text : "");
    o->target.type = TARGET_SWEEP;
    if (!text)
        rc = last_sweep(q, o, e);
    else if (is_sweep)
        rc = query_sweep(q, text, &o->target.id, e);
    else
        rc = find_target(q, text, &o->target, e);
    query_close(q);
    return rc;
}

/* --- the command -------------------------------------------------------------------------- */

static int order(const struct opts_cmd *cmd, int argc, char **argv, struct control_order *o)
{
    const char *results = NULL;
    const struct opt rows[] = {OPT_RESULTS(&results)};
    struct opts_cmd own = *cmd;
    struct buf said = {0};
    struct opts_args args;
    struct err e = {0};
    char *end = NULL;
    int rc;

    own.opts = rows;
    own.n_opts = ARRAY_LEN(rows);
    if (!cmd_start(&own, argc, argv, &args, &rc))
        return rc;
    if (o->what == CONTROL_PRIORITY) {
        o->priority = strtoll(args.v[1], &end, 10);
        if (!*args.v[1] || *end || o->priority < -PRIORITY_MAX || o->priority > PRIORITY_MAX)
            err_set(&e, ERR_USAGE, "%s: a priority is a whole number in [-%d, %d]", args.v[1],
                         PRIORITY_MAX, PRIORITY_MAX);
    }
    if (e.code || resolve(cmd_results(results), args.n ? args.v[0] : NULL, o, &e) ||
        order_give(cmd_results(results), o, &said, NULL, &e)) {
        rc = cmd_fail(cmd->name, &e);
        buf_free(&said);
    } else {
        buf_char(&said, '\n');
        rc = cmd_put(&said);
    }
    opts_free(&args);
    return rc;
}

/* --- the commands ------------------------------------------------------------------------- */

int cmd_cancel(int argc, char **argv)
{
    const struct opts_cmd cmd = {
        .name = "cancel", .args = "JOB|STAGE|SWEEP", .min_args = 1, .max_args = 1,
        .help = "Cancel what has not ended: running jobs are stopped, what waits for them is skipped.\n"
                "saegrid requeue puts a job back.  STAGE may be SWEEP.STAGE; sweep:, stage: or job: before a\n"
                "name says which is meant."};

    return order(&cmd, argc, argv, &(struct control_order){.what = CONTROL_CANCEL});
}

int cmd_pause(int argc, char **argv)
{
    const struct opts_cmd cmd = {
        .name = "pause", .args = "[SWEEP]", .min_args = 0, .max_args = 1,
        .help = "Begin no more jobs of a sweep until `saegrid resume`; those that run go on to their end.\n"
                "It lasts beyond the end of the coordinator."};

    return order(&cmd, argc, argv, &(struct control_order){.what = CONTROL_PAUSE});
}

int cmd_resume(int argc, char **argv)
{
    const struct opts_cmd cmd = {.name = "resume", .args = "[SWEEP]", .min_args = 0, .max_args = 1,
                                 .help = "Take back `saegrid pause`."};

    return order(&cmd, argc, argv, &(struct control_order){.what = CONTROL_RESUME});
}

int cmd_priority(int argc, char **argv)
{
    const struct opts_cmd cmd = {
        .name = "priority", .args = "JOB|STAGE|SWEEP N", .min_args = 2, .max_args = 2,
        .help = "Set the priority of jobs that have not ended: higher runs earlier, 0 is usual.  What they wait\n"
                "for is raised with them while the sweep runs.  It outlasts later runs of the sweep file.\n"
                "Before a negative number write --."};

    return order(&cmd, argc, argv, &(struct control_order){.what = CONTROL_PRIORITY});
}
