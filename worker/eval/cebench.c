/* cebench.c - see cebench.h. */
#include "worker/eval/cebench.h"

#include <math.h>
#include <stdlib.h>

/* Greatest z-score; 0 if all values are equal. */
static double greatest_z(const double *x, size_t n)
{
    double mean = 0, var = 0, most = x[0];

    for (size_t i = 0; i < n; i++) {
        mean += x[i] / (double)n;
        most = x[i] > most ? x[i] : most;
    }
    for (size_t i = 0; i < n; i++)
        var += (x[i] - mean) * (x[i] - mean) / (double)n;
    return var > 0 ? (most - mean) / sqrt(var) : 0;
}

enum err_code cebench_measure(struct cebench *out, const float *a, size_t f, const uint32_t *one,
                               const uint32_t *two, size_t n, struct err *e)
{
    double *mean = calloc(4 * f, sizeof *mean), *differ = mean + f, *apart = differ + f, *both = apart + f;

    if (!mean)
        return err_set(e, ERR_NOMEM, "cebench: %zu features: out of memory", f);
    *out = (struct cebench){0};
    for (size_t p = 0; p < n; p++) {
        const float *v1 = a + (size_t)one[p] * f, *v2 = a + (size_t)two[p] * f;

        for (size_t i = 0; i < f; i++) {
            double own = ((double)v1[i] + (double)v2[i]) / 2;

            mean[i] += (own - mean[i]) / (double)(p + 1);
            differ[i] = fabs((double)v1[i] - (double)v2[i]);
            apart[i] = fabs(own - mean[i]);
            both[i] = differ[i] + apart[i];
        }
        out->contrastive += greatest_z(differ, f) / (double)n;
        out->independent += greatest_z(apart, f) / (double)n;
        out->interpretability += greatest_z(both, f) / (double)n;
    }
    free(mean);
    return ERR_OK;
}
