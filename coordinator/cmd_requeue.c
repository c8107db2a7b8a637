/* cmd_requeue.c - saegrid requeue: put jobs back by hand, recording who, why and what mends them. */
#include "coordinator/cmd.h"
#include "coordinator/cmd_common.h"
#include "coordinator/fix.h"
#include "coordinator/manifest.h"
#include "coordinator/manifest_query.h"

#include "common/clock.h"

struct requeue {
    const char *results, *fix, *note, *class;
    bool failed;
};

static enum err_code check_words(const struct requeue *r, const struct opts_args *args, struct err *e)
{
    enum err_class class;

    if (r->class && !err_class_parse(r->class, &class))
        return err_set(e, ERR_USAGE, "--class %s: not one of external, infra, code, config", r->class);
    if ((r->class || r->failed) == (args->n > 0))
        return err_set(e, ERR_USAGE, "name jobs, or say --failed or --class CLASS, not both");
    return ERR_OK;
}

/* A table of row id and name, in the order of the ids' inputs. */
static enum err_code find(const struct requeue *r, const struct opts_args *args, struct table *jobs, struct err *e)
{
    struct query *q;
    enum err_code rc = query_open(r->results, &q, e);

    if (!rc && !args->n)
        rc = query_table(q, jobs, e, "SELECT id, run_name FROM job WHERE state IN ('failed', 'quarantined')"
                         " AND (?1 IS NULL OR class = ?1) ORDER BY id", "t", r->class);
    for (size_t i = 0; i < args->n && !rc; i++) {
        int64_t id;

        if (i == 0) {
            table_add_col(jobs, "id");
            table_add_col(jobs, "run_name");
        }
        rc = query_job(q, args->v[i], &id, e);
        if (!rc) {
            struct cell *row = table_add_row(jobs);
            cell_set_i64(&row[0], id);
            cell_set_text(&row[1], args->v[i]);
        }
    }
    query_close(q);
    return rc;
}

static enum err_code put_back(const struct requeue *r, const struct table *jobs, const char *commit, struct buf *out,
                              struct err *e)
{
    int64_t now = clock_system.wall_ms(&clock_system), n;
    struct manifest *m = NULL;
    enum err_code rc = manifest_open(r->results, 10000, &m, e);

    for (size_t i = 0; i < jobs->n_rows && !rc; i++) {
        rc = manifest_requeue(m, table_cell(jobs, i, 0)->i, commit, r->note, now, &n, e);
        if (!rc)
            buf_fmt(out, "%s: waits again%s\n", table_cell(jobs, i, 1)->text,
                    n > 1 ? ", and so do jobs that were skipped because of it" : "");
    }
    manifest_close(m);
    return rc;
}

static enum err_code requeue(const struct requeue *r, const struct opts_args *args, struct buf *out, struct err *e)
{
    struct table jobs = {0};
    struct buf commit = {0};
    enum err_code rc = check_words(r, args, e);

    if (!rc)
        rc = find(r, args, &jobs, e);
    if (!rc && r->fix)
        rc = fix_commit(r->fix, &commit, e);
    if (!rc && jobs.n_rows)
        rc = put_back(r, &jobs, commit.len ? commit.data : NULL, out, e);
    if (!rc)
        buf_str(out, jobs.n_rows ? "run the sweep again to go on\n" : "no such job: nothing to put back\n");
    table_free(&jobs);
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
        "COMMIT must exist in the git repository of the current folder; its full hash is recorded.",
        rows, ARRAY_LEN(rows), 0, 10000};
    struct opts_args args;
    struct buf out = {0};
    struct err e = {0};
    int rc;

    if (!cmd_start(&cmd, argc, argv, &args, &rc))
        return rc;
    r.results = cmd_results(results);
    rc = requeue(&r, &args, &out, &e) ? cmd_fail("requeue", &e) : 0;
    if (out.len)
        (void)cmd_put(&out);
    buf_free(&out);
    opts_free(&args);
    return rc;
}
