/* plot.c - see plot.h.
 *
 * One script with its data inline goes to gnuplot's standard input through an anonymous file, so
 * there is no temporary name, no shell and nothing to clean up.
 */
#include "common/plot.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/plot_script.h"
#include "common/proc.h"

enum { MESSAGE_MAX = 500 };

/* Path of gnuplot, appended to out; false if the PATH has none. */
static bool find_gnuplot(struct buf *out)
{
    const char *path = getenv("PATH");

    while (path && *path) {
        size_t n = strcspn(path, ":");

        buf_reset(out);
        buf_add(out, path, n);
        buf_str(out, "/gnuplot");
        if (n && access(out->data, X_OK) == 0)
            return true;
        path += n + (path[n] == ':');
    }
    return false;
}

bool plot_available(void)
{
    struct buf path = {0};
    bool is_there = find_gnuplot(&path);

    buf_free(&path);
    return is_there;
}

static int anonymous_file(const struct buf *content)
{
    int fd = memfd_create("plot", MFD_CLOEXEC);
    size_t at = 0;

    while (fd >= 0 && content && at < content->len) {
        ssize_t n = write(fd, content->data + at, content->len - at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            close(fd);
            return -1;
        }
        at += (size_t)n;
    }
    if (fd >= 0)
        lseek(fd, 0, SEEK_SET);
    return fd;
}

static enum err_code gnuplot_failed(int messages, const struct proc_end *end, struct err *e)
{
    char text[MESSAGE_MAX];
    ssize_t n = pread(messages, text, sizeof text - 1, 0);

    text[n > 0 ? n : 0] = '\0';
    for (char *c = text; *c; c++)
        if (*c == '\n')
            *c = ' ';
    if (end->signal)
        return err_set(e, ERR_STOPPED, "gnuplot: killed by signal %d: %s", end->signal, text);
    return err_set(e, ERR_IO, "gnuplot: exit code %d: %s", end->exit_code, text);
}

static enum err_code run_gnuplot(const struct buf *script, struct err *e)
{
    struct buf program = {0};
    struct proc proc;
    struct proc_end end;
    enum err_code rc;

    if (!find_gnuplot(&program)) {
        buf_free(&program);
        return err_set(e, ERR_UNAVAILABLE, "gnuplot: not on the PATH");
    }
    int in = anonymous_file(script), messages = anonymous_file(NULL);
    const char *argv[] = {program.data, "--default-settings", "-", NULL};
    struct proc_opts o = {.argv = argv, .stdin_fd = in, .stdout_fd = messages,
                          .stderr_fd = messages, .extra_fd = -1};
    if (in < 0 || messages < 0)
        rc = err_errno(e, errno, "memory for a script of gnuplot");
    else
        rc = proc_spawn(&proc, &o, e);
    if (!rc) {
        proc_wait(&proc, true, &end);
        if (end.signal || end.exit_code)
            rc = gnuplot_failed(messages, &end, e);
    }
    if (in >= 0)
        close(in);
    if (messages >= 0)
        close(messages);
    buf_free(&program);
    return rc;
}

enum err_code plot_write_all(const char *const *paths, const struct plot *plots, size_t n,
                             struct err *e)
{
    struct buf script = {0};
    enum err_code rc = ERR_OK;

    for (size_t i = 0; i < n && !rc; i++)
        rc = plot_script(&script, paths[i], &plots[i], e);
    if (!rc && n)
        rc = run_gnuplot(&script, e);
    for (size_t i = 0; i < n && !rc; i++)
        if (access(paths[i], R_OK))
            rc = err_errno(e, errno, "gnuplot wrote nothing: %s", paths[i]);
    buf_free(&script);
    return rc;
}

enum err_code plot_write(const char *path, const struct plot *p, struct err *e)
{
    return plot_write_all(&path, p, 1, e);
}
