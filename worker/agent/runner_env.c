/* runner_env.c - see runner_env.h. */
#include "worker/agent/runner_env.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/oom.h"
#include "common/proc.h"

static bool is_ours(const char *item, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strncmp(item, names[i], strlen(names[i])) == 0 && item[strlen(names[i])] == '=')
            return true;
    return false;
}

char **runner_env(int threads)
{
    static const char *const names[] = {"OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS",
                                        "MKL_NUM_THREADS", "SAEGRID_PARENT"};
    char **clean = proc_clean_env();
    size_t n = 0, kept = 0;

    while (clean[n])
        n++;
    char **env = calloc(n + ARRAY_LEN(names) + 1, sizeof *env);
    if (!env)
        oom_exit("runner_env");
    for (size_t i = 0; i < n; i++) {
        if (is_ours(clean[i], names, ARRAY_LEN(names)))
            free(clean[i]);
        else
            env[kept++] = clean[i];
    }
    free(clean);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct buf b = {0};
        buf_fmt(&b, "%s=%d", names[i], i + 1 < ARRAY_LEN(names) ? threads : (int)getpid());
        env[kept++] = buf_steal(&b);
    }
    return env;
}
