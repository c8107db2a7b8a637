/* bench_neox_step.c - one training step of GPT-NeoX against sgemm and, beside it, PyTorch.
 *
 *   ninja bench_neox_step && bin/bench_neox_step [SHAPE CONTEXT THREADS [REPEATS [STORE]]]
 *
 * STORE: f32; bf16: weights, moments and activations; lean: that, checkpointed, with gradients of one
 * block at a time.  A step is forward, backward, clipping and AdamW over one sequence.  GFLOP/s count its matrix
 * products; the yardstick is an sgemm of the MLP's shape on as many rows and threads, alternating with the
 * steps in one process.  With arguments: one line for compare_neox_torch.sh.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "common/clock.h"
#include "common/rng.h"
#include "common/stats.h"
#include "worker/neox/neox_acts.h"
#include "worker/neox/neox_step.h"
#include "worker/num/blas.h"
#include "worker/num/linear.h"
#include "worker/num/par.h"
#include "worker/num/isa.h"

enum { REPEATS_MAX = 64, VOCAB = 50304 };

static const struct shape {
    const char *name;
    size_t n_layers, d, h;
} shapes[] = {{"14m", 6, 128, 4}, {"70m", 6, 512, 8}, {"160m", 12, 768, 12}};

static const struct form {
    const char *name;
    struct neox_store store;
    bool is_half, is_checkpointed;
} forms[] = {{.name = "f32"},
             {.name = "bf16", .store = {.weights16 = true, .moments16 = true}, .is_half = true},
             {.name = "lean", .store = {.weights16 = true, .moments16 = true, .grads_block = true},
              .is_half = true, .is_checkpointed = true}};

struct bench {
    struct neox_cfg cfg;
    struct neox m;
    struct neox_acts s;
    struct neox_batch_mem b;
    struct adam adam;
    struct arena a;
    size_t t;
};

static double seconds(void)
{
    return (double)clock_system.mono_us(&clock_system) / 1e6;
}

static void open_bench(struct bench *b, const struct shape *s, size_t t, int threads, const struct form *f)
{
    struct neox_shape shape = {.n_max = t, .t_max = t, .is_training = true, .threads = threads,
                               .is_half = f->is_half, .is_checkpointed = f->is_checkpointed};
    struct rng r = rng_stream(1, "bench");
    int32_t ids[4096];
    struct err e;

    *b = (struct bench){.t = t};
    b->cfg = (struct neox_cfg){.n_layers = s->n_layers, .d_model = s->d, .n_heads = s->h,
                               .d_head = s->d / s->h, .d_mlp = 4 * s->d, .n_vocab = VOCAB,
                               .n_rot = s->d / s->h / 4, .rope_base = 10000, .ln_eps = 1e-5,
                               .is_parallel = true, .has_attn_bias = true};
    par_threads_set(threads);
    if (arena_open(&b->a, "bench", neox_bytes_stored(&b->cfg, &f->store) + neox_acts_bytes(&b->cfg, &shape) +
                                       neox_batch_bytes(t, 1), &e))
        exit(1);
    neox_init_stored(&b->m, &b->cfg, &f->store, &b->a);
    neox_randomise(&b->m, 1);
    neox_acts_init(&b->s, &b->cfg, &shape, &b->a);
    neox_batch_init(&b->b, t, 1, &b->a);
    for (size_t i = 0; i < t; i++)
        ids[i] = (int32_t)rng_below(&r, VOCAB);
    if (!neox_batch_add(&b->b, ids, t, 5))
        exit(1);
    b->adam = (struct adam){.lr = 1e-4, .beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8, .wd = 0.1};
}

static void passes(struct bench *b)
{
    neox_step_begin(&b->m);
    (void)neox_loss_grad(&b->m, &b->s, &b->b.view, 1 / (double)b->t);
    neox_backward(&b->m, &b->s, &b->b.view);
}

static double step(struct bench *b)
{
    double from = seconds();
    struct neox_lean l;

    if (b->m.store.grads_block) {
        neox_lean_norm(&l, &b->m);
        passes(b);
        neox_lean_adam(&l, &b->m, &b->adam, 1e-4, clip_scale(sqrt(l.sumsq), 1));
        passes(b);
    } else {
        passes(b);
        neox_adam(&b->m, &b->adam, 1e-4, clip_scale(neox_grad_norm(&b->m), 1));
    }
    return seconds() - from;
}

static double forward(struct bench *b)
{
    double from = seconds();

    (void)neox_loss(&b->m, &b->s, &b->b.view);
    return seconds() - from;
}

/* The MLP's first product, enough of them for some milliseconds; seconds of one. */
static double gemm(struct bench *b)
{
    const size_t d = b->cfg.d_model, f = b->cfg.d_mlp;
    const int n = 1 + (int)(2e9 / (2 * (double)(b->t * d * f)));
    double from = seconds();

    for (int i = 0; i < n; i++)
        linear_fwd(b->s.block[0].a, b->s.u, b->m.w.block[0].w_in, NULL, b->t, f, d, false);
    return (seconds() - from) / n;
}

static void run(const struct shape *s, size_t t, int threads, int repeats, const struct form *f)
{
    double st[REPEATS_MAX], fw[REPEATS_MAX], ge[REPEATS_MAX];
    static struct bench b;
    struct rusage u;

    open_bench(&b, s, t, threads, f);
    step(&b);
    for (int i = 0; i < repeats; i++) {
        st[i] = step(&b);
        ge[i] = gemm(&b);
        fw[i] = forward(&b);
    }
    stats_sort(st, (size_t)repeats), stats_sort(ge, (size_t)repeats), stats_sort(fw, (size_t)repeats);
    double one = st[repeats / 2], flop = neox_flop(&b.cfg, t, t, true, false);
    double gemm_rate = 2 * (double)(t * b.cfg.d_model * b.cfg.d_mlp) / ge[repeats / 2];
    getrusage(RUSAGE_SELF, &u);
    printf("%-5s %5zu %7d %10.2f %9.1f %9.1f %9.1f %8.1f %7.1f%% %9.1f %9.3f\n", s->name, t, threads,
           1e3 * one, 1e3 * st[0], (double)t / one, (double)t / fw[repeats / 2], 1e-9 * flop / one,
           100 * flop / one / gemm_rate, 1e-9 * gemm_rate, (double)u.ru_maxrss / (1 << 20));
    fflush(stdout);
    arena_close(&b.a);
}

int main(int argc, char **argv)
{
    const struct form *form = forms;

    for (size_t i = 0; argc > 5 && i < ARRAY_LEN(forms); i++)
        form = strcmp(argv[5], forms[i].name) ? form : &forms[i];
    if (argc == 1)
        printf("isa %s\n%-5s %5s %7s %10s %9s %9s %9s %8s %8s %9s %9s\n", isa_name(isa_in_use()), "shape", "ids",
               "threads", "median_ms", "min_ms", "train/s", "eval/s", "GFLOP/s", "of_gemm", "gemm",
               "rss_GiB");
    for (size_t i = 0; i < ARRAY_LEN(shapes); i++)
        for (size_t t = 256; t <= 512; t *= 2)
            for (int threads = 1; threads <= 2; threads++) {
                if (argc > 3 && (strcmp(argv[1], shapes[i].name) || (size_t)atoi(argv[2]) != t ||
                                 atoi(argv[3]) != threads))
                    continue;
                run(&shapes[i], t, threads, argc > 4 ? atoi(argv[4]) : 5, form);
            }
    return 0;
}
