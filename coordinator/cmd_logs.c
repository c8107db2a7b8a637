/* cmd_logs.c - saegrid logs: a job's log, finished or running. */
#include "coordinator/cmd.h"
#include "coordinator/cmd_common.h"
#include "coordinator/manifest_query.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/rundir.h"

enum { POLL_US = 300000 };

struct where {
    struct buf done, running; /* paths of the log in the result and in the .tmp folder */
    bool is_leased, in_agent;
};

static enum err_code locate(const char *results, const char *text, struct where *w, struct err *e)
{
    struct table t = {0};
    struct query *q;
    int64_t job;
    enum err_code rc = query_open(results, &q, e);

    if (rc)
        return rc;
    rc = query_job(q, text, &job, e);
    if (!rc)
        rc = query_table(q, &t, e,
                         "SELECT s.name, j.run_name, j.state = 'leased', j.in_agent FROM job j"
                         " JOIN sweep s ON s.id = j.sweep WHERE j.id = ?", "i", job);
    if (!rc) {
        buf_reset(&w->done);
        buf_reset(&w->running);
        rundir_path(&w->done, results, t.cells[0].text, t.cells[1].text, false);
        rundir_path(&w->running, results, t.cells[0].text, t.cells[1].text, true);
        buf_str(&w->done, "/" RUN_LOG_FILE);
        buf_str(&w->running, "/" RUN_LOG_FILE);
        w->is_leased = t.cells[2].i;
        w->in_agent = t.cells[3].i;
    }
    table_free(&t);
    query_close(q);
    return rc;
}

/* Copies what is new to stdout; false if stdout is gone. */
static bool copy_new(int fd)
{
    char chunk[65536];
    ssize_t n;

    while ((n = read(fd, chunk, sizeof chunk)) > 0)
        if (fwrite(chunk, 1, (size_t)n, stdout) != (size_t)n)
            return false;
    return fflush(stdout) == 0;
}

static int open_log(const struct where *w)
{
    int fd = open(w->done.data, O_RDONLY | O_CLOEXEC);

    return fd >= 0 ? fd : open(w->running.data, O_RDONLY | O_CLOEXEC);
}

static enum err_code print_log(const char *results, const char *text, bool follow, struct err *e)
{
    struct where w = {0};
    enum err_code rc = locate(results, text, &w, e);
    int fd = rc ? -1 : open_log(&w);

    if (!rc && fd < 0)
        rc = err_set(e, ERR_NOT_FOUND, "%s: no log %s", text,
                     w.in_agent ? "(it runs inside the agent, without a folder)" : "yet");
    while (!rc && copy_new(fd) && follow && w.is_leased) {
        clock_system.sleep_us(&clock_system, POLL_US);
        rc = locate(results, text, &w, e); /* the folder is renamed when it ends; our file stays open */
        if (!rc && !w.is_leased)
            (void)copy_new(fd);
    }
    if (fd >= 0)
        close(fd);
    buf_free(&w.done);
    buf_free(&w.running);
    return rc;
}

int cmd_logs(int argc, char **argv)
{
    bool follow = false;
    const char *results = NULL;
    const struct opt rows[] = {OPT_FLAG("follow", 'f', &follow, "go on until the job ends"), OPT_RESULTS(&results)};
    const struct opts_cmd cmd = {"logs", "JOB", "Print the log (stdout and stderr) of a job, finished, failed or running.",
                                 rows, ARRAY_LEN(rows), 1, 1};
    struct opts_args args;
    struct err e = {0};
    int rc;

    if (!cmd_start(&cmd, argc, argv, &args, &rc))
        return rc;
    rc = print_log(cmd_results(results), args.v[0], follow, &e) ? cmd_fail("logs", &e) : 0;
    opts_free(&args);
    return rc;
}
