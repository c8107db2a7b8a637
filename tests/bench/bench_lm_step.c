/* bench_lm_step.c - one training step of the algorithmic transformer against sgemm.
 *
 *   ninja bench_lm_step && bin/bench_lm_step
 *
 * A step is batch, forward, backward, clipping and AdamW.  GFLOP/s count the step's matrix products
 * on distinct prefixes; "saved" is the share of products that a dense pass over all tokens would add.
 * The yardstick is an sgemm of the MLP's shape on as many rows, alternating in one process.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/stats.h"
#include "worker/lm/trainer.h"
#include "worker/num/blas.h"
#include "worker/num/isa.h"
#include "worker/num/vec.h"

enum { REPEATS = 9 };

static const struct shape {
    const char *task;
    int64_t batch;
    int threads;
} shapes[] = {{"modadd", 512, 1},        {"modadd", 512, 2},  {"modadd", 2048, 1}, {"modadd", 2048, 2},
              {"modadd_husai", 512, 1},  {"copy", 256, 1},    {"copy", 256, 2}};

struct timing {
    double step[REPEATS], gemm[REPEATS];
    double flop, dense_flop, gemm_flop; /* of one */
};

static double seconds(void)
{
    return (double)clock_system.mono_us(&clock_system) / 1e6;
}

static void die(const struct err *e)
{
    fprintf(stderr, "bench_lm_step: %s\n", e->text);
    exit(1);
}

static void steps(struct lm_trainer *t, int n)
{
    struct err e;

    for (; n > 0; n--) {
        if (t->at.step + 1 >= (int64_t)t->steps_an_epoch)
            t->at.step = 0; /* full batches only, no validation */
        if (lm_trainer_step(t, &e))
            die(&e);
    }
}

static void time_shape(const struct shape *s, struct timing *t)
{
    struct lm_train_cfg k = {.task = s->task, .modulus = 113, .train_fraction = 0.9,
                             .n_examples = 10000, .n_layers = 2, .d_model = 128, .n_heads = 4,
                             .d_mlp = 512, .act = "relu", .epochs = 1000000, .batch = s->batch,
                             .lr = 1e-3, .beta1 = 0.9, .beta2 = 0.98, .weight_decay = 1,
                             .stop_at = "", .seed_init = -1, .seed_order = -1, .seed_data = -1};
    static struct lm_trainer r;
    struct arena a;
    struct err e;

    if (arena_open(&a, "bench", lm_trainer_bytes(&k), &e))
        die(&e);
    blas_threads_set(s->threads);
    lm_trainer_init(&r, &k, &a);
    steps(&r, 3);
    const struct lm_cfg *c = &r.lm.cfg;
    size_t n = r.batch.n;
    int inner;

    t->flop = lm_step_flop(c, n, r.batch.n_out);
    t->dense_flop = lm_step_flop(c, (size_t)s->batch * c->n_ctx, (size_t)s->batch * c->n_ctx);
    t->gemm_flop = 2 * (double)(n * c->d_mlp * c->d_model);
    inner = 1 + (int)(2e9 / t->flop);
    for (int rep = 0; rep < REPEATS; rep++) {
        double from = seconds();

        steps(&r, inner);
        t->step[rep] = (seconds() - from) / inner;
        from = seconds();
        for (int i = 0; i < 10 * inner; i++)
            mm_nn(r.acts.block[0].hidden, r.acts.block[0].a2, r.lm.w.block[0].w_in, n, c->d_mlp,
                  c->d_model, 1, 0);
        t->gemm[rep] = (seconds() - from) / (10 * inner);
    }
    arena_close(&a);
}

int main(void)
{
    printf("isa %s, blas %s\n", isa_name(isa_in_use()), blas_core());
    printf("%-13s %5s %7s %10s %8s %8s %12s %8s %8s %6s\n", "task", "batch", "threads", "median_ms",
           "p10_ms", "p90_ms", "examples/s", "GFLOP/s", "of_gemm", "saved");
    for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
        const struct shape *s = &shapes[i];
        struct timing t;

        time_shape(s, &t);
        stats_sort(t.step, REPEATS);
        stats_sort(t.gemm, REPEATS);
        double step = t.step[REPEATS / 2], rate = t.flop / step;
        double gemm_rate = t.gemm_flop / t.gemm[REPEATS / 2];
        printf("%-13s %5d %7d %10.3f %8.3f %8.3f %12.0f %8.1f %7.1f%% %5.0f%%\n", s->task,
               (int)s->batch, s->threads, 1e3 * step, 1e3 * stats_quantile(t.step, REPEATS, .1),
               1e3 * stats_quantile(t.step, REPEATS, .9), (double)s->batch / step, 1e-9 * rate,
               100 * rate / gemm_rate, 100 * (1 - t.flop / t.dense_flop));
    }
    return 0;
}
