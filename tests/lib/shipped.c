/* shipped.c - see shipped.h. */
#include "tests/lib/shipped.h"

#include <stdio.h>
#include <stdlib.h>

const char *shipped_path(const char *relative)
{
    static char path[4096];
    const char *root = getenv("SAEGRID_SOURCE");

    snprintf(path, sizeof path, "%s/%s", root ? root : ".", relative);
    return path;
}
