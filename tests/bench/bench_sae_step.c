/* bench_sae_step.c - one training step of an architecture against an sgemm of the encoder's shape.
 *
 *   ninja bench_sae_step && OPENBLAS_NUM_THREADS=1 bin/bench_sae_step \
 *       [row [repeats [arch [float|bf16|BIAS [cpu|wall [CLIP]]]]]]
 *
 * Warm-up, then medians of 9 repeats or as many as asked for, at most 99; step and product alternate
 * in one process, so shares travel between machines.  Times are processor time of the one thread, so
 * what else runs on the machine counts by its use of caches only; wall: the clock on the wall, to set
 * beside another program's.  of_blas: share that OpenBLAS's sgemm would take of the step, the median
 * over repeats; of_best: that the faster of it and our own float product (panel.c) would, since
 * OpenBLAS may have picked slow kernels (OPENBLAS_CORETYPE); blas_low and blas_hi: a tenth of the
 * repeats is below and above.  blas_gf, own_gf: GFLOP/s of the two.  float: without candidates in
 * bfloat16; bf16: with `precision: bf16`; BIAS: the encoder's bias at the start, below 0 for features
 * that are seldom active; CLIP: norm to which gradients are clipped, 0 for no clipping.
 * mem_mib and rss_mib: what was planned, and what the process holds of anonymous memory.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "common/clock.h"
#include "common/rng.h"
#include "common/stats.h"
#include "worker/num/blas.h"
#include "worker/num/isa.h"
#include "worker/num/panel.h"
#include "worker/sae/sae.h"

enum { REPEATS = 9, REPEATS_MAX = 99 };

static const struct shape {
    size_t d, f, k, n;
} shapes[] = {{128, 1024, 32, 256}, {128, 1024, 32, 2048}, {512, 4096, 32, 4096},
              {512, 16384, 64, 2048}};

struct timing {
    double step[REPEATS_MAX], blas[REPEATS_MAX], own[REPEATS_MAX];
    size_t n, plan;
    double rss_mib, l0;
};

static bool is_wall;

static double seconds(void)
{
    struct rusage used;

    if (is_wall)
        return (double)clock_system.mono_us(&clock_system) / 1e6;
    getrusage(RUSAGE_SELF, &used); /* the one thread */
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           1e-6 * (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

static void die(const struct err *e)
{
    fprintf(stderr, "bench_sae_step: %s\n", e->text);
    exit(1);
}

/* Anonymous memory of this process, in MiB. */
static double anonymous_mib(void)
{
    FILE *f = fopen("/proc/self/status", "r");
    char line[256];
    double kib = 0;

    while (f && fgets(line, sizeof line, f))
        if (!strncmp(line, "RssAnon:", 8))
            kib = strtod(line + 8, NULL);
    if (f)
        fclose(f);
    return kib / 1024;
}

struct rig {
    struct sae_cfg cfg;
    const struct shape *shape;
    struct arena a, data; /* the training's memory as planned; rows and products */
    struct sae sae;
    struct sae_work w;
    real *x, *z, *panel;
    size_t at;
};

static double clip_norm;

static void open_rig(struct rig *g, const char *arch, const char *how)
{
    const struct shape *s = g->shape;
    size_t pool = 8 * s->n * s->d, n_panel = panel_len(s->f, s->d);
    struct rng r = rng_stream(1, "bench");
    struct err e;

    g->cfg = (struct sae_cfg){.arch = sae_arch_find(arch), .d = s->d, .f = s->f, .k = s->k, .l1 = 2,
                              .is_tied = true, .jump = {.bandwidth = 0.1, .theta = 2},
                              .prefixes = {{s->f / 16, s->f / 4, s->f}, 3, SAE_PREFIX_MEAN},
                              .is_bf16 = !strcmp(how, "bf16"), .clip = clip_norm,
                              .adam = {.beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8}};
    if (!g->cfg.arch)
        exit(64);
    g->cfg.norm = g->cfg.arch->norm;
    if (arena_open(&g->a, "bench", sae_bytes(&g->cfg) + sae_work_bytes(&g->cfg, s->n), &e) ||
        arena_open(&g->data, "rows", arena_need(pool, sizeof(real)) + arena_need(n_panel, sizeof(real)) +
                   arena_need(s->n * s->f, sizeof(real)), &e))
        die(&e);
    sae_new(&g->sae, &g->cfg, &g->a);
    sae_work_new(&g->w, &g->cfg, s->n, &g->a);
    g->w.has_brief = g->w.has_brief && strcmp(how, "float");
    g->x = arena_new(&g->data, real, pool);
    for (size_t i = 0; i < pool; i++)
        g->x[i] = (real)rng_normal(&r);
    sae_init(&g->sae, 1, NULL);
    for (size_t i = 0; i < s->f; i++)
        g->sae.p[SAE_B_ENC].data[i] = (real)strtod(how, NULL);
}

static const real *rows(struct rig *g)
{
    return g->x + g->at++ % 8 * g->shape->n * g->shape->d;
}

static void step(struct rig *g)
{
    (void)sae_step(&g->sae, &g->w, rows(g), g->shape->n, 3e-4);
}

static void product_of_blas(struct rig *g)
{
    const struct shape *s = g->shape;

    mm_nt(g->z, rows(g), g->sae.p[SAE_ENCODER].data, s->n, s->f, s->d, 1, 0);
}

static void product_of_ours(struct rig *g)
{
    const struct shape *s = g->shape;
    const real *w = g->sae.p[SAE_ENCODER].data;

    panel_pack(g->panel, w, s->f, s->d);
    panel_mm_nt(g->z, rows(g), g->panel, w, s->n, s->f, s->d);
}

static double time_of(void (*what)(struct rig *), struct rig *g, int times)
{
    double from = seconds();

    for (int i = 0; i < times; i++)
        what(g);
    return (seconds() - from) / times;
}

static void time_shape(const struct shape *s, const char *arch, const char *how, struct timing *t)
{
    struct rig g = {.shape = s};
    int inner = 1 + (int)(4e9 / (double)(2 * s->n * s->d * s->f));

    double before = anonymous_mib();
    open_rig(&g, arch, how);
    for (int i = 0; i < 20; i++)
        step(&g);
    t->plan = g.a.size;
    t->rss_mib = anonymous_mib() - before - (double)g.data.used / (1 << 20);
    g.z = arena_new(&g.data, real, s->n * s->f);
    g.panel = arena_new(&g.data, real, panel_len(s->f, s->d));
    for (size_t i = 0; i < t->n; i++) {
        t->step[i] = time_of(step, &g, inner);
        t->blas[i] = time_of(product_of_blas, &g, inner);
        t->own[i] = panel_is_exact() ? time_of(product_of_ours, &g, inner) : t->blas[i];
    }
    t->l0 = g.w.l0;
    arena_close(&g.a);
    arena_close(&g.data);
}

/* A product that loads OpenBLAS, so that its core can be named. */
static void load_blas(void)
{
    real one = 1, out;

    blas_threads_set(1);
    mm_nt(&out, &one, &one, 1, 1, 1, 1, 0);
}

/* Shares of the step that a product takes, repeat by repeat, sorted. */
static void shares(double *out, const struct timing *t, const double *product)
{
    for (size_t i = 0; i < t->n; i++)
        out[i] = product[i] / t->step[i];
    stats_sort(out, t->n);
}

static void report(const struct shape *s, const char *arch, struct timing *t)
{
    double of_blas[REPEATS_MAX], of_own[REPEATS_MAX];

    shares(of_blas, t, t->blas);
    shares(of_own, t, t->own);
    stats_sort(t->step, t->n);
    stats_sort(t->blas, t->n);
    stats_sort(t->own, t->n);
    double now = t->step[t->n / 2], blas = t->blas[t->n / 2], own = t->own[t->n / 2];
    bool is_own = own < blas;

    printf("%5zu %5zu %3zu %5zu %-10s %6.1f %10.4f %10.4f %10.4f %11.0f %8.1f %8.1f %7.1f%% %7.1f%% %7.1f%% "
           "%7.1f%% %8.1f %8.1f\n",
           s->d, s->f, s->k, s->n, arch, t->l0, 1e3 * now, 1e3 * stats_quantile(t->step, t->n, .1),
           1e3 * stats_quantile(t->step, t->n, .9), (double)s->n / now,
           2e-9 * (double)(s->n * s->d * s->f) / blas, 2e-9 * (double)(s->n * s->d * s->f) / own,
           100 * of_blas[t->n / 2], 100 * stats_quantile(of_blas, t->n, .1),
           100 * stats_quantile(of_blas, t->n, .9), 100 * (is_own ? of_own : of_blas)[t->n / 2],
           (double)t->plan / (1 << 20), t->rss_mib);
}

int main(int argc, char **argv)
{
    const char *arch = argc > 3 ? argv[3] : "topk", *how = argc > 4 ? argv[4] : "0";
    int only = argc > 1 ? atoi(argv[1]) : -1, asked = argc > 2 ? atoi(argv[2]) : REPEATS;

    clip_norm = argc > 6 ? strtod(argv[6], NULL) : 0;
    is_wall = argc > 5 && !strcmp(argv[5], "wall");
    load_blas();
    printf("isa %s, bfloat16 %s, blas %s, one thread\n", isa_name(isa_in_use()),
           bf16_is_there() && strcmp(how, "float") ? "yes" : "no", blas_core());
    printf("%5s %5s %3s %5s %-10s %6s %10s %10s %10s %11s %8s %8s %8s %8s %8s %8s %8s %8s\n", "d", "f", "k",
           "batch", "arch", "l0", "median_ms", "p10_ms", "p90_ms", "samples/s", "blas_gf", "own_gf",
           "of_blas", "blas_low", "blas_hi", "of_best", "mem_mib", "rss_mib");
    for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
        struct timing t = {.n = asked < 1 ? 1 : asked > REPEATS_MAX ? REPEATS_MAX : (size_t)asked};

        if (only >= 0 && i != (size_t)only)
            continue;
        time_shape(&shapes[i], arch, how, &t);
        report(&shapes[i], arch, &t);
    }
    return 0;
}
