/* oom.c - see oom.h.  Allocates nothing. */
#include "common/oom.h"

#include <stdarg.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

void oom_exit(const char *fmt, ...)
{
    struct rlimit space;
    char text[512];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    dprintf(STDERR_FILENO, "out of memory: %s", n > 0 ? text : "?");
    if (!getrlimit(RLIMIT_AS, &space) && space.rlim_cur != RLIM_INFINITY)
        dprintf(STDERR_FILENO, "; the address space is limited to %llu MiB (ulimit -v)",
                (unsigned long long)space.rlim_cur >> 20);
    dprintf(STDERR_FILENO, "\n");
    _exit(err_exit_code(ERR_NOMEM));
}
