/* fix.c - see fix.h. */
#include "coordinator/fix.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/proc.h"

/* Until the end of the file; what does not fit is dropped. */
static void read_all(int fd, char *text, size_t size)
{
    size_t n = 0;
    ssize_t got;

    while (n + 1 < size && ((got = read(fd, text + n, size - 1 - n)) > 0 || (got < 0 && errno == EINTR)))
        n += got > 0 ? (size_t)got : 0;
    text[n] = '\0';
    text[strcspn(text, "\n")] = '\0';
}

static bool is_hash(const char *text)
{
    size_t n = strlen(text);

    for (size_t i = 0; i < n; i++)
        if (!isxdigit((unsigned char)text[i]))
            return false;
    return n == 40 || n == 64;
}

enum err_code fix_commit(const char *text, struct buf *hash, struct err *e)
{
    struct buf name = {0};
    struct proc_end end = {0};
    struct proc p;
    char out[128];
    int fd[2];

    if (!*text || *text == '-')
        return err_set(e, ERR_USAGE, "--fix %s: not a commit", text);
    if (pipe2(fd, O_CLOEXEC))
        return err_errno(e, errno, "pipe");
    buf_fmt(&name, "%s^{commit}", text);
    const char *const argv[] = {"/usr/bin/env", "git", "rev-parse", "--verify", "--quiet", name.data, NULL};
    struct proc_opts o = {.argv = argv, .stdin_fd = -1, .stdout_fd = fd[1], .stderr_fd = -1, .extra_fd = -1};
    enum err_code rc = proc_spawn(&p, &o, e);
    close(fd[1]);
    if (!rc) {
        read_all(fd[0], out, sizeof out);
        (void)proc_wait(&p, true, &end);
        if (end.exit_code != 0 || !is_hash(out))
            rc = err_set(e, ERR_INVALID, "--fix %s: no such commit in the git repository of this folder: commit the "
                         "fix, and be in its repository", text);
        else
            buf_str(hash, out);
    }
    close(fd[0]);
    buf_free(&name);
    return rc;
}
