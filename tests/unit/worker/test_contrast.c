/* test_contrast.c - paired contrasts, verdicts over measures, convergence, firing statistics. */
#include "tests/lib/check.h"

#include "worker/eval/contrast.h"
#include "worker/eval/course.h"
#include "worker/eval/recon.h"

static void a_contrast_is_the_paired_t_test(void **state)
{
    /* t(4) at 0.975 is 2.7764451052 */
    const double arm[] = {5.1, 6.0, 4.2, 7.3, 5.9}, control[] = {4.0, 4.9, 4.1, 5.6, 5.4};
    struct contrast c = contrast_of(arm, control, 5);

    (void)state;
    assert_near(c.arm, 5.7, 1e-12);
    assert_near(c.control, 4.8, 1e-12);
    assert_near(c.diff, 0.9, 1e-12);
    assert_near(c.std, 0.6164414002968976, 1e-12);
    assert_near(c.low, 0.9 - 2.7764451051977987 * c.std / sqrt(5), 1e-7);
    assert_near(c.effect, 0.9 / c.std, 1e-12);
    assert_int_equal(contrast_side(&c, CONTRAST_HIGHER), 1);
    assert_int_equal(contrast_side(&c, CONTRAST_LOWER), -1);
    assert_int_equal(contrast_side(&c, CONTRAST_EITHER), 0);
}

static void noise_and_single_pairs_take_no_side(void **state)
{
    const double arm[] = {1.0, -1.2, 0.9}, control[] = {0, 0, 0};
    struct contrast noisy = contrast_of(arm, control, 3), one = contrast_of(arm, control, 1);
    struct contrast equal = contrast_of(control, control, 3);

    (void)state;
    assert_int_equal(contrast_side(&noisy, CONTRAST_HIGHER), 0);
    assert_int_equal(contrast_side(&one, CONTRAST_HIGHER), 0);
    assert_true(isnan(one.std) && isnan(one.low) && isnan(one.effect));
    assert_int_equal(contrast_side(&equal, CONTRAST_HIGHER), 0);
    assert_true(isnan(equal.effect));
}

static void a_verdict_needs_enough_signs_on_one_side_only(void **state)
{
    static const struct {
        int side[4];
        enum contrast_verdict want;
    } rows[] = {{{1, 1, 0, 0}, CONTRAST_YES},   {{1, 0, 0, 0}, CONTRAST_UNDECIDED},
                {{1, 1, 1, -1}, CONTRAST_MIXED}, {{-1, -1, 0, 0}, CONTRAST_NO},
                {{0, 0, 0, 0}, CONTRAST_UNDECIDED}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(contrast_judge(rows[i].side, 4, 2), rows[i].want);
    assert_int_equal(contrast_judge(rows[1].side, 4, 1), CONTRAST_YES);
}

static void convergence_is_the_first_step_at_nine_tenths(void **state)
{
    const int64_t step[] = {1, 10, 20, 30, 40};
    const double loss[] = {10, 5, 1.5, 0.9, 0}, flat[] = {1, 1, 1, 1, 1};
    const double broken[] = {10, 5, NAN, 0.9, 0};
    int64_t at = -1;

    (void)state;
    assert_true(course_reached(step, loss, 5, 0.9, &at));
    assert_int_equal(at, 30);
    assert_true(course_reached(step, loss, 5, 0.5, &at));
    assert_int_equal(at, 10);
    assert_false(course_reached(step, flat, 5, 0.9, &at));
    assert_false(course_reached(step, broken, 5, 0.9, &at));
    assert_false(course_reached(step, loss, 1, 0.9, &at));
}

static void firing_counts_give_gini_and_effective_features(void **state)
{
    uint64_t even[] = {5, 5, 5, 5, 5, 5, 5, 5, 5, 5}, one[] = {0, 9, 0, 0}, none[] = {0, 0};
    struct density d = density_of(even, 10, 10);

    (void)state;
    assert_near(d.gini, 0, 1e-12);
    assert_near(d.effective, 9, 0); /* eight are 80 %; the ninth reaches 90 % */
    d = density_of(one, 4, 9);
    assert_near(d.gini, 0.75, 1e-12);
    assert_near(d.effective, 1, 0);
    d = density_of(none, 2, 9);
    assert_true(isnan(d.gini));
    assert_near(d.effective, 0, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_contrast_is_the_paired_t_test),
        cmocka_unit_test(noise_and_single_pairs_take_no_side),
        cmocka_unit_test(a_verdict_needs_enough_signs_on_one_side_only),
        cmocka_unit_test(convergence_is_the_first_step_at_nine_tenths),
        cmocka_unit_test(firing_counts_give_gini_and_effective_features),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
