/* caplog.c - see caplog.h. */
#include "worker/agent/caplog.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum err_code caplog_open(struct caplog *l, const char *path, size_t cap, struct err *e)
{
    *l = (struct caplog){.half = cap / 2};
    l->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (l->fd < 0)
        return err_errno(e, errno, "open %s", path);
    return ERR_OK;
}

static void put(struct caplog *l, const char *data, size_t n)
{
    while (n && l->fd >= 0) {
        ssize_t done = write(l->fd, data, n);

        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return;
        data += done;
        n -= (size_t)done;
    }
}

/* The runner's own words say more than the addresses of a stack that follow them. */
static bool is_own(const char *line)
{
    static const char own[] = "saegrid-runner: ";

    return strncmp(line, own, sizeof own - 1) == 0;
}

static void end_line(struct caplog *l)
{
    l->line[l->n_line] = '\0';
    if (strspn(l->line, " \t\r") < l->n_line && (is_own(l->line) || !is_own(l->last_line)))
        memcpy(l->last_line, l->line, l->n_line + 1);
    l->n_line = 0;
}

static void note_lines(struct caplog *l, const char *data, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (data[i] == '\n')
            end_line(l);
        else if (l->n_line < CAPLOG_LINE_MAX && data[i])
            l->line[l->n_line++] = data[i];
    }
}

static void keep(struct caplog *l, const char *data, size_t n)
{
    if (!l->ring)
        l->ring = malloc(l->half);
    for (size_t i = 0; l->ring && i < n; i++)
        l->ring[(l->n_rest + i) % l->half] = data[i];
    l->n_rest += n;
}

void caplog_add(struct caplog *l, const char *data, size_t n)
{
    size_t head = l->n_head + n <= l->half ? n : (size_t)(l->half - l->n_head);

    note_lines(l, data, n);
    put(l, data, head);
    l->n_head += head;
    if (head < n)
        keep(l, data + head, n - head);
}

void caplog_close(struct caplog *l)
{
    struct buf note = {0};

    if (l->fd < 0)
        return;
    if (l->n_rest > l->half) {
        size_t at = (size_t)(l->n_rest % l->half);
        buf_fmt(&note, "\n[... %" PRIu64 " bytes left out ...]\n", l->n_rest - l->half);
        put(l, note.data, note.len);
        if (l->ring) {
            put(l, l->ring + at, l->half - at);
            put(l, l->ring, at);
        }
    } else if (l->ring) {
        put(l, l->ring, (size_t)l->n_rest);
    }
    buf_free(&note);
    free(l->ring);
    close(l->fd);
    l->ring = NULL;
    l->fd = -1;
}

const char *caplog_last(struct caplog *l)
{
    if (l->n_line)
        end_line(l);
    return l->last_line;
}
