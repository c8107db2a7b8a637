/* rundir.c - see rundir.h. */
#include "common/rundir.h"

#include <stdlib.h>
#include <string.h>

#include "common/fs.h"

void rundir_path(struct buf *out, const char *results, const char *sweep, const char *run_id,
                 bool is_tmp)
{
    buf_fmt(out, "%s/experiments/%s/%s%s", results, sweep, run_id, is_tmp ? ".tmp" : "");
}

bool rundir_is_complete(const char *path)
{
    struct buf file = {0};

    buf_fmt(&file, "%s/%s", path, RUN_RESULT_FILE);
    bool is_there = fs_is_file(file.data);
    buf_free(&file);
    return is_there;
}

static const char suffix[] = ".tmp";

/* Those that still have the suffix, and all names without it; false: one never had it. */
static bool split(const char *const *tmp, size_t n, const char **left, size_t *n_left, char **final)
{
    for (size_t i = 0; i < n; i++) {
        struct buf b = {0};
        size_t len = strlen(tmp[i]), cut = len - (sizeof suffix - 1);

        if (len < sizeof suffix || strcmp(tmp[i] + cut, suffix) != 0)
            return false;
        buf_add(&b, tmp[i], cut);
        final[i] = buf_steal(&b);
        if (fs_is_dir(tmp[i]) || !rundir_is_complete(final[i]))
            left[(*n_left)++] = tmp[i];
    }
    return true;
}

enum err_code rundir_settle(const char *const *tmp, size_t n, struct err *e)
{
    const char **left = calloc(n + 1, sizeof *left);
    char **final = calloc(n + 1, sizeof *final);
    enum err_code rc = ERR_OK;
    size_t n_left = 0;

    if (!left || !final)
        rc = err_set(e, ERR_NOMEM, "settle: out of memory");
    else if (!split(tmp, n, left, &n_left, final))
        rc = err_set(e, ERR_BUG, "settle: a folder is not named NAME%s", suffix);
    if (!rc && n_left)
        rc = fs_sync_trees(left, n_left, e);
    if (!rc && n)
        rc = fs_rename_dirs(tmp, (const char *const *)final, n, e);
    for (size_t i = 0; final && i < n; i++)
        free(final[i]);
    free(final);
    free(left);
    return rc;
}
