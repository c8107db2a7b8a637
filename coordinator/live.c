/* live.c - see live.h. */
#include "coordinator/live.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/json.h"

enum { EVERY_MS = 1000, SIZE_MAX_READ = 64 << 20 };

void live_open(struct live *l, int n_ranks)
{
    *l = (struct live){.rows = calloc((size_t)n_ranks, sizeof *l->rows), .n_ranks = n_ranks};
    if (!l->rows)
        l->n_ranks = 0; /* then nothing is shown */
}

void live_note(struct live *l, int rank, const struct msg_PROGRESS *m)
{
    if (rank < 0 || rank >= l->n_ranks)
        return;
    struct live_row *r = &l->rows[rank];
    *r = (struct live_row){m->job, m->epoch, m->step, m->total, ""};
    snprintf(r->text, sizeof r->text, "%s", m->text ? m->text : "");
    l->is_changed = true;
}

static void put_row(struct jsonw *w, const struct live_row *r)
{
    jw_open(w, '{');
    jw_key(w, "job");
    jw_i64(w, r->job);
    jw_key(w, "epoch");
    jw_i64(w, r->epoch);
    jw_key(w, "step");
    jw_i64(w, r->step);
    jw_key(w, "total");
    jw_i64(w, r->total);
    jw_key(w, "text");
    jw_str(w, r->text);
    jw_close(w, '}');
}

static void paths_of(const char *results, struct buf *path, struct buf *tmp)
{
    buf_fmt(path, "%s/progress.json", results);
    buf_fmt(tmp, "%s.tmp", path->data);
}

static void replace(const char *results, const struct buf *text)
{
    struct buf path = {0}, tmp = {0};

    paths_of(results, &path, &tmp);
    int fd = open(tmp.data, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd >= 0) {
        bool ok = write(fd, text->data, text->len) == (ssize_t)text->len;
        ok = close(fd) == 0 && ok;
        if (!ok || rename(tmp.data, path.data))
            unlink(tmp.data);
    }
    buf_free(&path);
    buf_free(&tmp);
}

void live_write(struct live *l, const char *results, int64_t now_ms)
{
    struct buf text = {0};
    struct jsonw w;

    if (!l->is_changed || now_ms < l->next_ms)
        return;
    l->is_changed = false;
    l->next_ms = now_ms + EVERY_MS;
    jw_init(&w, &text, false);
    jw_open(&w, '{');
    jw_key(&w, "jobs");
    jw_open(&w, '[');
    for (int r = 0; r < l->n_ranks; r++)
        if (l->rows[r].job)
            put_row(&w, &l->rows[r]);
    jw_close(&w, ']');
    jw_close(&w, '}');
    buf_char(&text, '\n');
    replace(results, &text);
    buf_free(&text);
}

void live_close(struct live *l, const char *results)
{
    struct buf path = {0}, tmp = {0};

    paths_of(results, &path, &tmp);
    if (l->next_ms)
        unlink(path.data);
    buf_free(&path);
    buf_free(&tmp);
    free(l->rows);
    *l = (struct live){0};
}

struct json *live_read(const char *results)
{
    struct buf path = {0}, tmp = {0};
    struct json *root = NULL;
    struct err e;

    paths_of(results, &path, &tmp);
    if (access(path.data, R_OK) != 0 || json_read(path.data, SIZE_MAX_READ, &root, &e))
        root = NULL;
    buf_free(&path);
    buf_free(&tmp);
    return root;
}

void live_find(const struct json *live, int64_t job, int64_t epoch, struct buf *out)
{
    const struct json *list = live ? json_get(live, "jobs") : NULL;
    int64_t id, ep, step, total;

    for (const struct json *r = list ? json_first(list) : NULL; r; r = json_next(r)) {
        if (!json_i64(json_get(r, "job"), &id) || !json_i64(json_get(r, "epoch"), &ep) || id != job ||
            ep != epoch || !json_i64(json_get(r, "step"), &step) ||
            !json_i64(json_get(r, "total"), &total))
            continue;
        buf_fmt(out, "%" PRId64, step);
        if (total > 0)
            buf_fmt(out, "/%" PRId64, total);
        const char *text = json_str(json_get(r, "text"));
        if (text && *text)
            buf_fmt(out, " %s", text);
        return;
    }
}
