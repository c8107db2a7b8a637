/* test_sae_grad.c - every architecture's gradient against central differences, in double. */
#include "golden.h"

#include "common/rng.h"

enum { N = 7, D = 5, F = 12, K = 4, DIRECTIONS = 8, SEED = 11 };

struct row {
    const char *arch;
    enum sae_norm norm;
    double l1;
};

/* Relative error of the directional derivative along a random direction of one parameter. */
static double direction_error(struct golden *g, struct param *p, const real *grad, const real *x,
                              struct rng *r)
{
    const double h = 1e-5;
    double dir[F * D], along = 0, loss[2];

    for (size_t i = 0; i < p->n; i++) {
        dir[i] = rng_normal(r);
        along += dir[i] * grad[i];
    }
    for (int side = 0; side < 2; side++) {
        double step = side ? h : -h;

        for (size_t i = 0; i < p->n; i++)
            p->data[i] += step * dir[i];
        assert_true(sae_forward(&g->s, &g->w, x, N));
        loss[side] = g->w.loss;
        for (size_t i = 0; i < p->n; i++)
            p->data[i] -= step * dir[i];
    }
    double slope = (loss[1] - loss[0]) / (2 * h);
    return fabs(slope - along) / fmax(fabs(slope) + fabs(along), 1e-3);
}

static void gradients_agree_with_differences_for_every_arch(void **state)
{
    static const struct row rows[] = {{"topk", SAE_NORM_NONE, 0},
                                      {"topk", SAE_NORM_RENORM, 0},
                                      {"topk_husai", SAE_NORM_RENORM, 0},
                                      {"relu", SAE_NORM_RENORM, 0.05},
                                      {"relu", SAE_NORM_NONE, 0.05},
                                      {"linear", SAE_NORM_NONE, 0}};
    real x[N * D], grad[F * D];

    (void)state;
    for (size_t t = 0; t < ARRAY_LEN(rows); t++) {
        struct sae_cfg cfg = {.arch = sae_arch_find(rows[t].arch), .d = D, .f = F, .k = K,
                              .norm = rows[t].norm, .l1 = rows[t].l1, .is_tied = false};
        struct rng r = rng_stream(SEED, rows[t].arch);
        struct golden g;

        golden_open(&g, &cfg, N);
        sae_init(&g.s, SEED, NULL);
        for (size_t i = 0; i < N * D; i++)
            x[i] = rng_normal(&r);
        for (size_t p = 0; p < g.s.n_params; p++)
            for (size_t i = 0; p != SAE_ENCODER && i < g.s.p[p].n; i++)
                g.s.p[p].data[i] += 0.1 * rng_normal(&r);
        assert_true(sae_forward(&g.s, &g.w, x, N));
        sae_backward(&g.s, &g.w);
        for (size_t p = 0; p < g.s.n_params; p++) {
            memcpy(grad, g.s.p[p].grad, g.s.p[p].n * sizeof *grad);
            for (int i = 0; i < DIRECTIONS; i++) {
                double worst = direction_error(&g, &g.s.p[p], grad, x, &r);

                if (!(worst < 1e-7))
                    fail_msg("%s norm %d: d loss/d %s: relative error %.2e", rows[t].arch,
                             rows[t].norm, g.s.p[p].name, worst);
            }
        }
        arena_close(&g.a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_agree_with_differences_for_every_arch),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
