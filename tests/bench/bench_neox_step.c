/* bench_neox_step.c - one training step of GPT-NeoX against its own sgemms and, beside it, PyTorch.
 *
 *   ninja bench_neox_step && bin/bench_neox_step [SHAPE CONTEXT THREADS [REPEATS [FORM]]]
 *
 * FORM: f32; products: in bfloat16; bf16: weights, moments and activations held so; both; lean: held so,
 * checkpointed, with gradients of one block at a time.  A step is forward, backward, clipping and AdamW over
 * one sequence.  The yardstick is every product of the step by itself, in float32, with the same operands'
 * shapes, strides and threads, alternating with the steps in one process: `train` and `eval` say which share
 * of a step or an evaluation those take.  With arguments: one line for compare_neox_torch.sh.
 * OPENBLAS_CORETYPE=SkylakeX is what the knob `isa: avx512` sets.
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
    bool is_half, is_checkpointed, is_bf16;
} forms[] = {{.name = "f32"},
             {.name = "products", .is_bf16 = true},
             {.name = "bf16", .store = {.weights16 = true, .moments16 = true}, .is_half = true},
             {.name = "both", .store = {.weights16 = true, .moments16 = true}, .is_half = true, .is_bf16 = true},
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
    real *dw; /* [4d,d] for products by themselves */
};

static double seconds(void)
{
    return (double)clock_system.mono_us(&clock_system) / 1e6;
}

static void open_bench(struct bench *b, const struct shape *s, size_t t, int threads, const struct form *f)
{
    struct neox_shape shape = {.n_max = t, .t_max = t, .is_training = true, .threads = threads,
                               .is_half = f->is_half, .is_checkpointed = f->is_checkpointed,
                               .is_bf16 = f->is_bf16};
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

/* A linear layer's three products; `count` of them in a step. */
struct layer {
    size_t n, out, in, count;
};

struct yardstick {
    double forward, backward; /* seconds of all products of a pass */
};

static void time_layer(struct bench *b, const struct layer *l, struct yardstick *y)
{
    const struct linear library = {0};
    struct neox_acts *s = &b->s;
    const bool is_head = l->out == b->cfg.n_vocab;
    real *out = is_head ? s->logits : s->da, *dw = is_head && b->m.g.ends.w_u ? b->m.g.ends.w_u : b->dw;
    const real *w = is_head ? b->m.w.ends.w_u : b->dw;
    double from = seconds(), at;

    linear_fwd(&library, out, s->g, w, NULL, l->n, l->out, l->in, false);
    at = seconds();
    y->forward += (double)l->count * (at - from);
    linear_dx(&library, s->branch, out, w, l->n, l->out, l->in);
    linear_dw(&library, dw, NULL, out, s->g, l->n, l->out, l->in, 0);
    y->backward += (double)l->count * (seconds() - at);
}

struct attention {
    struct bench *b;
    bool is_backward;
};

/* The products of one head, by the blocks of flash.c. */
static void one_head(void *ctx, size_t i, int thread)
{
    const struct attention *a = ctx;
    struct bench *b = a->b;
    const size_t e = b->cfg.d_head, ld = 3 * b->cfg.d_model, d = b->cfg.d_model, t = b->t;
    real *score = b->s.flash.scratch + (size_t)thread * (2 * FLASH_BLOCK * t + FLASH_BLOCK), *dscore = score + FLASH_BLOCK * t;
    real *q = b->s.block[0].qkv + i * 3 * e, *k = q + e, *v = k + e, *z = b->s.block[0].z + i * e;
    real *dq = b->s.dqkv + i * 3 * e, *dk = dq + e, *dv = dk + e;

    for (size_t from = 0; from < t; from += FLASH_BLOCK) {
        size_t rows = t - from < FLASH_BLOCK ? t - from : FLASH_BLOCK, end = from + rows;

        mm_nt_ld(score, end, q + from * ld, ld, k, ld, rows, end, e, 1, 0);
        if (!a->is_backward) {
            mm_nn_ld(z + from * d, d, score, end, v, ld, rows, e, end, 1, 0);
            continue;
        }
        mm_nt_ld(dscore, end, z + from * d, d, v, ld, rows, end, e, 1, 0);
        mm_tn_ld(dv, ld, score, end, z + from * d, d, end, e, rows, 1, 1);
        mm_tn_ld(dk, ld, dscore, end, q + from * ld, ld, end, e, rows, 1, 1);
        mm_nn_ld(dq + from * ld, ld, dscore, end, k, ld, rows, e, end, 1, 0);
    }
}

static double time_attention(struct bench *b, bool is_backward)
{
    struct attention a = {b, is_backward};
    double from = seconds();

    par_each(b->cfg.n_heads, one_head, &a);
    return (double)b->cfg.n_layers * (seconds() - from);
}

/* Products on memory of the step, whose contents do not matter and are zeroed before, so that none is subnormal. */
static struct yardstick products(struct bench *b)
{
    const size_t d = b->cfg.d_model, f = b->cfg.d_mlp, l = b->cfg.n_layers, t = b->t;
    const size_t rows = b->s.shape.head_rows;
    const struct layer row[] = {{t, 3 * d, d, l}, {t, d, d, l}, {t, f, d, l}, {t, d, f, l},
                                {rows, VOCAB, d, t / rows}};
    struct yardstick y = {0};

    for (size_t i = 0; i < ARRAY_LEN(row); i++)
        time_layer(b, &row[i], &y);
    y.forward += time_attention(b, false);
    y.backward += time_attention(b, true);
    return y;
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *x, int n)
{
    qsort(x, (size_t)n, sizeof *x, by_size);
    return x[n / 2];
}

static double resident_gib(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (double)u.ru_maxrss / (1 << 20);
}

static void run(const struct shape *s, size_t t, int threads, int repeats, const struct form *f)
{
    double st[REPEATS_MAX], fw[REPEATS_MAX], gf[REPEATS_MAX], gb[REPEATS_MAX], start = resident_gib();
    static struct bench b;

    open_bench(&b, s, t, threads, f);
    step(&b);
    double rss = resident_gib() - start;
    b.dw = calloc(4 * s->d * s->d, sizeof *b.dw);
    for (int i = 0; i < repeats; i++) {
        struct yardstick y;

        st[i] = step(&b);
        fw[i] = forward(&b);
        y = products(&b);
        gf[i] = y.forward;
        gb[i] = y.backward;
    }
    double one = median(st, repeats), eval = median(fw, repeats), forward = median(gf, repeats);
    double all = forward + median(gb, repeats), flop = neox_flop(&b.cfg, t, t, true, false);

    printf("%-5s %5zu %7d %10.2f %9.1f %9.1f %9.1f %8.1f %7.1f%% %7.1f%% %9.1f %9.3f %9.2f %9.2f\n", s->name, t, threads,
           1e3 * one, 1e3 * st[0], (double)t / one, (double)t / eval, 1e-9 * flop / one, 100 * all / one,
           100 * forward / eval, 1e-9 * flop / all, rss, 1e3 * all, 1e3 * forward);
    fflush(stdout);
    free(b.dw);
    arena_close(&b.a);
}

int main(int argc, char **argv)
{
    const struct form *form = forms;

    for (size_t i = 0; argc > 5 && i < ARRAY_LEN(forms); i++)
        form = strcmp(argv[5], forms[i].name) ? form : &forms[i];
    if (argc == 1)
        printf("isa %s\n%-5s %5s %7s %10s %9s %9s %9s %8s %8s %8s %9s %9s %9s %9s\n", isa_name(isa_in_use()), "shape", "ids",
               "threads", "median_ms", "min_ms", "train/s", "eval/s", "GFLOP/s", "train", "eval", "sgemms",
               "GiB", "gemms_ms", "forward");
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
