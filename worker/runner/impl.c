/* impl.c - the kinds that this program can do, from kinds.def; one without code fails to link. */
#include "worker/runner/impl.h"

#include <string.h>

#define KIND(name) extern const struct job_impl job_impl_##name;
#include "common/kinds/kinds.def"
#undef KIND

static const struct job_impl *const impls[] = {
#define KIND(name) &job_impl_##name,
#include "common/kinds/kinds.def"
#undef KIND
};

const struct job_impl *job_impl_find(const char *kind)
{
    for (size_t i = 0; i < ARRAY_LEN(impls); i++)
        if (strcmp(impls[i]->kind, kind) == 0)
            return impls[i];
    return NULL;
}
