/* tmpdir.c - see tmpdir.h. */
#include "tests/lib/tmpdir.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/fs.h"

char *tmpdir_make(void)
{
    const char *base = getenv("TMPDIR");
    struct buf b = {0};

    buf_fmt(&b, "%s/saegrid-test-XXXXXX", base && *base == '/' ? base : "/tmp");
    if (!mkdtemp(b.data)) {
        fprintf(stderr, "mkdtemp %s: %s\n", b.data, strerror(errno));
        abort();
    }
    return buf_steal(&b);
}

void tmpdir_remove(char *dir)
{
    struct err e;

    if (fs_remove_tree(dir, &e))
        fprintf(stderr, "%s\n", e.text);
    free(dir);
}

char *tmpdir_path(const char *dir, const char *name)
{
    struct buf b = {0};

    buf_fmt(&b, "%s/%s", dir, name);
    return buf_steal(&b);
}
