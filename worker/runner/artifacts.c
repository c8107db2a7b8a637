/* artifacts.c - the files of a result folder with sizes and digests. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/fs.h"
#include "common/rundir.h"
#include "common/sha256.h"
#include "worker/runner/outputs.h"
#include "worker/runner/tb.h"

/* Not artifacts: what others write, and the list itself; nor the state for resuming. */
static const char *const not_listed[] = {RUN_JOB_FILE, RUN_LOG_FILE, RUN_ERROR_FILE,
                                         RUN_RESULT_FILE};
/* Made anew from times, names and dates in every run. */
static const char *const volatile_files[] = {"config.yaml", "metrics.json", "summary.md",
                                             TB_EVENTS_FILE};

static bool is_among(const char *const *names, size_t n, const char *path)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(names[i], path) == 0)
            return true;
    return false;
}

static enum err_code add_file(struct artifact_list *l, const char *dir, const char *rel,
                              struct err *e)
{
    struct artifact a = {.is_volatile = is_among(volatile_files, ARRAY_LEN(volatile_files), rel)};
    struct buf path = {0};

    if (is_among(not_listed, ARRAY_LEN(not_listed), rel) || job_state_is_file(rel))
        return ERR_OK;
    buf_fmt(&path, "%s/%s", dir, rel);
    enum err_code rc = sha256_file(path.data, a.sha256, &a.bytes, e);
    buf_free(&path);
    if (rc)
        return rc;
    a.path = text_copy(rel);
    l->items = array_room(l->items, l->n, &l->cap, sizeof *l->items);
    l->items[l->n++] = a;
    return ERR_OK;
}

static enum err_code walk(struct artifact_list *l, const char *dir, const char *rel, int depth,
                          struct err *e)
{
    struct buf path = {0};
    enum err_code rc = ERR_OK;
    struct dirent *d;
    struct stat st;

    buf_fmt(&path, "%s/%s", dir, rel);
    DIR *list = depth < 16 ? opendir(path.data) : NULL;
    if (!list)
        rc = err_errno(e, depth < 16 ? errno : ELOOP, "%s", path.data);
    while (!rc && list && (d = readdir(list)) != NULL) {
        if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0 || fs_is_ghost(d->d_name))
            continue;
        struct buf sub = {0};
        buf_fmt(&sub, "%s%s%s", rel, *rel ? "/" : "", d->d_name);
        buf_reset(&path);
        buf_fmt(&path, "%s/%s", dir, sub.data);
        if (lstat(path.data, &st))
            rc = err_errno(e, errno, "%s", path.data);
        else if (S_ISDIR(st.st_mode))
            rc = walk(l, dir, sub.data, depth + 1, e);
        else if (S_ISREG(st.st_mode))
            rc = add_file(l, dir, sub.data, e);
        buf_free(&sub);
    }
    if (list)
        closedir(list);
    buf_free(&path);
    return rc;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct artifact *)a)->path, ((const struct artifact *)b)->path);
}

enum err_code artifacts_list(struct artifact_list *l, const char *dir, struct err *e)
{
    if (walk(l, dir, "", 0, e))
        return err_wrap(e, "digests");
    if (l->n)
        qsort(l->items, l->n, sizeof *l->items, by_path);
    return ERR_OK;
}

void artifacts_free(struct artifact_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->items[i].path);
    free(l->items);
    *l = (struct artifact_list){0};
}

/* Half-written files among the checkpoints. */
static enum err_code parts_remove(const char *dir, struct err *e)
{
    enum err_code rc = ERR_OK;
    struct buf path = {0};
    struct dirent *d;

    buf_fmt(&path, "%s/checkpoints", dir);
    DIR *list = opendir(path.data);
    while (list && !rc && (d = readdir(list)) != NULL) {
        size_t n = strlen(d->d_name);

        if (n < 5 || strcmp(d->d_name + n - 5, ".part") != 0)
            continue;
        buf_reset(&path);
        buf_fmt(&path, "%s/checkpoints/%s", dir, d->d_name);
        rc = fs_remove_tree(path.data, e);
    }
    if (list)
        closedir(list);
    buf_free(&path);
    return rc;
}

enum err_code leftovers_remove(const char *dir, struct err *e)
{
    static const char *const kept[] = {".", "..", RUN_JOB_FILE, RUN_LOG_FILE, "checkpoints"};
    enum err_code rc = ERR_OK;
    struct dirent *d;
    DIR *list = opendir(dir);

    if (!list)
        return err_errno(e, errno, "%s", dir);
    while (!rc && (d = readdir(list)) != NULL) {
        struct buf path = {0};

        if (is_among(kept, ARRAY_LEN(kept), d->d_name) || fs_is_ghost(d->d_name))
            continue;
        buf_fmt(&path, "%s/%s", dir, d->d_name);
        rc = fs_remove_tree(path.data, e);
        buf_free(&path);
    }
    closedir(list);
    if (!rc)
        rc = parts_remove(dir, e);
    return rc ? err_wrap(e, "remove what an earlier attempt left") : ERR_OK;
}
