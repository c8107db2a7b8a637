/* runner_call.c - see runner_call.h. */
#include "coordinator/runner_call.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/fs.h"
#include "coordinator/cmd_common.h"

enum { ARGS_MAX = 32 };

int runner_become(const char *name, const char *const *args)
{
    const char *argv[ARGS_MAX + 2];
    struct buf path = {0};
    struct err e = {0};
    size_t n = 1;

    if (fs_exe_dir(&path, &e))
        return cmd_fail(name, &e);
    buf_str(&path, "/saegrid-runner");
    argv[0] = path.data;
    for (size_t i = 0; args[i] && i < ARGS_MAX; i++)
        argv[n++] = args[i];
    argv[n] = NULL;
    fflush(NULL);
    execv(path.data, (char *const *)argv);
    err_set(&e, ERR_UNAVAILABLE, "%s: cannot be started: %s", path.data, strerror(errno));
    buf_free(&path);
    return cmd_fail(name, &e);
}
