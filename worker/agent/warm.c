/* warm.c - see warm.h.
 *
 * The answer comes from the new process itself.  If it does not come in time, the warm runner is
 * killed and the socket closed: a process that has not answered by then ends by itself.
 */
#include "worker/agent/warm.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/log.h"
#include "common/rundir.h"
#include "worker/agent/runner_env.h"

void warm_init(struct warm *w, const char *runner)
{
    *w = (struct warm){.runner = runner, .fd = -1, .proc = {-1, -1}};
}

void warm_close(struct warm *w)
{
    struct proc_end end;

    if (w->fd < 0)
        return;
    close(w->fd);
    w->fd = -1;
    proc_signal_group(&w->proc, SIGKILL);
    proc_wait(&w->proc, true, &end);
}

static void fail(struct warm *w, const char *why)
{
    log_warn("agent.warm", "why=\"%s\"", why);
    w->n_failed++;
    warm_close(w);
}

static bool is_open(struct warm *w)
{
    const char *const argv[] = {w->runner, "warm", NULL};
    int pair[2];
    struct err e;

    if (w->fd >= 0)
        return true;
    if (!w->runner || w->n_failed >= WARM_TRIES ||
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
        return false;
    char **env = runner_env(1);
    struct proc_opts o = {.argv = argv, .env = (const char *const *)env, .stdin_fd = pair[1],
                          .stdout_fd = -1, .stderr_fd = -1, .extra_fd = -1, .own_group = true};
    enum err_code rc = proc_spawn(&w->proc, &o, &e);
    proc_env_free(env);
    close(pair[1]);
    w->fd = pair[0];
    if (!rc)
        return true;
    close(w->fd);
    w->fd = -1;
    w->n_failed++;
    log_warn("agent.warm", "why=\"%s\"", e.text);
    return false;
}

static bool send_order(const struct warm *w, const struct buf *order, const int *fds, size_t n_fds)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(2 * sizeof(int))];
    } control = {0};
    struct iovec io = {order->data, order->len};
    struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1};

    if (n_fds) {
        m.msg_control = control.bytes;
        m.msg_controllen = CMSG_SPACE(n_fds * sizeof *fds);
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        *c = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS,
                              .cmsg_len = CMSG_LEN(n_fds * sizeof *fds)};
        memcpy(CMSG_DATA(c), fds, n_fds * sizeof *fds);
    }
    return sendmsg(w->fd, &m, MSG_NOSIGNAL) == (ssize_t)order->len;
}

/* 0: no answer, or an error. */
static pid_t receive_pid(struct warm *w)
{
    struct pollfd p = {.fd = w->fd, .events = POLLIN};
    char text[32] = "";
    int rc;

    do
        rc = poll(&p, 1, WARM_WAIT_MS);
    while (rc < 0 && errno == EINTR);
    if (rc <= 0) {
        proc_signal_group(&w->proc, SIGKILL);
        shutdown(w->fd, SHUT_RD); /* from here on nobody can answer; what is said already counts */
    }
    if (recv(w->fd, text, sizeof text - 1, MSG_DONTWAIT) <= 0)
        return 0;
    long pid = strtol(text, NULL, 10);
    return pid > 1 ? (pid_t)pid : 0;
}

static bool order(struct warm *w, const struct buf *text, const int *fds, size_t n_fds, struct proc *p)
{
    if (text->len >= RUN_ORDER_MAX || !is_open(w))
        return false;
    if (!send_order(w, text, fds, n_fds)) {
        fail(w, strerror(errno));
        return false;
    }
    pid_t pid = receive_pid(w);
    if (pid)
        proc_adopt(p, pid);
    else
        fail(w, "the warm runner does not answer");
    return pid != 0;
}

bool warm_run(struct warm *w, const char *tmp, int threads, int log_fd, int progress_fd,
              struct proc *p)
{
    const int fds[] = {log_fd, progress_fd};
    struct buf text = {0};

    buf_fmt(&text, "run %d %s", threads, tmp);
    bool is_made = order(w, &text, fds, 2, p);
    buf_free(&text);
    return is_made;
}

bool warm_settle(struct warm *w, const char *const *tmp, size_t n, struct proc *p)
{
    struct buf text = {0};

    buf_str(&text, "settle ");
    for (size_t i = 0; i < n; i++)
        buf_add(&text, tmp[i], strlen(tmp[i]) + 1);
    bool is_made = order(w, &text, NULL, 0, p);
    buf_free(&text);
    return is_made;
}
