/* fuzz.h - what the fuzz targets share: the entry point that libFuzzer (or replay.c) calls, and a file
 * that holds the input. */
#pragma once
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* A folder of this process, in memory where there is such a place; removed by nobody but the last
 * input's file stays small. */
static UNUSED const char *fuzz_dir(void)
{
    static char dir[64];

    if (!*dir) {
        snprintf(dir, sizeof dir, "%s/saegrid-fuzz-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
        if (!mkdtemp(dir))
            abort();
    }
    return dir;
}

static UNUSED const char *fuzz_file(const char *name, const uint8_t *data, size_t n)
{
    static char path[160];
    int fd;

    snprintf(path, sizeof path, "%s/%s", fuzz_dir(), name);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, data, n) != (ssize_t)n || close(fd))
        abort();
    return path;
}

/* At the end of a program. */
static UNUSED void fuzz_clean(const char *name)
{
    char path[160];

    snprintf(path, sizeof path, "%s/%s", fuzz_dir(), name);
    unlink(path);
    rmdir(fuzz_dir());
}
