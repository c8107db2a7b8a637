/* manifest_lock.c - one coordinator a manifest: an OFD lock on results/manifest.sqlite.lock.
 *
 * The lock dies with its holder, so a text that is left over means nothing.  The text (host, pid,
 * since) only tells the second one who is first.
 */
#include "coordinator/manifest_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "coordinator/manifest_query.h"

enum { RETRY_US = 50000 };

static enum err_code busy(int fd, const char *path, struct err *e)
{
    char text[512] = "";
    ssize_t n = pread(fd, text, sizeof text - 1, 0);

    if (n < 0)
        n = 0;
    text[n] = '\0';
    text[strcspn(text, "\n")] = '\0';
    return err_set(e, ERR_BUSY, "%s: held by %s", path, *text ? text : "another process");
}

static enum err_code write_holder(int fd, const char *path, struct err *e)
{
    char host[256] = "unknown", since[21];
    struct buf b = {0};
    enum err_code rc = ERR_OK;

    gethostname(host, sizeof host - 1);
    buf_fmt(&b, "host %s pid %ld since %s\n", host, (long)getpid(),
            clock_iso(since, clock_system.wall_ms(&clock_system)));
    if (ftruncate(fd, 0) || pwrite(fd, b.data, b.len, 0) != (ssize_t)b.len)
        rc = err_errno(e, errno, "%s", path);
    buf_free(&b);
    return rc;
}

enum err_code manifest_lock(const char *results, int64_t wait_ms, int *fd, struct err *e)
{
    struct flock want = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int64_t end = clock_ms(&clock_system) + wait_ms;
    struct buf path = {0};
    enum err_code rc = ERR_OK;

    buf_fmt(&path, "%s/%s.lock", results, MANIFEST_FILE);
    *fd = open(path.data, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (*fd < 0)
        rc = err_errno(e, errno, "%s", path.data);
    while (!rc && fcntl(*fd, F_OFD_SETLK, &want) != 0) {
        if (errno != EAGAIN && errno != EACCES && errno != EINTR)
            rc = err_errno(e, errno, "%s: lock", path.data);
        else if (clock_ms(&clock_system) >= end)
            rc = busy(*fd, path.data, e);
        else
            clock_system.sleep_us(&clock_system, RETRY_US);
    }
    if (!rc)
        rc = write_holder(*fd, path.data, e);
    if (rc && *fd >= 0) {
        close(*fd);
        *fd = -1;
    }
    buf_free(&path);
    return rc;
}

void query_holder(const char *results, struct buf *out)
{
    struct flock ask = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    struct buf path = {0};
    char text[512];
    ssize_t n;
    int fd;

    buf_fmt(&path, "%s/%s.lock", results, MANIFEST_FILE);
    fd = open(path.data, O_RDWR | O_CLOEXEC); /* a write lock is asked about, so O_RDWR */
    if (fd >= 0) {
        n = fcntl(fd, F_OFD_GETLK, &ask) == 0 && ask.l_type != F_UNLCK ? pread(fd, text, sizeof text, 0) : 0;
        for (ssize_t i = 0; i < n && text[i] != '\n'; i++)
            buf_char(out, text[i]);
        close(fd);
    }
    buf_free(&path);
}

void manifest_unlock(int fd)
{
    if (fd < 0)
        return;
    (void)!ftruncate(fd, 0); /* the text only informs; the lock goes with the descriptor */
    close(fd);
}
