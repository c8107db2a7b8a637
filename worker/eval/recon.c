/* recon.c - see recon.h. */
#include "worker/eval/recon.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void recon_means(double *mean, const float *x, size_t n, size_t d)
{
    memset(mean, 0, d * sizeof *mean);
    for (size_t r = 0; r < n; r++)
        for (size_t i = 0; i < d; i++)
            mean[i] += (double)x[r * d + i];
    for (size_t i = 0; i < d; i++)
        mean[i] /= (double)n;
}

void recon_init(struct recon *r, const double *mean, double *room, size_t d)
{
    *r = (struct recon){.d = d, .mean = mean, .e_sum = room, .first = room + d};
    memset(room, 0, recon_room(d) * sizeof *room);
    for (size_t i = 0; i < d; i++)
        r->x_mean += mean[i] / (double)d;
    for (size_t i = 0; i < d; i++)
        r->x_mean_sq += (mean[i] - r->x_mean) * (mean[i] - r->x_mean) / (double)d;
}

static void add_row(struct recon *r, const real *x, const real *xhat)
{
    double e2 = 0, about = 0, x2 = 0, y2 = 0, xy = 0;

    for (size_t i = 0; i < r->d; i++) {
        double a = x[i], b = xhat[i], e = a - b, c = a - r->mean[i];

        e2 += e * e;
        about += c * c;
        x2 += a * a;
        y2 += b * b;
        xy += a * b;
        r->e_sum[i] += e;
    }
    r->sse += e2;
    r->sst += about;
    r->sum_x2 += x2;
    r->xhat2 += y2;
    r->x_xhat += xy;
    r->legacy += about > 0 ? 1 - e2 / about : 0;
    r->cosine += x2 > 0 && y2 > 0 ? xy / sqrt(x2 * y2) : 0;
    r->l2_ratio += x2 > 0 ? sqrt(y2 / x2) : 0;
}

static void add_first(struct recon *r, const real *x, const real *xhat)
{
    for (size_t i = 0; i < r->d; i++) {
        double e = (double)x[i] - (double)xhat[i], c = (double)x[i] - r->mean[i];

        r->first[i] += c;
        r->first_sst += c * c;
        r->first_sse += e * e;
    }
    r->n_first++;
}

void recon_add(struct recon *r, const real *x, const real *xhat, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (r->n_first < RECON_FIRST)
            add_first(r, x + i * r->d, xhat + i * r->d);
        add_row(r, x + i * r->d, xhat + i * r->d);
    }
    r->n += n;
}

/* 1 - SSE / (rows * sum of the columns' variances), ddof 1, of the first rows. */
static double husai_train(const struct recon *r)
{
    double n = (double)r->n_first, sst = r->first_sst;

    for (size_t i = 0; i < r->d; i++)
        sst -= r->first[i] * r->first[i] / n;
    return 1 - r->first_sse / (n * sst / (n - 1));
}

struct recon_result recon_result(const struct recon *r)
{
    double n = (double)r->n, d = (double)r->d, of_means = 0, sum = 0;

    for (size_t i = 0; i < r->d; i++) {
        of_means += r->e_sum[i] * r->e_sum[i] / n;
        sum += r->e_sum[i];
    }
    /* About one global mean: the spread within columns, and that of the column means. */
    double x_global = r->sst + n * d * r->x_mean_sq;
    double e_global = r->sse - sum * sum / (n * d);

    return (struct recon_result){
        .ev = 1 - r->sse / r->sst,
        .ev_residvar = 1 - (r->sse - of_means) / r->sst,
        .ev_husai_global = 1 - e_global / x_global,
        .ev_husai_train = husai_train(r),
        .ev_legacy = r->legacy / n,
        .nmse_raw = r->sse / r->sum_x2,
        .mse = r->sse / (n * d),
        .mse_sum = r->sse / n,
        .cosine = r->cosine / n,
        .l2_ratio = r->l2_ratio / n,
        .rel_bias = r->xhat2 / r->x_xhat,
    };
}

static int by_count(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* Of sorted counts: (f + 1 - 2 sum_i c_i / c_f) / f, c_i their partial sums. */
static double gini_of(const uint64_t *count, size_t f, uint64_t total)
{
    double partial = 0, sum = 0;

    for (size_t i = 0; i < f; i++) {
        partial += (double)count[i];
        sum += partial;
    }
    return total ? ((double)f + 1 - 2 * sum / (double)total) / (double)f : NAN;
}

/* Of sorted counts: 1 + the most frequent features whose cumulative share is below 0.9. */
static double effective_of(const uint64_t *count, size_t f, uint64_t total)
{
    double sum = 0;
    size_t n = 0;

    for (size_t i = f; i-- > 0 && total;) {
        sum += (double)count[i];
        if (sum >= 0.9 * (double)total)
            break;
        n++;
    }
    return total ? (double)n + 1 : 0;
}

struct density density_of(uint64_t *count, size_t f, size_t n)
{
    struct density out = {0};
    uint64_t total = 0;
    size_t dead = 0, dense = 0;

    if (f == 0 || n == 0)
        return (struct density){NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN};
    qsort(count, f, sizeof *count, by_count);
    for (size_t i = 0; i < f; i++) {
        total += count[i];
        dead += count[i] == 0;
        dense += (double)count[i] > 0.1 * (double)n;
    }
    out.min = (double)count[0] / (double)n;
    out.max = (double)count[f - 1] / (double)n;
    out.median = (double)(count[(f - 1) / 2] + count[f / 2]) / 2 / (double)n;
    out.mean = (double)total / (double)f / (double)n;
    out.dead_pct = 100.0 * (double)dead / (double)f;
    out.dense_pct = 100.0 * (double)dense / (double)f;
    out.gini = gini_of(count, f, total);
    out.effective = effective_of(count, f, total);
    return out;
}
