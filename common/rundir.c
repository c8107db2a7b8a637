/* rundir.c - see rundir.h. */
#include "common/rundir.h"

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
