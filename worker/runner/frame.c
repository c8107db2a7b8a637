/* frame.c - see frame.h.
 *
 * Order of the end, each step safe to repeat: figures, config.yaml, metrics.json, summary.md,
 * series.csv, result.json with the digests of all of them, fsync of the tree, rename; then the
 * state for resuming goes.  A folder without ".tmp" therefore always holds a complete result, and
 * killing us at any moment leaves either that or a folder that the next attempt goes on from.  An
 * agent may do the last three for several jobs at once (warm.h).
 */
#include "worker/runner/frame.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "common/fs.h"
#include "common/log.h"
#include "common/rundir.h"
#include "worker/num/blas.h"
#include "worker/runner/crash.h"
#include "worker/runner/outputs.h"

enum { RESULT_FILE_MAX = 1 << 30 };

/* Absolute path of FOLDER.tmp, which must have that suffix; it need not exist if FOLDER does. */
static enum err_code absolute_dir(const char *given, struct buf *out, struct err *e)
{
    char parent[PATH_MAX];
    size_t n = strlen(given);

    while (n > 1 && given[n - 1] == '/')
        n--;
    buf_add(out, given, n);
    if (n < 5 || strcmp(out->data + n - 4, ".tmp") != 0 || out->data[n - 5] == '/')
        return err_set(e, ERR_USAGE, "%s: a folder to run must be named NAME.tmp", given);
    char *slash = strrchr(out->data, '/');
    char *name = text_copy(slash ? slash + 1 : out->data);
    if (slash)
        slash[slash == out->data ? 1 : 0] = '\0';
    if (!realpath(slash ? out->data : ".", parent)) {
        err_errno(e, errno, "%s", given);
        free(name);
        return e->code;
    }
    buf_reset(out);
    buf_fmt(out, "%s/%s", strcmp(parent, "/") == 0 ? "" : parent, name);
    free(name);
    return ERR_OK;
}

/* *is_done: FOLDER holds the result of the job in `dir` (or of any, if `dir` is gone). */
static enum err_code check_done(const char *dir, bool *is_done, struct err *e)
{
    struct buf path = {0};
    struct json *result = NULL, *wanted = NULL;
    enum err_code rc = ERR_OK;

    *is_done = false;
    buf_add(&path, dir, strlen(dir) - strlen(".tmp"));
    if (!fs_is_dir(path.data)) {
        buf_free(&path);
        return ERR_OK;
    }
    if (!rundir_is_complete(path.data))
        rc = err_set(e, ERR_CORRUPT, "%s: exists without a result: move it away", path.data);
    buf_str(&path, "/" RUN_RESULT_FILE);
    if (!rc)
        rc = json_read(path.data, RESULT_FILE_MAX, &result, e);
    const char *have = rc ? NULL : json_str(json_get(result, "job"));
    if (!rc && fs_is_dir(dir)) {
        struct buf job = {0};

        buf_fmt(&job, "%s/%s", dir, RUN_JOB_FILE);
        rc = json_read(job.data, RESULT_FILE_MAX, &wanted, e);
        const char *id = rc ? NULL : json_str(json_get(wanted, "job"));
        if (!rc && (!have || !id || strcmp(have, id) != 0))
            rc = err_set(e, ERR_INVALID, "%s: holds the result of job %s, not of %s", path.data,
                         have ? have : "?", id ? id : "?");
        buf_free(&job);
    }
    *is_done = !rc;
    if (*is_done) { /* we may have been killed just before this */
        path.data[strlen(path.data) - strlen("/" RUN_RESULT_FILE)] = '\0';
        job_state_drop(path.data);
    }
    json_free(result);
    json_free(wanted);
    buf_free(&path);
    return rc;
}

static enum err_code plan(struct job *j, struct err *e)
{
    struct job_plan plan = {0};
    struct job_private *p = j->priv;

    crash_phase("plan");
    if (p->impl->plan && p->impl->plan(j, &plan, e))
        return err_wrap(e, "plan");
    p->library_bytes = plan.library_bytes;
    if (j->common.memory > 0 && plan.arena_bytes + plan.library_bytes > (uint64_t)j->common.memory)
        return err_set(e, ERR_INVALID, "plan: %zu bytes are needed, `memory` allows %" PRId64,
                       plan.arena_bytes + plan.library_bytes, j->common.memory);
    if (arena_open(&p->arena, j->kind->name, plan.arena_bytes, e))
        return err_wrap(e, "plan");
    progress_line(&p->progress, clock_ms(j->clock), 0, plan.n_steps, "");
    return ERR_OK;
}

static enum err_code run(struct job *j, struct err *e)
{
    enum err_code rc;

    crash_phase("run");
    rc = j->priv->impl->run(j, e);
    progress_flush(&j->priv->progress);
    if (rc && err_class(rc) == ERR_CLASS_SCIENCE) { /* a result, with its reason */
        job_verdict(j, "negative", e->text);
        return ERR_OK;
    }
    return rc;
}

/* Anonymous memory that we hold: what a plan is about; mapped files are shared.  0: not known. */
static double anonymous_bytes(void)
{
    struct buf text = {0};
    struct err e;
    double kib = 0;

    if (!fs_read("/proc/self/status", 1 << 16, &text, &e)) {
        const char *at = strstr(text.data, "RssAnon:");

        kib = at ? strtod(at + strlen("RssAnon:"), NULL) : 0;
    }
    buf_free(&text);
    return 1024 * kib;
}

static void measure(struct job *j)
{
    const struct arena *a = &j->priv->arena;
    struct rusage use;

    if (a->size > 0) { /* still all held */
        job_metric(j, "mem_planned", (double)(a->size + j->priv->library_bytes));
        job_metric(j, "mem_peak", (double)(a->peak + j->priv->library_bytes));
        job_metric(j, "mem_anon", anonymous_bytes());
    }
    getrusage(RUSAGE_SELF, &use);
    job_metric(j, "wall_s", (double)(j->clock->mono_us(j->clock) - j->priv->started_us) / 1e6);
    job_metric(j, "peak_rss", (double)use.ru_maxrss * 1024);
}

static enum err_code finish(struct job *j, bool leaves_sync, struct err *e)
{
    struct err plot_err;

    crash_phase("finish");
    measure(j);
    provenance_fill(j);
    enum err_code drawn = figures_draw(j, &plot_err);
    if (drawn == ERR_STOPPED) /* gnuplot was killed, and again: the next attempt has them all */
        return err_set(e, drawn, "%s", plot_err.text);
    if (drawn) {
        log_warn("job.figures", "job=%s why=\"%s\"", j->run_id, plot_err.text);
        job_provenance(j, "figures", "none: %s", plot_err.text);
    }
    if (out_promised(j, e))
        return e->code;
    if (out_config(j, e) || out_metrics(j, e) || out_summary(j, e) || out_series(j, e) ||
        out_events(j, e) || out_result(j, e))
        return err_wrap(e, "write the result");
    if (leaves_sync)
        return ERR_OK;
    if (fs_sync_tree(j->dir, e))
        return err_wrap(e, "write the result");
    if (fs_rename_dir(j->dir, j->priv->final, e))
        return e->code;
    job_state_drop(j->priv->final);
    return ERR_OK;
}

static enum err_code attempt(const struct frame_opts *o, const char *dir, struct err *e)
{
    struct job *j;

    crash_phase("load");
    if (job_load(&j, dir, o->clock, e)) {
        job_unload(j);
        return e->code;
    }
    crash_job(j->run_id);
    j->priv->progress.fd = o->progress_fd;
    j->priv->stop = o->stop;
    blas_threads_set((int)j->common.threads);
    enum err_code rc = leftovers_remove(dir, e);
    if (!rc)
        rc = plan(j, e);
    if (!rc)
        rc = run(j, e);
    if (!rc)
        rc = finish(j, o->leaves_sync, e);
    if (rc == ERR_NOT_FOUND && j->priv->path_err.code) { /* a folder that could not be made: not our config */
        *e = j->priv->path_err;
        rc = e->code;
    }
    if (rc)
        rc = err_wrap(e, "job %s", j->run_id);
    crash_job(NULL);
    job_unload(j);
    return rc;
}

enum err_code frame_run(const struct frame_opts *o, struct err *e)
{
    struct buf dir = {0};
    enum err_code rc;
    bool is_done = false;

    rc = absolute_dir(o->dir, &dir, e);
    if (!rc)
        rc = check_done(dir.data, &is_done, e);
    if (!rc && is_done)
        rc = fs_remove_tree(dir.data, e);
    else if (!rc && !fs_is_dir(dir.data))
        rc = err_set(e, ERR_NOT_FOUND, "%s: no such folder", dir.data);
    else if (!rc) {
        rc = attempt(o, dir.data, e);
        if (rc)
            out_error(dir.data, e);
    }
    buf_free(&dir);
    return rc;
}
