/* Concentration of an embedding's power over frequencies: planted waves, noise, invariances. */
#include "tests/lib/check.h"

#include <math.h>

#include "common/rng.h"
#include "worker/eval/fourier.h"

enum { P = 23, D = 6 };

static double of(const real *x, size_t top)
{
    double out;
    struct err e;

    assert_ok(fourier_concentration(&out, x, P, D, top, &e), e);
    return out;
}

/* Waves of two frequencies with different phases in each column, and an offset. */
static void waves(real *x, double noise)
{
    struct rng r = rng_stream(1, "test");

    for (size_t i = 0; i < P; i++)
        for (size_t c = 0; c < D; c++)
            x[i * D + c] = (real)(7 + cos(2 * M_PI * 3 * (double)i / P + (double)c) +
                                  0.5 * sin(2 * M_PI * 8 * (double)i / P - (double)c) +
                                  noise * rng_normal(&r));
}

static void planted_frequencies_hold_all_the_power(void **state)
{
    real x[P * D];

    (void)state;
    waves(x, 0);
    assert_near(of(x, 2), 1, 1e-9);
    assert_near(of(x, 1), 1 / 1.25, 1e-6); /* amplitudes 1 and 0.5 */
    waves(x, 0.1);
    assert_true(of(x, 2) > 0.9);
}

static void noise_is_at_the_level_of_random_matrices(void **state)
{
    real x[P * D];
    struct rng r = rng_stream(2, "test");
    double chance, all;
    struct err e;

    (void)state;
    for (size_t i = 0; i < P * D; i++)
        x[i] = (real)rng_normal(&r);
    assert_ok(fourier_random(&chance, P, D, 2, 50, 3, &e), e);
    assert_near(of(x, 2), chance, 0.1);
    assert_true(chance > 2.0 / 11 && chance < 0.6);
    assert_ok(fourier_random(&all, P, D, 11, 3, 3, &e), e);
    assert_near(all, 1, 1e-9);
}

static void a_shift_of_the_residues_changes_nothing_and_nothing_has_no_power(void **state)
{
    real x[P * D], y[P * D], zero[P * D] = {0};

    (void)state;
    waves(x, 0.5);
    for (size_t i = 0; i < P; i++)
        for (size_t c = 0; c < D; c++)
            y[(i + 5) % P * D + c] = 3 * x[i * D + c] - 1;
    assert_near(of(y, 3), of(x, 3), 1e-5);
    assert_true(of(zero, 3) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(planted_frequencies_hold_all_the_power),
        cmocka_unit_test(noise_is_at_the_level_of_random_matrices),
        cmocka_unit_test(a_shift_of_the_residues_changes_nothing_and_nothing_has_no_power),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
