/* impl.c - the kinds that this program can do, from kinds.def. */
#include "worker/runner/impl.h"

#include <string.h>

#if __has_include("worker/jobs/mock.c")
extern const struct job_impl job_impl_mock;
#define IMPL_mock &job_impl_mock
#else
#define IMPL_mock NULL
#endif
#if __has_include("worker/jobs/data_make.c")
extern const struct job_impl job_impl_data_make;
#define IMPL_data_make &job_impl_data_make
#else
#define IMPL_data_make NULL
#endif
#if __has_include("worker/jobs/lm_train.c")
extern const struct job_impl job_impl_lm_train;
#define IMPL_lm_train &job_impl_lm_train
#else
#define IMPL_lm_train NULL
#endif
#if __has_include("worker/jobs/acts_extract.c")
extern const struct job_impl job_impl_acts_extract;
#define IMPL_acts_extract &job_impl_acts_extract
#else
#define IMPL_acts_extract NULL
#endif
#if __has_include("worker/jobs/sae_train.c")
extern const struct job_impl job_impl_sae_train;
#define IMPL_sae_train &job_impl_sae_train
#else
#define IMPL_sae_train NULL
#endif
#if __has_include("worker/jobs/sae_random.c")
extern const struct job_impl job_impl_sae_random;
#define IMPL_sae_random &job_impl_sae_random
#else
#define IMPL_sae_random NULL
#endif
#if __has_include("worker/jobs/sae_compare.c")
extern const struct job_impl job_impl_sae_compare;
#define IMPL_sae_compare &job_impl_sae_compare
#else
#define IMPL_sae_compare NULL
#endif

static const struct job_impl *const impls[] = {
#define KIND(name) IMPL_##name,
#include "common/kinds/kinds.def"
#undef KIND
};

const struct job_impl *job_impl_find(const char *kind)
{
    for (size_t i = 0; i < ARRAY_LEN(impls); i++)
        if (impls[i] && strcmp(impls[i]->kind, kind) == 0)
            return impls[i];
    return NULL;
}
