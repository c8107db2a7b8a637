/* text.c - see text.h. */
#include "worker/data/text.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "common/fs.h"
#include "common/oom.h"

enum { DEPTH_MAX = 8, CHUNK = 1 << 16, STRETCH_MAX = 16 };

/* --- files --------------------------------------------------------------------------------- */
static void push(struct text_files *f, const char *path)
{
    if (f->n == f->cap) {
        f->cap = f->cap ? 2 * f->cap : 16;
        f->path = realloc(f->path, f->cap * sizeof *f->path);
    }
    char *copy = strdup(path);
    if (!f->path || !copy)
        oom_exit("text");
    f->path[f->n++] = copy;
}

static bool is_left_out(const char *name)
{
    return *name == '.' || !strncmp(name, "README", 6) || !strncmp(name, "LICENSE", 7);
}

static enum err_code walk(struct text_files *f, const char *folder, int depth, struct err *e)
{
    DIR *dir = depth < DEPTH_MAX ? opendir(folder) : NULL;
    struct buf path = {0};
    enum err_code rc = ERR_OK;
    struct dirent *d;

    if (!dir)
        return err_errno(e, depth < DEPTH_MAX ? errno : ELOOP, "%s", folder);
    while (!rc && (d = readdir(dir)) != NULL) {
        if (is_left_out(d->d_name))
            continue;
        buf_reset(&path);
        buf_fmt(&path, "%s/%s", folder, d->d_name);
        if (fs_is_dir(path.data))
            rc = walk(f, path.data, depth + 1, e);
        else if (fs_is_file(path.data))
            push(f, path.data);
    }
    closedir(dir);
    buf_free(&path);
    return rc;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

enum err_code text_list(struct text_files *f, const char *path, struct err *e)
{
    enum err_code rc = ERR_OK;

    *f = (struct text_files){0};
    if (fs_is_dir(path))
        rc = walk(f, path, 0, e);
    else if (fs_is_file(path))
        push(f, path);
    else
        rc = err_set(e, ERR_NOT_FOUND, "%s: no such file or folder", path);
    if (!rc && f->n == 0)
        rc = err_set(e, ERR_INVALID, "%s: no texts in it", path);
    if (rc)
        text_files_free(f);
    else
        qsort(f->path, f->n, sizeof *f->path, by_path);
    return rc;
}

void text_files_free(struct text_files *f)
{
    for (size_t i = 0; i < f->n; i++)
        free(f->path[i]);
    free(f->path);
    *f = (struct text_files){0};
}

/* --- reading ------------------------------------------------------------------------------- */
enum err_code text_open(struct text_reader *r, const char *path, enum text_unit unit,
                        size_t block_bytes, struct err *e)
{
    *r = (struct text_reader){.path = path, .unit = unit, .block_bytes = block_bytes};
    errno = 0;
    r->file = gzopen(path, "rb");
    if (!r->file)
        return err_errno(e, errno ? errno : ENOMEM, "open %s", path);
    return ERR_OK;
}

void text_close(struct text_reader *r)
{
    if (r->file)
        gzclose(r->file);
    buf_free(&r->buf);
    *r = (struct text_reader){0};
}

static enum err_code read_more(struct text_reader *r, struct err *e)
{
    char chunk[CHUNK];
    int got = gzread(r->file, chunk, CHUNK), number;

    if (got > 0) {
        if (r->at) {
            memmove(r->buf.data, r->buf.data + r->at, r->buf.len - r->at);
            r->buf.len -= r->at;
            r->at = 0;
        }
        buf_add(&r->buf, chunk, (size_t)got);
        return ERR_OK;
    }
    const char *why = gzerror(r->file, &number);
    if (number == Z_ERRNO)
        return err_errno(e, errno, "read %s", r->path);
    if (got < 0 || number != Z_OK)
        return err_set(e, ERR_INVALID, "%s: damaged gzip data: %s", r->path, why);
    r->is_over = true;
    return ERR_OK;
}

/* Length of the unit at the beginning of p[0..n), its line end in *end; 0: it is not over yet. */
static size_t line_len(struct text_reader *r, const char *p, size_t n, size_t *end)
{
    const char *nl = n > r->seen ? memchr(p + r->seen, '\n', n - r->seen) : NULL;

    *end = nl != NULL;
    return nl ? (size_t)(nl - p) : 0;
}

static size_t block_len(const struct text_reader *r, const char *p, size_t n)
{
    for (size_t i = r->block_bytes > 1 ? r->block_bytes : 1; i < n; i++) {
        bool is_blank = p[i - 1] == '\n' && p[i] != '\n' && (i < 2 || p[i - 2] == '\n');

        if (is_blank || i == STRETCH_MAX * r->block_bytes)
            return i;
    }
    return 0;
}

static bool is_blank_line(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!strchr(" \t\r\v\f", p[i]) || !p[i])
            return false;
    return true;
}

/* The next unit, if what is read holds one. */
static bool take_unit(struct text_reader *r, struct text_piece *p)
{
    const char *at = r->buf.data ? r->buf.data + r->at : "";
    size_t n = r->buf.len - r->at, end = 0, len = 0;

    if (r->unit == TEXT_LINE)
        len = line_len(r, at, n, &end);
    else
        len = block_len(r, at, n);
    if (len == 0 && end == 0) {
        if (!r->is_over || n == 0) {
            r->seen = r->unit == TEXT_LINE ? n : 0;
            return false;
        }
        len = n;
    }
    *p = (struct text_piece){at, len, true};
    r->at += len + end;
    r->seen = 0;
    return true;
}

/* A document as it is read; its end is a piece of its own. */
static bool next_of_document(struct text_reader *r, struct text_piece *p, enum err_code *rc,
                             struct err *e)
{
    if (r->is_over)
        return false;
    *rc = read_more(r, e);
    if (*rc)
        return false;
    *p = (struct text_piece){r->buf.data ? r->buf.data + r->at : "", r->buf.len - r->at, r->is_over};
    r->at = r->buf.len;
    return true;
}

bool text_next(struct text_reader *r, struct text_piece *p, enum err_code *rc, struct err *e)
{
    *rc = ERR_OK;
    if (r->unit == TEXT_DOCUMENT)
        return next_of_document(r, p, rc, e);
    for (;;) {
        if (take_unit(r, p)) {
            if (r->unit != TEXT_LINE || !is_blank_line(p->text, p->n))
                return true;
        } else if (r->is_over) {
            return false;
        } else {
            *rc = read_more(r, e);
            if (*rc)
                return false;
        }
    }
}

void word_count_add(struct word_count *w, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bool is_space = text[i] == ' ' || (text[i] >= '\t' && text[i] <= '\r');

        w->n += !is_space && !w->is_inside;
        w->is_inside = !is_space;
    }
}
