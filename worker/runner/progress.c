/* progress.c - see progress.h. */
#include "worker/runner/progress.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

int progress_fd_inherited(void)
{
    struct stat st;
    int flags = fcntl(PROGRESS_FD, F_GETFL);

    if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY || fstat(PROGRESS_FD, &st))
        return -1;
    if (!S_ISFIFO(st.st_mode) && !S_ISREG(st.st_mode))
        return -1;
    fcntl(PROGRESS_FD, F_SETFD, FD_CLOEXEC);
    return PROGRESS_FD;
}

void progress_flush(struct progress *p)
{
    int at = 0;

    while (p->fd >= 0 && at < p->n_pending) {
        ssize_t n = write(p->fd, p->pending + at, (size_t)(p->n_pending - at));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            p->fd = -1;
        else
            at += (int)n;
    }
    p->n_pending = 0;
}

void progress_line(struct progress *p, int64_t now_ms, int64_t step, int64_t total,
                   const char *text)
{
    int n;

    if (p->fd < 0)
        return;
    n = snprintf(p->pending, sizeof p->pending, "%" PRId64 " %" PRId64 " %s", step, total, text);
    if (n > (int)sizeof p->pending - 2)
        n = (int)sizeof p->pending - 2;
    for (int i = 0; i < n; i++)
        if (p->pending[i] == '\n' || p->pending[i] == '\r')
            p->pending[i] = ' ';
    p->pending[n] = '\n';
    p->n_pending = n + 1;
    if (now_ms < p->next_ms)
        return;
    p->next_ms = now_ms + PROGRESS_GAP_MS;
    progress_flush(p);
}
