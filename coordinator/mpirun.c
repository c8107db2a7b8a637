/* mpirun.c - see mpirun.h. */
#include "coordinator/mpirun.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/fs.h"
#include "common/link.h"
#include "common/oom.h"
#include "common/proc.h"

extern char **environ;

enum { LOOK_US = 20000, FAREWELL_MS = 6000, KILL_MS = 4000, DRAIN_MS = 40000, DEAD_MS = 2000,
       START_MS = 30000 };

/* --- command line and environment --------------------------------------------------------- */

struct list {
    char **v;
    size_t n, cap;
};

static void add(struct list *l, const char *text)
{
    struct buf b = {0};

    if (l->n + 2 > l->cap) {
        l->cap = l->cap ? 2 * l->cap : 64;
        l->v = realloc(l->v, l->cap * sizeof *l->v);
        if (!l->v)
            oom_exit("mpirun");
    }
    buf_str(&b, text);
    l->v[l->n++] = buf_steal(&b);
    l->v[l->n] = NULL;
}

static void add_all(struct list *l, const char *const *texts)
{
    for (size_t i = 0; texts[i]; i++)
        add(l, texts[i]);
}

static void add_number(struct list *l, const char *name, long long n)
{
    char text[32];

    snprintf(text, sizeof text, "%lld", n);
    add(l, name);
    add(l, text);
}

static void add_serve(struct list *l, const struct mpirun *m, const char *bin, const char *status)
{
    struct buf program = {0};

    buf_fmt(&program, "%s/saegrid", bin);
    add(l, program.data);
    buf_free(&program);
    add_all(l, (const char *const[]){"serve", "--results", m->results, "--progress", m->progress,
                                     "--status", status, NULL});
    char term[32];
    snprintf(term, sizeof term, "%lldms", (long long)m->term_ms);
    add_all(l, (const char *const[]){"--term", term, NULL});
    add_number(l, "--parent", (long long)getpid());
    add_number(l, "--storage-wait", (long long)(m->storage_wait_s + 0.5));
    add(l, "--recorded");
    if (m->goes_on)
        add(l, "--go-on");
    if (m->profile)
        add_all(l, (const char *const[]){"--profile", m->profile, NULL});
    for (size_t i = 0; i < m->sets->n; i++)
        add_all(l, (const char *const[]){"--set", m->sets->v[i], NULL});
    add_all(l, (const char *const[]){"--", m->spec, NULL});
}

/* mpirun by way of ourselves, so that it does not outlive us (cmd_launch.c). */
static void add_program(struct list *l, const char *bin, const char *command, const char *mpirun)
{
    struct buf program = {0};
    char parent[32];

    buf_fmt(&program, "%s/saegrid", bin);
    snprintf(parent, sizeof parent, "%ld", (long)getpid());
    add_all(l, (const char *const[]){program.data, command, parent, mpirun, NULL});
    buf_free(&program);
}

char **mpirun_argv(const struct mpirun *m, const char *mpirun, const char *bin,
                   const char *status, const char *mpi_version)
{
    static const char *const flags[] = {"--enable-recovery", "--bind-to", "none", "--oversubscribe",
                                        "--mca", "pml", "ob1", "--mca", "btl", NULL};
    bool is_4 = strstr(mpi_version, " v4.") || strstr(mpi_version, " v3.");
    struct list l = {0};

    add_program(&l, bin, "launch", mpirun);
    add_all(&l, flags);
    add(&l, is_4 ? "self,vader,tcp" : "self,sm,tcp");
    if (m->has_ulfm)
        add_all(&l, (const char *const[]){"--with-ft", "ulfm", NULL});
    add_number(&l, "-n", m->n_agents + 1LL); /* rank 0 serves, the others become agents */
    add_serve(&l, m, bin, status);
    return l.v;
}

static bool is_set(char *const *env, const char *name)
{
    size_t n = strlen(name);

    for (; *env; env++)
        if (strncmp(*env, name, n) == 0 && (*env)[n] == '=')
            return true;
    return false;
}

/* Ours, what root needs, and the width of the terminal, which ranks cannot see. */
static char **make_env(void)
{
    static const char *const as_root[] = {
        "OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "PRTE_ALLOW_RUN_AS_ROOT",
        "PRTE_ALLOW_RUN_AS_ROOT_CONFIRM"};
    struct winsize size = {0};
    struct buf b = {0};
    struct list l = {0};

    for (char **item = environ; *item; item++)
        if (strncmp(*item, "COLUMNS=", 8) != 0)
            add(&l, *item);
    for (size_t i = 0; i < ARRAY_LEN(as_root) && geteuid() == 0; i++) {
        if (is_set(l.v, as_root[i]))
            continue;
        buf_reset(&b);
        buf_fmt(&b, "%s=1", as_root[i]);
        add(&l, b.data);
    }
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col) {
        buf_reset(&b);
        buf_fmt(&b, "COLUMNS=%d", size.ws_col);
        add(&l, b.data);
    }
    buf_free(&b);
    return l.v;
}

static enum err_code find_mpirun(struct buf *out, struct err *e)
{
    const char *own = getenv("SAEGRID_MPIRUN"), *path = getenv("PATH");

    if (own && *own) {
        buf_str(out, own);
        if (access(own, X_OK))
            return err_set(e, ERR_UNAVAILABLE, "SAEGRID_MPIRUN=%s: %s", own, strerror(errno));
        return ERR_OK;
    }
    for (const char *at = path ? path : "/usr/bin"; *at;) {
        size_t n = strcspn(at, ":");
        buf_reset(out);
        buf_add(out, n ? at : ".", n ? n : 1);
        buf_str(out, "/mpirun");
        if (access(out->data, X_OK) == 0)
            return ERR_OK;
        at += n + (at[n] == ':');
    }
    return err_set(e, ERR_UNAVAILABLE,
                   "mpirun: not found in PATH: install openmpi-bin, or set SAEGRID_MPIRUN");
}

/* --- watching ----------------------------------------------------------------------------- */

struct watch {
    const struct mpirun *m;
    const struct clock *clock;
    struct proc proc;
    const char *status;
    int pid, exit_code;      /* of the coordinator; -1: not known yet */
    bool is_up;              /* all ranks have found one another */
    int64_t start_ms;
    int n_sent;              /* drain signals handed on */
    int64_t term_at_ms, kill_at_ms;
};

static void read_status(struct watch *w)
{
    struct buf text = {0};
    const char *at;

    if (w->exit_code < 0 && fs_read(w->status, 4096, &text, NULL) == ERR_OK && text.len) {
        at = strstr(text.data, "pid ");
        if (at)
            w->pid = atoi(at + 4);
        w->is_up = w->is_up || strstr(text.data, "up ");
        at = strstr(text.data, "exit ");
        if (at)
            w->exit_code = atoi(at + 5);
    }
    buf_free(&text);
}

static void end_by(struct watch *w, int64_t now_ms, int64_t delay_ms)
{
    if (w->term_at_ms > now_ms + delay_ms)
        w->term_at_ms = now_ms + delay_ms;
}

static void watch_once(struct watch *w)
{
    int64_t now_ms = clock_ms(w->clock);

    read_status(w);
    while (w->n_sent < *w->m->drain && w->n_sent < 2) {
        kill(w->proc.pid, SIGUSR1);
        w->n_sent++;
        end_by(w, now_ms, DRAIN_MS);
    }
    if (w->exit_code >= 0)
        end_by(w, now_ms, FAREWELL_MS);
    else if (w->pid > 0 && kill(w->pid, 0) && errno == ESRCH)
        end_by(w, now_ms, DEAD_MS); /* it may just have written its exit code */
    else if (!w->is_up && now_ms - w->start_ms > START_MS)
        end_by(w, now_ms, 0); /* a rank died before MPI was up: the others wait for it for ever */
    if (now_ms >= w->term_at_ms) {
        kill(w->proc.pid, SIGTERM);
        w->term_at_ms = INT64_MAX;
        w->kill_at_ms = now_ms + KILL_MS;
    }
    if (now_ms >= w->kill_at_ms) {
        proc_signal_group(&w->proc, SIGKILL);
        w->kill_at_ms = INT64_MAX;
    }
}

/* The ranks look for these themselves, but what they find missing shows late. */
static enum err_code find_others(const char *bin, struct err *e)
{
    const char *runner = getenv("SAEGRID_RUNNER");
    struct buf path = {0};
    enum err_code rc = ERR_OK;

    buf_fmt(&path, "%s/saegrid-agent", bin);
    if (access(path.data, X_OK) == 0) {
        buf_reset(&path);
        if (runner && *runner)
            buf_str(&path, runner);
        else
            buf_fmt(&path, "%s/saegrid-runner", bin);
    }
    if (access(path.data, X_OK))
        rc = err_set(e, ERR_UNAVAILABLE, "%s: %s", path.data, strerror(errno));
    buf_free(&path);
    return rc;
}

static enum err_code start_and_watch(struct watch *w, const char *mpirun, const char *bin,
                                     struct err *e)
{
    char version[256], **env = make_env();
    struct proc_end end;

    link_mpi_version(version, sizeof version);
    char **argv = mpirun_argv(w->m, mpirun, bin, w->status, version);
    struct proc_opts o = {.argv = (const char *const *)argv, .env = (const char *const *)env,
                          .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1, .extra_fd = -1,
                          .own_group = true};
    w->start_ms = clock_ms(w->clock);
    enum err_code rc = proc_spawn(&w->proc, &o, e);
    while (!rc && !proc_wait(&w->proc, false, &end)) {
        watch_once(w);
        w->clock->sleep_us(w->clock, LOOK_US);
    }
    read_status(w);
    proc_env_free(argv);
    proc_env_free(env);
    return rc;
}

enum err_code mpirun_run(const struct mpirun *m, const struct clock *clock, int *exit_code,
                         struct err *e)
{
    struct watch w = {.m = m, .clock = clock, .pid = -1, .exit_code = -1,
                      .term_at_ms = INT64_MAX, .kill_at_ms = INT64_MAX};
    struct buf mpirun = {0}, bin = {0}, status = {0};
    const char *tmp = getenv("TMPDIR");
    enum err_code rc = find_mpirun(&mpirun, e);

    if (!rc)
        rc = fs_exe_dir(&bin, e);
    if (!rc)
        rc = find_others(bin.data, e);
    if (!rc) {
        buf_fmt(&status, "%s/saegrid-run-XXXXXX", tmp && *tmp ? tmp : "/tmp");
        int fd = mkostemp(status.data, O_CLOEXEC);
        if (fd < 0)
            rc = err_errno(e, errno, "create %s", status.data);
        else
            close(fd);
    }
    if (!rc) {
        w.status = status.data;
        rc = start_and_watch(&w, mpirun.data, bin.data, e);
        unlink(status.data);
    }
    *exit_code = w.exit_code;
    buf_free(&mpirun);
    buf_free(&bin);
    buf_free(&status);
    return rc;
}
