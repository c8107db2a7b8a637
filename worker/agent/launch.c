/* launch.c - see launch.h. */
#include "worker/agent/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/fs.h"
#include "common/json.h"
#include "common/rundir.h"
#include "worker/agent/runner_env.h"

enum { WATCH_MS = 250, NICE = 5, READ_MAX = 64 << 10, ERROR_FILE_MAX = 1 << 20 };
#define CPU_SLACK_S 0.3 /* the kernel's limit counts ticks, its sums do not */

/* --- start -------------------------------------------------------------------------------- */

/* Not synced: the runner syncs its folder before the result counts, and a start without result
 * writes the file anew. */
static enum err_code write_file(const char *folder, const char *name, const char *text,
                                struct err *e)
{
    struct buf path = {0};
    enum err_code rc = ERR_OK;
    size_t n = strlen(text);

    buf_fmt(&path, "%s/%s", folder, name);
    int fd = open(path.data, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        rc = err_errno(e, errno, "create %s", path.data);
    for (size_t at = 0; !rc && at < n;) {
        ssize_t done = write(fd, text + at, n - at);

        if (done < 0 && errno != EINTR)
            rc = err_errno(e, errno, "write %s", path.data);
        at += done > 0 ? (size_t)done : 0;
    }
    if (fd >= 0 && close(fd) && !rc)
        rc = err_errno(e, errno, "write %s", path.data);
    buf_free(&path);
    return rc;
}

static void remove_file(const char *folder, const char *name)
{
    struct buf path = {0};

    buf_fmt(&path, "%s/%s", folder, name);
    unlink(path.data);
    buf_free(&path);
}

/* A file system without locks is no reason to refuse. */
static enum err_code lock_folder(struct launch *l, struct err *e)
{
    l->lock_fd = open(l->tmp.data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (l->lock_fd < 0)
        return err_errno(e, errno, "open %s", l->tmp.data);
    if (flock(l->lock_fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK)
        return err_set(e, ERR_BUSY, "%s: another agent still works in it", l->tmp.data);
    return ERR_OK;
}

static enum err_code prepare(struct launch *l, const struct launch_spec *s, struct err *e)
{
    struct buf path = {0};
    enum err_code rc;

    buf_fmt(&l->final, "%s/%s", s->results, s->dir);
    buf_fmt(&l->tmp, "%s.tmp", l->final.data);
    rc = fs_mkdirs(l->tmp.data, e);
    if (!rc)
        rc = lock_folder(l, e);
    if (rc)
        return rc;
    remove_file(l->tmp.data, RUN_ERROR_FILE);
    rc = write_file(l->tmp.data, RUN_JOB_FILE, s->payload, e);
    if (rc)
        return rc;
    buf_fmt(&path, "%s/%s", l->tmp.data, RUN_LOG_FILE);
    rc = caplog_open(&l->log, path.data, LAUNCH_LOG_CAP, e);
    buf_free(&path);
    return rc;
}

static enum err_code open_pipe(int fd[2], struct err *e)
{
    if (pipe2(fd, O_CLOEXEC))
        return err_errno(e, errno, "pipe");
    fcntl(fd[0], F_SETFL, O_NONBLOCK);
    return ERR_OK;
}

static enum err_code spawn(struct launch *l, const struct launch_spec *s, struct err *e)
{
    const char *const argv[] = {s->runner, "run", l->tmp.data, NULL};
    int log[2] = {-1, -1}, progress[2] = {-1, -1};
    enum err_code rc = open_pipe(log, e);

    if (!rc)
        rc = open_pipe(progress, e);
    if (!rc)
        l->is_warm = warm_run(s->warm, l->tmp.data, s->threads, log[1], progress[1], &l->proc);
    if (!rc && !l->is_warm) {
        char **env = runner_env(s->threads);
        struct proc_opts o = {.argv = argv, .env = (const char *const *)env, .stdin_fd = -1,
                              .stdout_fd = log[1], .stderr_fd = log[1], .extra_fd = progress[1],
                              .own_group = true};
        rc = proc_spawn(&l->proc, &o, e);
        proc_env_free(env);
    }
    if (log[1] >= 0)
        close(log[1]);
    if (progress[1] >= 0)
        close(progress[1]);
    l->log_fd = log[0];
    l->progress_fd = progress[0];
    if (!rc) /* relative: a sweep that was started with `nice` stays nice */
        setpriority(PRIO_PROCESS, (id_t)l->proc.pid, getpriority(PRIO_PROCESS, 0) + NICE);
    return rc;
}

static uint64_t count_oom_kills(void)
{
    struct buf text = {0};
    const char *at = NULL;
    uint64_t n = 0;

    if (fs_read("/proc/vmstat", 1 << 20, &text, NULL) == ERR_OK)
        at = strstr(text.data, "\noom_kill ");
    if (at)
        n = strtoull(at + strlen("\noom_kill "), NULL, 10);
    buf_free(&text);
    return n;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void close_all(struct launch *l)
{
    close_fd(&l->log_fd);
    close_fd(&l->progress_fd);
    close_fd(&l->lock_fd);
    caplog_close(&l->log);
    buf_free(&l->tmp);
    buf_free(&l->final);
    buf_free(&l->line);
    l->is_running = false;
}

/* Inherited by us or set by a wrapper of the runner. */
static void read_limits(struct launch *l)
{
    struct rlimit cpu, space;

    if (!prlimit(l->proc.pid, RLIMIT_CPU, NULL, &cpu))
        l->cpu_limit_s = cpu.rlim_max == RLIM_INFINITY ? INFINITY : (double)cpu.rlim_max;
    if (!prlimit(l->proc.pid, RLIMIT_AS, NULL, &space))
        l->is_space_limited = space.rlim_cur != RLIM_INFINITY;
}

enum err_code launch_start(struct launch *l, const struct launch_spec *s, int64_t now_ms,
                           struct err *e)
{
    *l = (struct launch){.log_fd = -1, .progress_fd = -1, .lock_fd = -1, .log = {.fd = -1},
                         .oom_before = l->oom_before, .oom_read_ms = l->oom_read_ms};
    enum err_code rc = prepare(l, s, e);
    if (!rc)
        rc = spawn(l, s, e);
    if (rc) {
        close_all(l);
        return rc;
    }
    l->is_running = true;
    l->start_ms = now_ms;
    l->timeout_at_ms = s->timeout_s > 0 ? now_ms + (int64_t)(s->timeout_s * 1000) : INT64_MAX;
    l->kill_at_ms = INT64_MAX;
    l->next_watch_ms = now_ms + WATCH_MS;
    l->memory = s->memory;
    l->cpu_limit_s = INFINITY;
    read_limits(l);
    if (!l->oom_read_ms || now_ms - l->oom_read_ms >= WATCH_MS) { /* the kernel takes its time */
        l->oom_before = count_oom_kills();
        l->oom_read_ms = now_ms;
    }
    return ERR_OK;
}

/* --- while it runs ------------------------------------------------------------------------ */

static void read_log(struct launch *l)
{
    char data[8192];
    size_t total = 0;

    while (l->log_fd >= 0 && total < READ_MAX) {
        ssize_t n = read(l->log_fd, data, sizeof data);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return;
        if (n == 0)
            close_fd(&l->log_fd);
        caplog_add(&l->log, data, (size_t)n);
        total += (size_t)n;
    }
}

/* "step total text"; anything else is ignored. */
static void take_progress(struct launch *l, const char *line)
{
    char *end;
    int64_t step = strtoll(line, &end, 10);

    if (end == line || *end != ' ')
        return;
    const char *second = end + 1;
    int64_t total = strtoll(second, &end, 10);
    if (end == second || (*end && *end != ' '))
        return;
    l->step = step;
    l->total = total;
    snprintf(l->text, sizeof l->text, "%s", *end ? end + 1 : "");
    l->has_news = true;
}

static void read_progress(struct launch *l)
{
    char data[4096];

    while (l->progress_fd >= 0) {
        ssize_t n = read(l->progress_fd, data, sizeof data);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return;
        if (n == 0)
            close_fd(&l->progress_fd);
        for (ssize_t i = 0; i < n; i++) {
            if (data[i] == '\n') {
                take_progress(l, l->line.len ? l->line.data : "");
                buf_reset(&l->line);
            } else if (l->line.len < 1000) {
                buf_char(&l->line, data[i]);
            }
        }
    }
}

static int64_t resident_bytes(pid_t pid)
{
    struct buf text = {0};
    char path[64];
    long long size = 0, resident = 0;

    snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    if (fs_read(path, 4096, &text, NULL) == ERR_OK && text.data &&
        sscanf(text.data, "%lld %lld", &size, &resident) != 2)
        resident = 0;
    buf_free(&text);
    return resident * (int64_t)sysconf(_SC_PAGESIZE);
}

static void watch(struct launch *l, int64_t now_ms)
{
    if (now_ms >= l->kill_at_ms) {
        proc_signal_group(&l->proc, SIGKILL);
        l->kill_at_ms = INT64_MAX;
    }
    if (now_ms >= l->timeout_at_ms) {
        l->timeout_at_ms = INT64_MAX;
        if (l->cause == CAUSE_NONE)
            l->cause = CAUSE_TIMEOUT;
        proc_signal_group(&l->proc, SIGTERM);
        l->kill_at_ms = now_ms + LAUNCH_GRACE_MS;
    }
    if (now_ms < l->next_watch_ms)
        return;
    l->next_watch_ms = now_ms + WATCH_MS;
    read_limits(l);
    if (l->memory > 0 && resident_bytes(l->proc.pid) > l->memory) {
        l->cause = CAUSE_MEMORY;
        proc_signal_group(&l->proc, SIGKILL);
    }
}

void launch_stop(struct launch *l, int64_t now_ms, bool is_now)
{
    if (!l->is_running)
        return;
    if (l->cause == CAUSE_NONE)
        l->cause = CAUSE_STOPPED;
    proc_signal_group(&l->proc, is_now ? SIGKILL : SIGTERM);
    if (l->kill_at_ms == INT64_MAX)
        l->kill_at_ms = now_ms + LAUNCH_GRACE_MS;
}

/* --- end ---------------------------------------------------------------------------------- */

/* The message of error.json, or "". */
static void read_error(struct launch *l, struct buf *out)
{
    struct buf path = {0};
    struct json *doc = NULL;

    buf_fmt(&path, "%s/%s", l->tmp.data, RUN_ERROR_FILE);
    if (fs_is_file(path.data) && json_read(path.data, ERROR_FILE_MAX, &doc, NULL) == ERR_OK) {
        const char *text = json_str(json_get(doc, "message"));
        buf_str(out, text ? text : "");
        json_free(doc);
    }
    buf_free(&path);
}

static bool has_result(const struct launch *l)
{
    return rundir_is_complete(l->final.data) || (l->is_warm && rundir_is_complete(l->tmp.data));
}

/* What killed it, if we did not.  A hard limit of CPU time of a second leaves no room for SIGXCPU. */
static enum outcome_cause find_cause(const struct launch *l, const struct proc_end *end)
{
    if (l->cause != CAUSE_NONE)
        return l->cause;
    if (end->signal == SIGKILL && end->user_s + end->sys_s >= l->cpu_limit_s - CPU_SLACK_S)
        return CAUSE_CPU;
    if (end->signal == SIGKILL && count_oom_kills() > l->oom_before)
        return CAUSE_OOM;
    if (end->exit_code == err_exit_code(ERR_NOMEM) && l->is_space_limited)
        return CAUSE_SPACE;
    return CAUSE_NONE;
}

bool launch_poll(struct launch *l, int64_t now_ms, struct launch_end *end)
{
    struct buf error = {0};

    if (!l->is_running)
        return false;
    bool has_ended = proc_wait(&l->proc, false, &end->proc);
    read_log(l);
    read_progress(l);
    if (!has_ended) {
        watch(l, now_ms);
        return false;
    }
    kill(-l->proc.pid, SIGKILL); /* children that it left behind */
    l->cause = find_cause(l, &end->proc);
    end->is_whole = l->is_warm && end->proc.exit_code == 0;
    end->outcome = outcome_of(&end->proc, l->cause, has_result(l));
    end->wall_ms = now_ms - l->start_ms;
    end->message = (struct buf){0};
    if (end->outcome.class != ERR_CLASS_NONE) {
        read_error(l, &error);
        outcome_message(&end->message, &end->proc, l->cause, error.data, caplog_last(&l->log));
    }
    buf_free(&error);
    end->is_whole = end->is_whole && end->outcome.class == ERR_CLASS_NONE;
    if (end->is_whole) { /* still ours until it has its name */
        end->tmp = buf_steal(&l->tmp);
        end->lock_fd = l->lock_fd;
        l->lock_fd = -1;
    }
    close_all(l);
    return true;
}
