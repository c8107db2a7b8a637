/* bench_sae_step.c - one training step of an architecture against an sgemm of the encoder's shape.
 *
 *   ninja bench_sae_step && OPENBLAS_NUM_THREADS=1 bin/bench_sae_step [row [repeats [arch]]]
 *
 * Warm-up, then medians of 9 repeats or as many as asked for, at most 99; step and sgemm alternate in one process, so the share travels
 * between machines.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/rng.h"
#include "common/stats.h"
#include "worker/num/blas.h"
#include "worker/num/isa.h"
#include "worker/num/vec.h"
#include "worker/sae/sae.h"

enum { REPEATS = 9, REPEATS_MAX = 99 };

static const struct shape {
    size_t d, f, k, n;
} shapes[] = {{128, 1024, 32, 256}, {128, 1024, 32, 2048}, {512, 4096, 32, 4096},
              {512, 16384, 64, 2048}};

struct timing {
    double step[REPEATS_MAX], gemm[REPEATS_MAX];
    size_t n;
};

static double seconds(void)
{
    return (double)clock_system.mono_us(&clock_system) / 1e6;
}

static void die(const struct err *e)
{
    fprintf(stderr, "bench_sae_step: %s\n", e->text);
    exit(1);
}

static void time_shape(const struct shape *s, const char *arch, struct timing *t)
{
    struct sae_cfg cfg = {.arch = sae_arch_find(arch), .d = s->d, .f = s->f, .k = s->k, .l1 = 2,
                          .is_tied = true, .jump = {.bandwidth = 0.1, .theta = 2},
                          .prefixes = {{s->f / 16, s->f / 4, s->f}, 3, SAE_PREFIX_MEAN},
                          .adam = {.beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8}};
    size_t pool = 8 * s->n, flops = 2 * s->n * s->d * s->f;
    int inner = 1 + (int)(4e9 / (double)flops);
    struct rng r = rng_stream(1, "bench");
    struct arena a;
    struct sae sae;
    struct sae_work w;
    struct err e;

    if (!cfg.arch)
        exit(64);
    cfg.norm = cfg.arch->norm;
    if (arena_open(&a, "bench", sae_bytes(&cfg) + sae_work_bytes(&cfg, s->n) +
                   arena_need(pool * s->d, sizeof(real)) + arena_need(s->n * s->f, sizeof(real)), &e))
        die(&e);
    sae_new(&sae, &cfg, &a);
    sae_work_new(&w, &cfg, s->n, &a);
    real *x = arena_new(&a, real, pool * s->d), *z = arena_new(&a, real, s->n * s->f);
    for (size_t i = 0; i < pool * s->d; i++)
        x[i] = (real)rng_normal(&r);
    sae_init(&sae, 1, NULL);
    for (int i = 0; i < 20; i++)
        (void)sae_step(&sae, &w, x + (size_t)(i % 8) * s->n * s->d, s->n, 3e-4);
    for (size_t rep = 0; rep < t->n; rep++) {
        double from = seconds();

        for (int i = 0; i < inner; i++)
            (void)sae_step(&sae, &w, x + (size_t)(i % 8) * s->n * s->d, s->n, 3e-4);
        t->step[rep] = (seconds() - from) / inner;
        from = seconds();
        for (int i = 0; i < inner; i++)
            mm_nt(z, x + (size_t)(i % 8) * s->n * s->d, sae.p[SAE_ENCODER].data, s->n, s->f, s->d,
                  1, 0);
        t->gemm[rep] = (seconds() - from) / inner;
    }
    arena_close(&a);
}

int main(int argc, char **argv)
{
    const char *arch = argc > 3 ? argv[3] : "topk";
    int only = argc > 1 ? atoi(argv[1]) : -1, asked = argc > 2 ? atoi(argv[2]) : REPEATS;
    size_t repeats = asked < 1 ? 1 : asked > REPEATS_MAX ? REPEATS_MAX : (size_t)asked;

    printf("isa %s, blas %s, one thread\n", isa_name(isa_in_use()), blas_core());
    printf("%5s %5s %3s %5s %10s %10s %10s %12s %8s %8s\n", "d", "f", "k", "batch", "median_ms",
           "p10_ms", "p90_ms", "samples/s", "GFLOP/s", "of_gemm");
    blas_threads_set(1);
    for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
        const struct shape *s = &shapes[i];
        struct timing t = {.n = repeats};

        if (only >= 0 && i != (size_t)only)
            continue;
        time_shape(s, arch, &t);
        stats_sort(t.step, t.n);
        stats_sort(t.gemm, t.n);
        double step = t.step[t.n / 2], gemm = t.gemm[t.n / 2];
        printf("%5zu %5zu %3zu %5zu %10.4f %10.4f %10.4f %12.0f %8.1f %7.1f%%\n", s->d, s->f, s->k,
               s->n, 1e3 * step, 1e3 * stats_quantile(t.step, t.n, .1),
               1e3 * stats_quantile(t.step, t.n, .9), (double)s->n / step,
               2e-9 * (double)(s->n * s->d * s->f) / gemm, 100 * gemm / step);
    }
    return 0;
}
