/* fourier.c - see fourier.h. */
#include "worker/eval/fourier.h"

#include <math.h>
#include <stdlib.h>

#include "common/rng.h"
#include "common/stats.h"

/* |DFT at frequency w|^2 summed over the columns; `power` is of both signs of w. */
static double power_at(const real *x, const double *mean, size_t p, size_t d, size_t w)
{
    const double turn = 2 * M_PI * (double)w / (double)p;
    double sum = 0;

    for (size_t c = 0; c < d; c++) {
        double re = 0, im = 0;

        for (size_t i = 0; i < p; i++) {
            double v = (double)x[i * d + c] - mean[c];

            re += v * cos(turn * (double)i);
            im += v * sin(turn * (double)i);
        }
        sum += re * re + im * im;
    }
    return 2 * w == p ? sum : 2 * sum;
}

enum err_code fourier_concentration(double *out, const real *x, size_t p, size_t d, size_t top,
                                    struct err *e)
{
    size_t n = p / 2;
    double *power = calloc(n + d, sizeof *power), *mean = power + n, all = 0, most = 0;

    if (!power)
        return err_set(e, ERR_NOMEM, "fourier: %zu frequencies: out of memory", n);
    for (size_t i = 0; i < p; i++)
        for (size_t c = 0; c < d; c++)
            mean[c] += (double)x[i * d + c] / (double)p;
    for (size_t w = 1; w <= n; w++) {
        power[w - 1] = power_at(x, mean, p, d, w);
        all += power[w - 1];
    }
    stats_sort(power, n);
    for (size_t i = 0; i < top && i < n; i++)
        most += power[n - 1 - i];
    *out = all > 0 ? most / all : 0;
    free(power);
    return ERR_OK;
}

enum err_code fourier_random(double *out, size_t p, size_t d, size_t top, size_t n_draws,
                             uint64_t seed, struct err *e)
{
    struct rng r = rng_stream(seed, "fourier.random");
    real *x = malloc(p * d * sizeof *x);
    double sum = 0, one;
    enum err_code rc = x ? ERR_OK : err_set(e, ERR_NOMEM, "fourier: %zu x %zu: out of memory", p, d);

    for (size_t k = 0; !rc && k < n_draws; k++) {
        for (size_t i = 0; i < p * d; i++)
            x[i] = (real)rng_normal(&r);
        rc = fourier_concentration(&one, x, p, d, top, e);
        sum += rc ? 0 : one;
    }
    free(x);
    *out = sum / (double)n_draws;
    return rc;
}
