/* pair_boot.c - see pair_boot.h. */
#include "coordinator/pair_boot.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/rng.h"
#include "common/stats.h"

enum { SEEDS_MIN = 3 };

static size_t place(struct pair_boot *p, int64_t seed)
{
    size_t i = 0;

    while (i < p->n && p->seed[i] != seed)
        i++;
    if (i == p->n && p->n < PAIR_BOOT_SEEDS_MAX)
        p->seed[p->n++] = seed;
    return i;
}

enum err_code pair_boot_load(struct pair_boot *p, struct query *q, const char *job, struct err *e)
{
    struct table t = {0};
    enum err_code rc = query_table(q, &t, e, "SELECT seed_a, seed_b, pwmcc FROM pairs WHERE job = ?1 ORDER BY seed_a, seed_b",
                                   "t", job);

    *p = (struct pair_boot){.n = 0};
    for (size_t r = 0; r < t.n_rows; r++) {
        place(p, table_cell(&t, r, 0)->i);
        place(p, table_cell(&t, r, 1)->i);
    }
    p->pair = rc ? NULL : malloc((p->n * p->n + 1) * sizeof *p->pair);
    if (!rc && !p->pair)
        rc = err_set(e, ERR_NOMEM, "%zu seeds: out of memory", p->n);
    for (size_t i = 0; !rc && i < p->n * p->n; i++)
        p->pair[i] = NAN;
    for (size_t r = 0; !rc && r < t.n_rows; r++) {
        size_t a = place(p, table_cell(&t, r, 0)->i), b = place(p, table_cell(&t, r, 1)->i);
        double v;

        if (a < p->n && b < p->n && table_f64(&t, r, "pwmcc", &v))
            p->pair[a * p->n + b] = p->pair[b * p->n + a] = v;
    }
    table_free(&t);
    return rc;
}

void pair_boot_free(struct pair_boot *p)
{
    free(p->pair);
    *p = (struct pair_boot){.n = 0};
}

static void draw(uint32_t *count, size_t n, struct rng *r)
{
    size_t distinct = 0;

    while (distinct < 2) {
        memset(count, 0, n * sizeof *count);
        distinct = 0;
        for (size_t i = 0; i < n; i++)
            distinct += count[rng_below(r, n)]++ == 0;
    }
}

static double mean_of(const struct pair_boot *p, const uint32_t *count)
{
    double sum = 0, weight = 0;

    for (size_t i = 0; i < p->n; i++)
        for (size_t j = i + 1; count[i] && j < p->n; j++) {
            double w = (double)count[i] * (double)count[j];

            if (w > 0 && isfinite(p->pair[i * p->n + j])) {
                sum += w * p->pair[i * p->n + j];
                weight += w;
            }
        }
    return sum / weight;
}

enum err_code pair_boot_difference(const struct pair_boot *a, double unit_a, const struct pair_boot *b, double unit_b,
                                   double *low, double *high, struct err *e)
{
    uint32_t ca[PAIR_BOOT_SEEDS_MAX], cb[PAIR_BOOT_SEEDS_MAX];
    bool is_shared = a->n == b->n && !memcmp(a->seed, b->seed, a->n * sizeof *a->seed);
    double *v = malloc(PAIR_BOOT_N * sizeof *v);
    size_t n = 0;

    *low = *high = NAN;
    if (!v)
        return err_set(e, ERR_NOMEM, "bootstrap: out of memory");
    for (size_t i = 0; i < PAIR_BOOT_N && a->n >= SEEDS_MIN && b->n >= SEEDS_MIN; i++) {
        char name[48];
        double x;

        snprintf(name, sizeof name, "pair_boot.%zu", i);
        struct rng r = rng_stream(PAIR_BOOT_SEED, name);
        draw(ca, a->n, &r);
        if (!is_shared)
            draw(cb, b->n, &r);
        x = unit_a * mean_of(a, ca) - unit_b * mean_of(b, is_shared ? ca : cb);
        if (isfinite(x))
            v[n++] = x;
    }
    stats_sort(v, n);
    if (n) {
        *low = stats_quantile(v, n, 0.025);
        *high = stats_quantile(v, n, 0.975);
    }
    free(v);
    return ERR_OK;
}
