/* row.h - what the rows of the kinds share; included by <kind>.c files only. */
#pragma once
#include <stdlib.h>

#include "common/kinds/kind.h"

/* Makes the row visible to kind.c under the name that kinds.def gives it. */
#define KIND_ROW(name)                                                                             \
    extern const struct job_kind kind_##name;                                                      \
    const struct job_kind kind_##name

static const double kind_flops UNUSED = 50e9; /* one core; estimates only */

/* A knob as a number; `otherwise` if neither the kind nor an ancestor has it. */
static inline double kind_num(const char *(*get)(void *ctx, const char *name), void *ctx,
                              const char *name, double otherwise)
{
    const char *text = get(ctx, name);

    return text ? strtod(text, NULL) : otherwise;
}
