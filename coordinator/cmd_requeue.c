/* cmd_requeue.c - saegrid requeue: put jobs back by hand, recording who, why and what mends them. */
#include "coordinator/cmd.h"
#include "coordinator/cmd_common.h"
#include "coordinator/fix.h"
#include "coordinator/manifest.h"
#include "coordinator/manifest_query.h"

#include <string.h>

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

static const char go_on[] = "run the sweep again to go on\n";

struct wish {
    const char *fix, *note, *class;
    bool failed;
};

static enum err_code put_back(struct manifest *m, int64_t job, const char *name, const struct wish *w,
                              struct buf *out, struct err *e)
{
    int64_t n, now = clock_system.wall_ms(&clock_system);
    enum err_code rc = manifest_requeue(m, job, w->fix, w->note, now, &n, e);

    if (!rc)
        buf_fmt(out, "%s: waits again%s\n", name,
                n > 1 ? ", and so do jobs that were skipped because of it" : "");
    return rc;
}

/* The failed and quarantined jobs of the sweeps (of all, without names), if asked only of a class. */
static enum err_code list_failed(const char *results, const struct opts_args *args, const struct wish *w,
                                 struct table *t, struct err *e)
{
    static const char sql[] =
        "SELECT DISTINCT j.id, j.run_name FROM job j JOIN sweep_job sj ON sj.job = j.id JOIN sweep s ON s.id = sj.sweep"
        " AND s.revision = sj.revision WHERE j.state IN ('failed', 'quarantined') AND (?1 IS NULL OR j.class = ?1)"
        " AND (?1 IS NOT NULL OR ?3 IS NOT NULL OR j.class IS NOT 'code')"
        " AND (?2 IS NULL OR s.name = ?2) ORDER BY j.id";
    const char *sweep = args->n ? args->v[0] : NULL;
    struct query *q;
    int64_t id;
    enum err_code rc = query_open(results, &q, e);

    if (!rc && sweep)
        rc = query_sweep(q, sweep, &id, e);
    if (!rc)
        rc = query_table(q, t, e, sql, "ttt", w->class, sweep, w->fix);
    query_close(q);
    return rc;
}

static enum err_code requeue_failed(const char *results, const struct opts_args *args, const struct wish *w,
                                    struct buf *out, struct err *e)
{
    struct manifest *m = NULL;
    struct table t = {0};
    enum err_code rc = list_failed(results, args, w, &t, e);

    if (!rc && t.n_rows)
        rc = manifest_open(results, 10000, &m, e);
    for (size_t i = 0; i < t.n_rows && !rc; i++)
        rc = put_back(m, table_cell(&t, i, 0)->i, table_cell(&t, i, 1)->text, w, out, e);
    manifest_close(m);
    if (!rc && t.n_rows)
        buf_str(out, go_on);
    else if (!rc)
        buf_fmt(out, "no job has failed%s%s\n", w->class ? " by class " : "", w->class ? w->class : "");
    table_free(&t);
    return rc;
}

static enum err_code requeue_named(const char *results, const struct opts_args *args, const struct wish *w,
                                   struct buf *out, struct err *e)
{
    struct manifest *m = NULL;
    int64_t job = 0;
    enum err_code rc = find(results, args->v[0], &job, e); /* before anything is created */

    if (!rc)
        rc = manifest_open(results, 10000, &m, e);
    for (size_t i = 0; i < args->n && !rc; i++) {
        rc = find(results, args->v[i], &job, e);
        if (!rc)
            rc = put_back(m, job, args->v[i], w, out, e);
    }
    manifest_close(m);
    if (!rc)
        buf_str(out, go_on);
    return rc;
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
        "Put failed, quarantined, skipped or cancelled jobs back; what was skipped because of them follows.",
        rows, ARRAY_LEN(rows), 0, 10000};
    struct opts_args args;
    struct buf out = {0}, commit = {0};
    struct err e = {0};
    int rc = 0;

    if (!cmd_start(&cmd, argc, argv, &args, &rc))
        return rc;
    results = cmd_results(results);
    if (check_wish(&w, &args, &e) || check_fix(&w, &commit, &e) || (w.failed ? requeue_failed(results, &args, &w, &out, &e)
                                               : requeue_named(results, &args, &w, &out, &e)))
        rc = cmd_fail("requeue", &e);
    if (out.len)
        (void)cmd_put(&out);
    buf_free(&out);
    buf_free(&commit);
    opts_free(&args);
    return rc;
}
