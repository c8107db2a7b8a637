/* tokstat.c - see tokstat.h. */
#include "worker/eval/tokstat.h"

#include <math.h>
#include <stdlib.h>

#include "common/stats.h"

enum err_code tokstat_new(struct tokstat *t, size_t n_vocab, size_t n_seeds, struct err *e)
{
    *t = (struct tokstat){.n_vocab = n_vocab, .n_seeds = n_seeds};
    t->sum = calloc(2 * n_vocab * n_seeds, sizeof *t->sum);
    t->n = t->sum ? t->sum + n_vocab * n_seeds : NULL;
    return t->sum ? ERR_OK : err_set(e, ERR_NOMEM, "%zu ids times %zu seeds", n_vocab, n_seeds);
}

void tokstat_free(struct tokstat *t)
{
    free(t->sum);
    *t = (struct tokstat){0};
}

void tokstat_add(struct tokstat *t, uint32_t id, size_t seed, double value)
{
    t->sum[id * t->n_seeds + seed] += value;
    t->n[id * t->n_seeds + seed]++;
}

/* Of sums and counts [n_seeds]. */
static struct tok_effect effect(const double *sum, const double *n, size_t n_seeds)
{
    struct tok_effect x = {.n = n[0], .mean = NAN, .low = NAN, .high = NAN};
    double *mean = calloc(n_seeds, sizeof *mean);

    if (!mean)
        abort(); /* as buf does */
    for (size_t s = 0; s < n_seeds; s++)
        mean[s] = n[s] > 0 ? sum[s] / n[s] : NAN;
    x.mean = stats_mean(mean, n_seeds);
    if (n_seeds > 1 && isfinite(x.mean))
        stats_t_interval(mean, n_seeds, 0.95, &x.low, &x.high);
    free(mean);
    return x;
}

struct tok_effect tokstat_of(const struct tokstat *t, uint32_t id)
{
    return effect(t->sum + id * t->n_seeds, t->n + id * t->n_seeds, t->n_seeds);
}

struct tok_effect tokstat_all(const struct tokstat *t)
{
    double *total = calloc(2 * t->n_seeds, sizeof *total);

    if (!total)
        abort(); /* as buf does */
    for (size_t id = 0; id < t->n_vocab; id++)
        for (size_t s = 0; s < t->n_seeds; s++) {
            total[s] += t->sum[id * t->n_seeds + s];
            total[t->n_seeds + s] += t->n[id * t->n_seeds + s];
        }
    const struct tok_effect x = effect(total, total + t->n_seeds, t->n_seeds);
    free(total);
    return x;
}

int tok_effect_is_moved(const struct tok_effect *x)
{
    return isfinite(x->low) && (x->low > 0 || x->high < 0);
}
