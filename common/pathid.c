/* pathid.c - see pathid.h. */
#include "common/pathid.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/fs.h"
#include "common/sha256.h"

#define PREFIX "sha256:"
enum { DEPTH_MAX = 8, FILES_MAX = 10000 };

struct listing {
    char **line;
    size_t n, cap;
};

static enum err_code add_line(struct listing *l, const char *path, const char *rel, struct err *e)
{
    struct buf b = {0};
    uint8_t digest[32];
    uint64_t size;
    char hex[65];

    if (l->n == FILES_MAX)
        return err_set(e, ERR_INVALID, "more than %d files: not the folder of one artefact", FILES_MAX);
    if (sha256_file(path, digest, &size, e))
        return e->code;
    if (l->n == l->cap) {
        size_t cap = l->cap ? 2 * l->cap : 16;
        char **grown = realloc(l->line, cap * sizeof *grown);

        if (!grown)
            return err_set(e, ERR_NOMEM, "%s: out of memory", path);
        l->line = grown;
        l->cap = cap;
    }
    buf_fmt(&b, "%s %s\n", rel, hex_text(hex, digest, sizeof digest));
    l->line[l->n++] = buf_steal(&b);
    return ERR_OK;
}

static enum err_code list_folder(struct listing *l, const char *root, const char *rel, int depth,
                                 struct err *e);

static enum err_code list_entry(struct listing *l, const char *root, const char *rel, int depth,
                                struct err *e)
{
    struct buf path = {0};
    enum err_code rc = ERR_OK;
    struct stat own, st;

    buf_fmt(&path, "%s/%s", root, rel);
    if (lstat(path.data, &own) || stat(path.data, &st))
        rc = err_errno(e, errno, "%s", path.data);
    else if (S_ISDIR(own.st_mode))
        rc = list_folder(l, root, rel, depth + 1, e);
    else if (S_ISREG(st.st_mode))
        rc = add_line(l, path.data, rel, e);
    buf_free(&path);
    return rc;
}

static enum err_code list_folder(struct listing *l, const char *root, const char *rel, int depth,
                                 struct err *e)
{
    struct buf path = {0};
    enum err_code rc = ERR_OK;
    struct dirent *d;

    buf_fmt(&path, "%s/%s", root, rel);
    DIR *dir = depth < DEPTH_MAX ? opendir(path.data) : NULL;
    if (!dir)
        rc = err_errno(e, depth < DEPTH_MAX ? errno : ELOOP, "%s", path.data);
    while (!rc && dir && (d = readdir(dir)) != NULL) {
        struct buf sub = {0};

        if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, ".."))
            continue;
        buf_fmt(&sub, "%s%s%s", rel, *rel ? "/" : "", d->d_name);
        rc = list_entry(l, root, sub.data, depth, e);
        buf_free(&sub);
    }
    if (dir)
        closedir(dir);
    buf_free(&path);
    return rc;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static enum err_code digest_of(const char *path, uint8_t out[32], struct err *e)
{
    struct listing l = {0};
    struct sha256 sha;
    uint64_t size;
    enum err_code rc;

    if (!fs_is_dir(path))
        return sha256_file(path, out, &size, e);
    rc = list_folder(&l, path, "", 0, e);
    if (!rc && l.n == 0)
        rc = err_set(e, ERR_INVALID, "%s: an empty folder", path);
    if (!rc) {
        qsort(l.line, l.n, sizeof *l.line, by_text);
        sha256_init(&sha);
        for (size_t i = 0; i < l.n; i++)
            sha256_add(&sha, l.line[i], strlen(l.line[i]));
        sha256_end(&sha, out);
    }
    for (size_t i = 0; i < l.n; i++)
        free(l.line[i]);
    free(l.line);
    return rc;
}

enum err_code pathid_make(struct buf *out, const char *path, struct err *e)
{
    char real[PATH_MAX], hex[65];
    uint8_t digest[32];

    if (!realpath(path, real))
        return err_errno(e, errno, "%s", path);
    if (digest_of(real, digest, e))
        return e->code;
    buf_fmt(out, PREFIX "%s %s", hex_text(hex, digest, sizeof digest), real);
    return ERR_OK;
}

size_t pathid_len(const char *text)
{
    return strcspn(text, " ");
}

static bool has_digest(const char *text)
{
    size_t n = strlen(PREFIX) + 64;

    return !strncmp(text, PREFIX, strlen(PREFIX)) && strlen(text) > n && text[n] == ' ';
}

const char *pathid_path(const char *text)
{
    return has_digest(text) ? text + strlen(PREFIX) + 65 : text;
}

enum err_code pathid_verify(const char *text, struct err *e)
{
    uint8_t digest[32];
    char hex[65];

    if (!has_digest(text))
        return ERR_OK;
    if (digest_of(pathid_path(text), digest, e))
        return e->code;
    hex_text(hex, digest, sizeof digest);
    if (strncmp(hex, text + strlen(PREFIX), 64))
        return err_set(e, ERR_INVALID, "%s: has changed since the sweep was read: its SHA-256 was "
                       "%.12s..., now it is %.12s...", pathid_path(text), text + strlen(PREFIX), hex);
    return ERR_OK;
}
