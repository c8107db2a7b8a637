/* boot.c - see boot.h. */
#include "worker/eval/boot.h"

#include <stdint.h>
#include <stdlib.h>

#include "common/stats.h"

static double resampled_mean(const double *x, size_t n, struct pcg64 *rng)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += x[pcg64_below(rng, (uint32_t)n)];
    return sum / (double)n;
}

static struct interval percentiles(double *x, size_t n)
{
    stats_sort(x, n);
    return (struct interval){stats_quantile(x, n, 0.025), stats_quantile(x, n, 0.975)};
}

enum err_code boot_ratio(struct interval *out, const double *a, size_t n_a, struct pcg64 *rng_a,
                         const double *b, size_t n_b, struct pcg64 *rng_b, size_t n_boot,
                         struct err *e)
{
    double *ratio = malloc((n_boot ? n_boot : 1) * sizeof *ratio);

    if (!ratio)
        return err_set(e, ERR_NOMEM, "bootstrap: %zu resamples: out of memory", n_boot);
    for (size_t i = 0; i < n_boot; i++) {
        double top = resampled_mean(a, n_a, rng_a);

        ratio[i] = top / resampled_mean(b, n_b, rng_b);
    }
    *out = percentiles(ratio, n_boot);
    free(ratio);
    return ERR_OK;
}

/* Mean over pairs of distinct seeds; count [n] says how often each was drawn. */
static double mean_of_draw(const double *pair, const uint32_t *count, size_t n)
{
    double sum = 0, weight = 0;

    for (size_t i = 0; i < n; i++)
        for (size_t j = i + 1; count[i] && j < n; j++) {
            double w = (double)count[i] * (double)count[j];

            sum += w * pair[i * n + j];
            weight += w;
        }
    return sum / weight;
}

enum err_code boot_seeds(struct interval *out, const double *pair, size_t n, struct pcg64 *rng,
                         size_t n_boot, struct err *e)
{
    double *mean = malloc((n_boot ? n_boot : 1) * sizeof *mean);
    uint32_t *count = calloc(n, sizeof *count);

    if (!mean || !count) {
        free(mean);
        free(count);
        return err_set(e, ERR_NOMEM, "bootstrap: %zu resamples: out of memory", n_boot);
    }
    for (size_t b = 0; b < n_boot; b++) {
        size_t distinct = 0;

        while (distinct < 2) {
            distinct = 0;
            for (size_t i = 0; i < n; i++)
                count[i] = 0;
            for (size_t i = 0; i < n; i++)
                distinct += count[pcg64_below(rng, (uint32_t)n)]++ == 0;
        }
        mean[b] = mean_of_draw(pair, count, n);
    }
    *out = percentiles(mean, n_boot);
    free(mean);
    free(count);
    return ERR_OK;
}
