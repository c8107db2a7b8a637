/* test_adam.c - the optimiser against torch.optim, clipping and schedules by hand. */
#include "tests/lib/check.h"

#include "worker/nn/adam.h"

/* Values of torch.optim.AdamW in float64: lr 0.01, betas (0.9, 0.98), three steps. */
static void steps_agree_with_torch(void **state)
{
    static const double want[2][4] = {
        {0.470469011710, -0.971337831210, 1.970826202110, 0.014719579902},
        {0.469000307006, -0.968370184799, 1.964861825199, 0.014713991257}};
    static const double base[] = {0.3, -0.2, 5.0, 1e-9};

    (void)state;
    for (int w = 0; w < 2; w++) {
        real p[] = {0.5, -1, 2, 0}, g[4], m[4] = {0}, v[4] = {0};
        struct param row = {.name = "p", .data = p, .grad = g, .m = m, .v = v, .n = 4,
                            .decay = true};
        struct adam o = {.lr = 0.01, .beta1 = 0.9, .beta2 = 0.98, .eps = 1e-8, .wd = w * 0.1};

        for (int t = 0; t < 3; t++) {
            for (int i = 0; i < 4; i++)
                g[i] = base[i] * (t + 1) - t * 0.1;
            adam_step(&o, &row, 1, o.lr);
        }
        for (int i = 0; i < 4; i++)
            assert_near(p[i], want[w][i], 1e-11);
        assert_int_equal(o.t, 3);
    }
}

static void clipping_scales_to_the_norm_and_leaves_small_gradients(void **state)
{
    real a[] = {3, 0}, b[] = {4};
    struct param p[] = {{.grad = a, .n = 2}, {.grad = b, .n = 1}};

    (void)state;
    assert_near(grads_clip(p, 2, 10), 5, 1e-12);
    assert_near(a[0], 3, 0);
    assert_near(grads_clip(p, 2, 1), 5, 1e-12);
    assert_near(a[0], 3 / (5 + 1e-6), 1e-12);
    assert_near(b[0], 4 / (5 + 1e-6), 1e-12);
    assert_near(grads_clip(p, 2, 0), 1, 1e-5);
    grads_zero(p, 2);
    assert_near(a[0] + b[0], 0, 0);
}

static void schedule_warms_up_holds_and_decays(void **state)
{
    (void)state;
    assert_near(schedule_lr(2, 0, 100, 10, 0.2), 0.2, 1e-12);
    assert_near(schedule_lr(2, 9, 100, 10, 0.2), 2, 1e-12);
    assert_near(schedule_lr(2, 50, 100, 10, 0.2), 2, 1e-12);
    assert_near(schedule_lr(2, 80, 100, 10, 0.2), 2, 1e-12);
    assert_near(schedule_lr(2, 90, 100, 10, 0.2), 1, 1e-12);
    assert_near(schedule_lr(2, 99, 100, 10, 0.2), 0.1, 1e-12);
    assert_near(schedule_lr(2, 99, 100, 0, 0), 2, 1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_agree_with_torch),
        cmocka_unit_test(clipping_scales_to_the_norm_and_leaves_small_gradients),
        cmocka_unit_test(schedule_warms_up_holds_and_decays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
