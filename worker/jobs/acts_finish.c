/* acts_finish.c - see acts_finish.h. */
#include "worker/jobs/acts_finish.h"

#include <stdlib.h>
#include <string.h>

#include "common/kinds/acts_extract.h"
#include "common/rng.h"
#include "worker/data/acts.h"
#include "worker/data/surrogate.h"
#include "worker/jobs/spectrum.h"

static int by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

const uint32_t *acts_choose(size_t n, size_t n_all, uint64_t seed, struct arena *a)
{
    uint32_t *keep = arena_new(a, uint32_t, n_all);
    struct rng r = rng_stream(seed, "acts.subset");

    if (n == n_all)
        return NULL;
    rng_perm(&r, keep, n_all);
    qsort(keep, n, sizeof *keep, by_number);
    return keep;
}

static enum err_code replace_rows(float *rows, size_t n, size_t d,
                                  const struct acts_extract_cfg *c, struct err *e)
{
    if (!strcmp(c->surrogate, "gaussian"))
        return surrogate_gaussian(rows, n, d, (uint64_t)c->seed, e);
    if (!strcmp(c->surrogate, "shuffle"))
        return surrogate_shuffle(rows, n, d, (uint64_t)c->seed, e);
    return ERR_OK;
}

/* What a table about these rows has to say of their model. */
static void carry_model(struct job *j)
{
    static const char *const names[][2] = {{"leak", "leak"}, {"val_acc", "base_acc"}};
    double value;

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (job_input_metric(job_input(j, "model"), names[i][0], &value))
            job_metric(j, names[i][1], value);
}

static enum err_code report(struct job *j, const float *rows, size_t n, size_t d, bool has_out,
                            struct err *e)
{
    const struct acts_extract_cfg *c = j->cfg;
    struct rank rank;

    if (spectrum_report(j, &rank, rows, n, d, e))
        return err_wrap(e, "effective rank");
    carry_model(j);
    job_summary(j, "`%s` of block %lld at position `%s`: %zu rows of %zu, effective rank %.1f.",
                c->hook, (long long)c->layer, c->position, n, d, rank.erank);
    if (has_out)
        job_summary(j, "Row by row with `%s`: acts_out.pt.", c->hook_out);
    if (strcmp(c->surrogate, "none"))
        job_summary(j, "Control rows: %s surrogate of those activations.", c->surrogate);
    return ERR_OK;
}

enum err_code acts_finish(struct job *j, float *rows, const float *out, size_t n, size_t d,
                          struct err *e)
{
    if (replace_rows(rows, n, d, j->cfg, e) || acts_write(job_path(j, ACTS_FILE), rows, n, d, e) ||
        (out && acts_write(job_path(j, ACTS_OUT_FILE), out, n, d, e)))
        return e->code;
    return report(j, rows, n, d, out != NULL, e);
}
