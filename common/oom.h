/* oom.h - the end of a program that is refused a few bytes it cannot do without. */
#pragma once
#include "common/err.h"

/* Says "out of memory: WHAT", and if the address space is limited (ulimit -v) so: to how much.  Exit code
 * 71 at once: no handler runs, what is on disk stays as after a kill. */
_Noreturn void oom_exit(const char *fmt, ...) PRINTF_LIKE(1, 2);
