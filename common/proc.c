/* proc.c - see proc.h.
 *
 * Children are made by posix_spawn, which copies no page tables and runs no atfork handlers, so
 * it is safe in an MPI rank.  A child has our descriptors 0-2 (or what it was given), perhaps
 * 3, and no other; its signals are at their defaults.
 */
#include "common/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/oom.h"

extern char **environ;

enum { FD_COUNT = 4 };

/* Copies of the descriptors to hand over, above the places they will take. */
struct fds {
    int fd[FD_COUNT];
};

static void fds_close(struct fds *f)
{
    for (int i = 0; i < FD_COUNT; i++) {
        if (f->fd[i] >= 0)
            close(f->fd[i]);
    }
}

static enum err_code fds_copy(struct fds *f, const struct proc_opts *o, struct err *e)
{
    const int from[FD_COUNT] = {o->stdin_fd, o->stdout_fd, o->stderr_fd, o->extra_fd};

    *f = (struct fds){{-1, -1, -1, -1}};
    for (int i = 0; i < FD_COUNT; i++) {
        if (from[i] < 0)
            continue;
        f->fd[i] = fcntl(from[i], F_DUPFD_CLOEXEC, FD_COUNT);
        if (f->fd[i] < 0) {
            enum err_code rc = err_errno(e, errno, "spawn %s: descriptor %d", o->argv[0], from[i]);

            fds_close(f);
            return rc;
        }
    }
    return ERR_OK;
}

static int add_actions(posix_spawn_file_actions_t *a, const struct proc_opts *o,
                       const struct fds *f)
{
    int rc = 0;

    if (f->fd[0] < 0)
        rc = posix_spawn_file_actions_addopen(a, 0, "/dev/null", O_RDONLY, 0);
    for (int i = 0; i < FD_COUNT && !rc; i++) {
        if (f->fd[i] >= 0)
            rc = posix_spawn_file_actions_adddup2(a, f->fd[i], i);
    }
    if (!rc)
        rc = posix_spawn_file_actions_addclosefrom_np(a, o->extra_fd >= 0 ? 4 : 3);
    if (!rc && o->cwd)
        rc = posix_spawn_file_actions_addchdir_np(a, o->cwd);
    return rc;
}

static int set_attributes(posix_spawnattr_t *a, bool own_group)
{
    short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
    sigset_t none, all;

    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(a, &none);
    posix_spawnattr_setsigdefault(a, &all);
    if (own_group) {
        flags |= POSIX_SPAWN_SETPGROUP;
        posix_spawnattr_setpgroup(a, 0);
    }
    return posix_spawnattr_setflags(a, flags);
}

static int spawn(pid_t *pid, const struct proc_opts *o, const struct fds *f, char *const *env)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    int rc = posix_spawn_file_actions_init(&actions);

    if (rc)
        return rc;
    rc = posix_spawnattr_init(&attr);
    if (!rc) {
        rc = add_actions(&actions, o, f);
        if (!rc)
            rc = set_attributes(&attr, o->own_group);
        if (!rc)
            rc = posix_spawn(pid, o->argv[0], &actions, &attr, (char *const *)o->argv, env);
        posix_spawnattr_destroy(&attr);
    }
    posix_spawn_file_actions_destroy(&actions);
    return rc;
}

enum err_code proc_spawn(struct proc *p, const struct proc_opts *o, struct err *e)
{
    char **own = NULL;
    enum err_code rc;
    struct fds f;
    int errnum;

    *p = (struct proc){.pid = -1, .pidfd = -1};
    rc = fds_copy(&f, o, e);
    if (rc)
        return rc;
    if (!o->env)
        own = proc_clean_env();
    errnum = spawn(&p->pid, o, &f, o->env ? (char *const *)o->env : own);
    fds_close(&f);
    proc_env_free(own);
    if (errnum) {
        p->pid = -1;
        return err_set(e, ERR_UNAVAILABLE, "start %s: %s", o->argv[0], strerror(errnum));
    }
    p->pidfd = (int)syscall(SYS_pidfd_open, p->pid, 0); /* close-on-exec; -1 before Linux 5.3 */
    return ERR_OK;
}

void proc_adopt(struct proc *p, pid_t pid)
{
    setpgid(pid, pid); /* as it does itself: whoever comes first */
    *p = (struct proc){.pid = pid, .pidfd = (int)syscall(SYS_pidfd_open, pid, 0)};
}

static double seconds(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec * 1e-6;
}

bool proc_wait(struct proc *p, bool block, struct proc_end *end)
{
    struct rusage use = {0};
    int status = 0;
    pid_t got;

    do
        got = wait4(p->pid, &status, block ? 0 : WNOHANG, &use);
    while (got < 0 && errno == EINTR);
    if (got == 0)
        return false;
    *end = (struct proc_end){.exit_code = -1};
    if (got > 0) {
        if (WIFEXITED(status))
            end->exit_code = WEXITSTATUS(status);
        else
            end->signal = WTERMSIG(status);
        end->dumped_core = WIFSIGNALED(status) && WCOREDUMP(status);
        end->user_s = seconds(use.ru_utime);
        end->sys_s = seconds(use.ru_stime);
        end->maxrss_kib = use.ru_maxrss;
    }
    if (p->pidfd >= 0)
        close(p->pidfd);
    p->pidfd = -1;
    return true;
}

void proc_signal_group(const struct proc *p, int sig)
{
    /* The group may outlive its leader.  A child without its own group is signalled alone. */
    if (p->pid > 1 && kill(-p->pid, sig) && errno == ESRCH && p->pidfd >= 0)
        kill(p->pid, sig);
}

static bool starts_with(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

static bool is_launcher_variable(const char *s, bool keep_mca)
{
    static const char *const prefixes[] = {"OMPI_", "PMIX_", "PMI_", "ORTE_", "PRTE_"};

    if (starts_with(s, "OMPI_ALLOW_RUN_AS_ROOT") || (keep_mca && starts_with(s, "OMPI_MCA_")))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
        if (starts_with(s, prefixes[i]))
            return true;
    }
    return false;
}

static void *must(void *p)
{
    if (!p)
        oom_exit("environment");
    return p;
}

char **proc_clean_env(void)
{
    const char *keep = getenv("SAEGRID_KEEP_MCA");
    bool keep_mca = keep && strcmp(keep, "1") == 0;
    size_t n = 0, kept = 0;
    char **env;

    while (environ[n])
        n++;
    env = must(calloc(n + 1, sizeof *env));
    for (size_t i = 0; i < n; i++) {
        if (!is_launcher_variable(environ[i], keep_mca))
            env[kept++] = must(strdup(environ[i]));
    }
    return env;
}

void proc_env_free(char **env)
{
    for (size_t i = 0; env && env[i]; i++)
        free(env[i]);
    free(env);
}

void proc_die_with_parent(int sig, pid_t expected_parent)
{
    prctl(PR_SET_PDEATHSIG, sig);
    if (getppid() != expected_parent)
        _exit(128 + sig);
}

/* True if `cpu` is the first of its core's hardware threads that we may use. */
static bool is_first_of_core(int cpu, const cpu_set_t *ours)
{
    char path[96], text[256] = "";
    bool is_first = true;
    FILE *f;

    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu);
    f = fopen(path, "re");
    if (!f)
        return true;
    if (!fgets(text, sizeof text, f))
        text[0] = '\0';
    fclose(f);
    for (char *p = text; *p >= '0' && *p <= '9';) { /* "0,4" or "0-1" */
        long from = strtol(p, &p, 10), to = from;

        if (*p == '-')
            to = strtol(p + 1, &p, 10);
        for (long i = from; i <= to && i < cpu; i++)
            is_first = is_first && !(i < CPU_SETSIZE && CPU_ISSET((size_t)i, ours));
        p += *p == ',';
    }
    return is_first;
}

int proc_cores(void)
{
    cpu_set_t ours;
    int n = 0;

    CPU_ZERO(&ours);
    if (sched_getaffinity(0, sizeof ours, &ours))
        return 1;
    for (int i = 0; i < CPU_SETSIZE; i++)
        n += CPU_ISSET((size_t)i, &ours) && is_first_of_core(i, &ours);
    return n > 0 ? n : 1;
}
