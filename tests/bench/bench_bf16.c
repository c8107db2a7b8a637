/* bench_bf16.c - what `precision: bf16` costs in accuracy, and what it gains in speed, beside float.
 *
 *   ninja bench_bf16 && OPENBLAS_NUM_THREADS=1 bin/bench_bf16 [steps [arch...]]
 *
 * Rows are sparse sums of known directions and noise.  Two SAEs start from the same weights and take the
 * same batches in turn, one with float products, one with bfloat16; a third, in float, has another seed.
 * On rows that were not trained on: ev, mse and l0 of both; `same`: overlap |A n B| / |A u B| of the
 * features that the float SAE's weights choose by either product; `trained`: of those that the two
 * trained SAEs choose, whose features still have the same places; PWMCC between the two decoders, and
 * between the two seeds in float, which is what a seed is worth.  Times are processor time of a step.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "common/rng.h"
#include "worker/eval/match.h"
#include "worker/eval/recon.h"
#include "worker/num/blas.h"
#include "worker/num/vec.h"
#include "worker/sae/sae.h"

enum { D = 128, F = 1024, K = 32, BATCH = 1024, BATCHES = 32, ATOMS = 512, PARTS = 16, STEPS = 500 };

static const double noise = 0.02, rate = 1e-3;

struct one {
    struct arena arena;
    struct sae_cfg cfg;
    struct sae sae;
    struct sae_work work;
    double seconds;
};

struct quality {
    double ev, mse, l0;
};

static real *data; /* [BATCHES + 1][BATCH * D]; the last is not trained on */
static double mean[D];

static void die(const char *what)
{
    fprintf(stderr, "bench_bf16: %s\n", what);
    exit(1);
}

static double seconds(void)
{
    struct rusage used;

    getrusage(RUSAGE_SELF, &used);
    return (double)used.ru_utime.tv_sec + 1e-6 * (double)used.ru_utime.tv_usec;
}

static void make_data(void)
{
    static real atom[ATOMS * D];
    struct rng r = rng_stream(1, "bench.bf16");

    data = calloc((size_t)(BATCHES + 1) * BATCH * D, sizeof *data);
    if (!data)
        die("out of memory");
    for (size_t i = 0; i < ATOMS * D; i++)
        atom[i] = (real)rng_normal(&r);
    for (size_t i = 0; i < ATOMS; i++)
        vec_normalise(atom + i * D, D);
    for (size_t row = 0; row < (BATCHES + 1) * BATCH; row++) {
        real *x = data + row * D;

        for (size_t c = 0; c < D; c++)
            x[c] = (real)(noise * rng_normal(&r));
        for (int p = 0; p < PARTS; p++)
            vec_axpy(x, atom + rng_below(&r, ATOMS) * D, (real)fabs(rng_normal(&r)), D);
    }
    recon_means(mean, data + (size_t)BATCHES * BATCH * D, BATCH, D);
}

static void open_one(struct one *o, const char *arch, uint64_t seed, bool is_bf16)
{
    struct err e;

    *o = (struct one){.cfg = {.arch = sae_arch_find(arch), .d = D, .f = F, .k = K, .l1 = 0.05,
                              .is_tied = true, .is_bf16 = is_bf16, .jump = {.bandwidth = 0.1, .theta = 0.1},
                              .prefixes = {{F / 16, F / 4, F}, 3, SAE_PREFIX_MEAN},
                              .adam = {.beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8}}};
    if (!o->cfg.arch)
        die("no such architecture");
    o->cfg.norm = o->cfg.arch->norm;
    if (arena_open(&o->arena, "bench", sae_bytes(&o->cfg) + sae_work_bytes(&o->cfg, BATCH), &e))
        die(e.text);
    sae_new(&o->sae, &o->cfg, &o->arena);
    sae_work_new(&o->work, &o->cfg, BATCH, &o->arena);
    sae_init(&o->sae, seed, NULL);
}

static void step(struct one *o, size_t at)
{
    double from = seconds();
    const char *wrong = sae_step(&o->sae, &o->work, data + at % BATCHES * BATCH * D, BATCH, rate);

    o->seconds += seconds() - from;
    if (wrong)
        die(wrong);
}

static struct quality use(struct one *o)
{
    const real *x = data + (size_t)BATCHES * BATCH * D;
    double room[2 * D];
    struct recon rec;

    if (!sae_use(&o->sae, &o->work, x, x, BATCH))
        die("not finite");
    recon_init(&rec, mean, room, D);
    recon_add(&rec, x, o->work.xhat, BATCH);
    struct recon_result got = recon_result(&rec);

    return (struct quality){got.ev, got.mse, o->work.l0};
}

/* Mean over rows of |A n B| / |A u B|; -1 if a batch was too dense for lists. */
static double overlap(const struct sae_work *a, const struct sae_work *b)
{
    static double both[BATCH], any[BATCH];
    double sum = 0;

    memset(both, 0, sizeof both);
    memset(any, 0, sizeof any);
    if (a->is_dense || b->is_dense)
        return -1;
    for (size_t f = 0; f < F; f++) {
        size_t i = a->at[f], j = b->at[f], end_a = a->at[f + 1], end_b = b->at[f + 1];

        while (i < end_a || j < end_b) {
            size_t ra = i < end_a ? a->row[i] : BATCH, rb = j < end_b ? b->row[j] : BATCH;
            size_t r = ra < rb ? ra : rb;

            any[r]++;
            both[r] += ra == rb;
            i += ra == r;
            j += rb == r;
        }
    }
    for (size_t r = 0; r < BATCH; r++)
        sum += any[r] > 0 ? both[r] / any[r] : 1;
    return sum / BATCH;
}

static double agreement(const struct one *a, const struct one *b)
{
    static real dir[2][F * D];
    struct match m;
    struct err e;

    memcpy(dir[0], a->sae.p[SAE_DECODER].data, sizeof dir[0]);
    memcpy(dir[1], b->sae.p[SAE_DECODER].data, sizeof dir[1]);
    for (size_t i = 0; i < F; i++) {
        vec_normalise(dir[0] + i * D, D);
        vec_normalise(dir[1] + i * D, D);
    }
    if (match_max(&m, &(struct dict){dir[0], F, D}, &(struct dict){dir[1], F, D}, &e))
        die(e.text);
    return m.pwmcc;
}

/* The weights of `from` with the other product. */
static double same_weights(const struct one *from, struct one *with)
{
    static real kept[SAE_PARAMS_MAX][F * D];
    double theta = with->sae.theta, got;

    for (size_t i = 0; i < SAE_PARAMS_MAX; i++) {
        size_t bytes = with->sae.p[i].n * sizeof(real);

        memcpy(kept[i], with->sae.p[i].data, bytes);
        memcpy(with->sae.p[i].data, from->sae.p[i].data, bytes);
    }
    with->sae.theta = from->sae.theta;
    use(with);
    got = overlap(&from->work, &with->work);
    with->sae.theta = theta;
    for (size_t i = 0; i < SAE_PARAMS_MAX; i++)
        memcpy(with->sae.p[i].data, kept[i], with->sae.p[i].n * sizeof(real));
    return got;
}

static void run(const char *arch, size_t steps)
{
    struct one exact, coarse, other;

    open_one(&exact, arch, 1, false);
    open_one(&coarse, arch, 1, true);
    open_one(&other, arch, 2, false);
    for (size_t i = 0; i < steps; i++) {
        step(&exact, i);
        step(&coarse, i);
        step(&other, i);
    }
    struct quality a = use(&exact);
    double same = same_weights(&exact, &coarse);
    struct quality b = use(&coarse);

    printf("%-12s %7.5f %7.5f %9.3e %9.3e %6.2f %6.2f %7.4f %7.4f %7.4f %7.4f %8.3f %8.3f %6.2fx\n", arch,
           a.ev, b.ev, a.mse, b.mse, a.l0, b.l0, same, overlap(&exact.work, &coarse.work),
           agreement(&exact, &coarse), agreement(&exact, &other), 1e3 * exact.seconds / (double)steps,
           1e3 * coarse.seconds / (double)steps, exact.seconds / coarse.seconds);
    fflush(stdout);
    arena_close(&exact.arena);
    arena_close(&coarse.arena);
    arena_close(&other.arena);
}

int main(int argc, char **argv)
{
    static const char *const archs[] = {"topk", "batchtopk", "relu_bricken", "jumprelu", "gated",
                                        "matryoshka"};
    size_t steps = argc > 1 ? strtoul(argv[1], NULL, 10) : STEPS;

    blas_threads_set(1);
    make_data();
    printf("d %d, d_sae %d, k %d, batch %d, %zu steps, bfloat16 units %s, blas %s\n", D, F, K, BATCH, steps,
           bf16_is_there() ? "yes" : "no", blas_core());
    printf("%-12s %7s %7s %9s %9s %6s %6s %7s %7s %7s %7s %8s %8s %7s\n", "arch", "ev", "ev16", "mse", "mse16",
           "l0", "l0_16", "same", "trained", "pwmcc", "seeds", "step_ms", "ms16", "faster");
    for (int i = 2; i < argc; i++)
        run(argv[i], steps);
    for (size_t i = 0; argc < 3 && i < ARRAY_LEN(archs); i++)
        run(archs[i], steps);
    free(data);
    return 0;
}
