/* warm.c - see warm.h.
 *
 * CLONE_PARENT has no wrapper in libc.  The raw call is sound here because there is one thread, and
 * what libc would do on a fork (locks of other threads, handlers) has nothing to do.
 */
#include "worker/runner/warm.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/proc.h"
#include "common/rundir.h"
#include "common/sha256.h"
#include "worker/runner/crash.h"
#include "worker/runner/outputs.h"

enum { N_FDS = 2, SOCKET_FD = 10, FOLDERS_MAX = 1024 };

struct warm {
    int fd;                 /* the socket */
    warm_run_fn *run;
    char *program;
    struct buf env;         /* the strings of environ, out of the title's way */
    char *title;            /* where ps reads our command line, */
    size_t room;            /* and how much fits there */
    char order[RUN_ORDER_MAX];
    size_t n_order;
    int fds[N_FDS];         /* that came with it; -1: none */
};

/* argv and environ lie one behind the other; a title may take the place of both. */
static void title_open(struct warm *w, char **argv)
{
    extern char **environ;
    char *end = argv[0];
    size_t at = 0;

    w->program = text_copy(argv[0]);
    w->title = argv[0];
    for (char **v = argv; *v; v++)
        end = *v == end ? *v + strlen(*v) + 1 : end;
    for (char **v = environ; *v; v++) {
        end = *v == end ? *v + strlen(*v) + 1 : end;
        buf_add(&w->env, *v, strlen(*v) + 1);
    }
    for (char **v = environ; *v; v++, at += strlen(w->env.data + at) + 1)
        *v = w->env.data + at;
    w->room = (size_t)(end - argv[0]);
}

static void title_set(struct warm *w, const char *what)
{
    memset(w->title, 0, w->room);
    snprintf(w->title, w->room, "%s %s", w->program, what);
}

/* Bytes of the next order, 0 at the end. */
static size_t receive(struct warm *w)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof w->fds)];
    } control;
    struct iovec io = {w->order, sizeof w->order - 1};
    struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = control.bytes,
                       .msg_controllen = sizeof control.bytes};
    ssize_t n;

    do
        n = recvmsg(w->fd, &m, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    w->fds[0] = w->fds[1] = -1;
    if (n <= 0)
        return 0;
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    if (c && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof w->fds))
        memcpy(w->fds, CMSG_DATA(c), sizeof w->fds);
    w->order[n] = '\0';
    return w->n_order = (size_t)n;
}

static bool answer(const struct warm *w, long value)
{
    char text[24];
    int n = snprintf(text, sizeof text, "%ld", value);

    return send(w->fd, text, (size_t)n, MSG_NOSIGNAL) == n;
}

static void close_fds(struct warm *w, int above)
{
    for (int i = 0; i < N_FDS; i++)
        if (w->fds[i] > above)
            close(w->fds[i]);
}

/* --- in the new process ------------------------------------------------------------------- */

static int run_one(struct warm *w, const char *args)
{
    static const char *const names[] = {"OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"};
    char threads[24], *dir;
    struct buf title = {0};

    snprintf(threads, sizeof threads, "%ld", strtol(args, &dir, 10));
    if (*dir++ != ' ' || w->fds[0] < 0)
        return err_exit_code(ERR_USAGE);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) /* BLAS reads them when it is loaded */
        setenv(names[i], threads, 1);
    dup2(w->fds[0], STDOUT_FILENO);
    dup2(w->fds[0], STDERR_FILENO);
    dup2(w->fds[1], PROGRESS_FD);
    fcntl(PROGRESS_FD, F_SETFD, 0); /* it may have been there already, to be closed on exec */
    close_fds(w, PROGRESS_FD);
    buf_fmt(&title, "run %s", dir);
    title_set(w, title.data);
    buf_free(&title);
    return w->run(dir, (char *[]){w->program, (char[]){"run"}, dir, NULL}, true);
}

static void drop_state(const char *tmp)
{
    char *final = text_copy(tmp);

    final[strlen(final) - strlen(".tmp")] = '\0';
    job_state_drop(final);
    free(final);
}

static int settle(struct warm *w, const char *list)
{
    static const char *tmp[FOLDERS_MAX];
    const char *parent = getenv("SAEGRID_PARENT");
    struct err e = {0};
    size_t n = 0;

    if (parent && *parent)
        proc_die_with_parent(SIGKILL, (pid_t)strtol(parent, NULL, 10));
    for (; list < w->order + w->n_order && n < FOLDERS_MAX; list += strlen(list) + 1)
        tmp[n++] = list;
    title_set(w, "settle");
    enum err_code rc = rundir_settle(tmp, n, &e);
    for (size_t i = 0; i < n && !rc; i++)
        drop_state(tmp[i]);
    if (rc) /* the agent tries them one by one and says what is wrong */
        log_info("runner.settle", "why=\"%s\"", e.text);
    return err_exit_code(rc);
}

static int obey(struct warm *w)
{
    if (!answer(w, (long)getpid()))
        return 0;
    close(w->fd);
    setpgid(0, 0);
    if (strncmp(w->order, "run ", 4) == 0)
        return run_one(w, w->order + 4);
    if (strncmp(w->order, "settle ", 7) == 0)
        return settle(w, w->order + 7);
    return err_exit_code(ERR_USAGE);
}

/* Without the handlers of exit(): libraries tidy up there, page by copied page. */
static void leave(int code)
{
    fflush(NULL);
    _exit(code);
}

/* --- the warm one ------------------------------------------------------------------------- */

static pid_t fork_for_parent(void)
{
    return (pid_t)syscall(SYS_clone, CLONE_PARENT | SIGCHLD, NULL, NULL, NULL, NULL);
}

/* What every job would do first, and alike. */
static void warm_up(void)
{
    uint8_t digest[32];
    char iso[21];

    crash_install(); /* loads what the stack of a crash needs */
    sha256_of("", 0, digest);
    (void)clock_iso(iso, 0); /* reads the time zone */
    provenance_warm();
}

int warm_main(char **argv, warm_run_fn *run)
{
    static struct warm w; /* large */
    const char *parent = getenv("SAEGRID_PARENT");

    if (!parent || !*parent) {
        fputs("saegrid-runner: warm: for saegrid-agent alone, see saegrid-runner --help\n", stderr);
        return err_exit_code(ERR_USAGE);
    }
    proc_die_with_parent(SIGKILL, (pid_t)strtol(parent, NULL, 10));
    w.fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, SOCKET_FD);
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (w.fd < 0 || null < 0 || dup2(null, STDIN_FILENO) < 0) {
        fprintf(stderr, "saegrid-runner: warm: %s\n", strerror(errno));
        return err_exit_code(ERR_IO);
    }
    close(null);
    w.run = run;
    title_open(&w, argv);
    log_level_from_env();
    warm_up();
    while (receive(&w)) {
        pid_t pid = fork_for_parent();

        if (pid == 0)
            leave(obey(&w));
        if (pid < 0)
            answer(&w, -errno);
        close_fds(&w, STDERR_FILENO);
    }
    return 0;
}
