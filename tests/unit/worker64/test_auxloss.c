/* test_auxloss.c - auxiliary losses: gradients against differences, and what each ignores. */
#include "tests/lib/check.h"

#include "common/rng.h"
#include "worker/num/auxloss.h"

enum { D = 9 };

typedef double loss_fn(real *g, const real *x, size_t d, double weight);

static void draw(real *v, const char *stream)
{
    struct rng r = rng_stream(5, stream);

    for (size_t i = 0; i < D; i++)
        v[i] = (real)rng_normal(&r);
}

static double value(loss_fn *f, const real *x, const real *t, double weight)
{
    real g[D];

    memcpy(g, t, sizeof g);
    return f(g, x, D, weight);
}

static void gradients_are_those_of_differences(void **state)
{
    loss_fn *const fs[] = {auxloss_mse, auxloss_cosine, auxloss_l1};
    real x[D], t[D], dir[D], g[D], up[D], down[D];

    (void)state;
    draw(x, "x"), draw(t, "t"), draw(dir, "dir");
    for (size_t f = 0; f < ARRAY_LEN(fs); f++) {
        const double h = 1e-6;
        double along = 0;

        memcpy(g, t, sizeof g);
        (void)fs[f](g, x, D, 0.37);
        for (size_t i = 0; i < D; i++) {
            along += (double)g[i] * (double)dir[i];
            up[i] = x[i] + (real)h * dir[i];
            down[i] = x[i] - (real)h * dir[i];
        }
        const double diff = (value(fs[f], up, t, 0.37) - value(fs[f], down, t, 0.37)) / (2 * h);
        assert_true(fabs(along) > 1e-3);
        assert_near(along / diff, 1, 1e-7);
    }
}

/* Why continued pretraining uses MSE and the classifier cosine: c x against c t. */
static void cosine_ignores_scale_and_mse_feels_it_squared(void **state)
{
    real x[D], t[D], cx[D], ct[D];
    const double c = 3;

    (void)state;
    draw(x, "x"), draw(t, "t");
    for (size_t i = 0; i < D; i++) {
        cx[i] = (real)c * x[i];
        ct[i] = (real)c * t[i];
    }
    assert_near(value(auxloss_cosine, cx, ct, 1), value(auxloss_cosine, x, t, 1), 1e-12);
    assert_near(value(auxloss_cosine, cx, t, 1), value(auxloss_cosine, x, t, 1), 1e-12);
    assert_near(value(auxloss_mse, cx, ct, 1), c * c * value(auxloss_mse, x, t, 1), 1e-9);
    assert_near(value(auxloss_l1, cx, ct, 1), c * value(auxloss_l1, x, t, 1), 1e-9);
}

static void zero_rows_have_no_direction(void **state)
{
    real x[D] = {0}, g[D];

    (void)state;
    draw(g, "t");
    assert_near(auxloss_cosine(g, x, D, 0.5), 0.5, 0);
    for (size_t i = 0; i < D; i++)
        assert_near(g[i], 0, 0);
    assert_near(auxloss_l1(g, x, D, 1), 0, 0);
    assert_near(g[3], 0, 0);
    assert_near(auxloss_cos(x, g, D), 0, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_are_those_of_differences),
        cmocka_unit_test(cosine_ignores_scale_and_mse_feels_it_squared),
        cmocka_unit_test(zero_rows_have_no_direction),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
