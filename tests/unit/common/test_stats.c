/* test_stats.c - statistics against SciPy 1.17 / NumPy 2.4 and closed forms. */
#include "tests/lib/check.h"

#include "common/stats.h"

static void test_mean_and_std(void **state)
{
    const double x[] = {2, 4, 4, 4, 5, 5, 7, 9};

    (void)state;
    assert_near(stats_mean(x, 8), 5, 0);
    assert_near(stats_std(x, 8), sqrt(32.0 / 7), 1e-15);
    assert_true(isnan(stats_std(x, 1)));
    assert_true(isnan(stats_mean(x, 0)));
}

static void test_quantile_interpolates_at_rank_q_times_n_minus_1(void **state)
{
    const double x[] = {1, 2, 4, 8};

    (void)state;
    assert_near(stats_quantile(x, 4, 0), 1, 0);
    assert_near(stats_quantile(x, 4, 0.5), 3, 0);
    assert_near(stats_quantile(x, 4, 0.9), 4 + 0.7 * 4, 1e-12);
    assert_near(stats_quantile(x, 4, 1), 8, 0);
    assert_near(stats_quantile(x, 1, 0.3), 1, 0);
    assert_true(isnan(stats_quantile(x, 0, 0.5)));
}

static void test_sort_puts_nan_last(void **state)
{
    double x[] = {3, NAN, -1, INFINITY, 2};

    (void)state;
    stats_sort(x, 5);
    assert_true(x[0] < x[1] && x[1] < x[2] && x[2] < x[3]);
    assert_true(isnan(x[4]));
}

static void test_student_t_quantiles(void **state)
{
    const struct {
        double p, dof, want;
    } row[] = {{.975, 4, 2.7764451051977934},
               {.975, 9, 2.262157162798205},
               {.95, 1, 6.313751514675037},
               {.025, 30, -2.042272456301238},
               {.999, 2.5, 13.82219311086596},
               {.9, 1000, 1.2823987214609247},
               {.5, 3, 0}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(row); i++)
        assert_near(stats_t_quantile(row[i].p, row[i].dof), row[i].want, 1e-10);
    assert_true(isnan(stats_t_quantile(1.5, 3)));
    assert_true(isinf(stats_t_quantile(1, 3)));
}

static void test_incomplete_beta(void **state)
{
    const struct {
        double a, b, x, want;
    } row[] = {
        {2, .5, .3, 0.03784096948581308},  {5, 2, .9, 0.885735}, {.5, .5, .1, 0.20483276469913345},
        {500, 30, .95, 0.734773081090851}, {3, 4, 0, 0},         {3, 4, 1, 1}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(row); i++)
        assert_near(stats_beta_inc(row[i].a, row[i].b, row[i].x), row[i].want, 1e-12);
    assert_near(stats_beta_inc(2, 3, 0.3), 1 - stats_beta_inc(3, 2, 0.7), 1e-14);
    assert_true(isnan(stats_beta_inc(-1, 2, 0.5)));
}

static void test_t_interval_of_five_values(void **state)
{
    const double x[] = {1, 2, 3, 4, 5};
    double lo, hi, half = 2.7764451051977934 * sqrt(2.5) / sqrt(5);

    (void)state;
    stats_t_interval(x, 5, 0.95, &lo, &hi);
    assert_near(lo, 3 - half, 1e-10);
    assert_near(hi, 3 + half, 1e-10);
    stats_t_interval(x, 1, 0.95, &lo, &hi);
    assert_true(isnan(lo) && isnan(hi));
}

static void test_bootstrap_equals_numpy(void **state)
{
    const double x[] = {.1, .4, .35, .8, .22, .9, .41, .07, .66, .5};
    struct pcg64 g;
    double lo, hi;

    (void)state;
    pcg64_seed(&g, 29);
    stats_bootstrap_mean(x, 10, 10000, &g, &lo, &hi);
    assert_near(lo, 0.28200000000000003, 1e-15);
    assert_near(hi, 0.609, 1e-15);
    stats_bootstrap_mean(x, 0, 10, &g, &lo, &hi);
    assert_true(isnan(lo) && isnan(hi));
}

/* Two groups of ten without ties, with U = u for the first. */
static struct stats_mwu ten_against_ten(int u)
{
    double a[10], b[10];

    for (int i = 0; i < 10; i++) {
        int wins = u / 10 + (i < u % 10); /* of a[i] */

        b[i] = i + 1;
        a[i] = wins + 0.5 + 0.001 * i;
    }
    return stats_mann_whitney(a, 10, b, 10);
}

static void test_mann_whitney_recorded_values(void **state)
{
    struct stats_mwu r = ten_against_ten(82);

    (void)state;
    assert_near(r.u, 82, 0);
    assert_near(r.p, 8.629e-3, 5e-7);
    assert_int_equal(r.is_exact, 0);
    r = ten_against_ten(98);
    assert_near(r.u, 98, 0);
    assert_near(r.p, 1.649e-4, 5e-8);
}

static void test_mann_whitney_small_groups_are_exact_as_in_scipy(void **state)
{
    const double a[] = {1.1, 2.2, 3.3, 4.4, 5.5}, b[] = {0.9, 1.8, 2.7, 3.6};
    const double c[] = {10, 11, 12, 13, 14, 15, 16, 17};
    const double d[] = {3.5, 9.5, 12.5, 1, 2, 3, 4, 5, 6, 7, 8, 9};
    struct stats_mwu r = stats_mann_whitney(a, 5, b, 4);

    (void)state;
    assert_int_equal(r.is_exact, 1);
    assert_near(r.u, 14, 0);
    assert_near(r.p, 0.20634920634920634, 1e-14);
    r = stats_mann_whitney(c, 8, d, 12);
    assert_int_equal(r.is_exact, 1);
    assert_near(r.u, 93, 0);
    assert_near(r.p, 5.556878621894102e-05, 1e-17);
}

static void test_mann_whitney_corrects_for_ties(void **state)
{
    const double a[] = {1, 2, 2, 3, 4, 4, 5, 6, 7}, b[] = {0, 1, 2, 2, 3, 3, 4, 1, 0, 2};
    const double same[] = {1, 1, 1}, nan[] = {1, NAN};
    struct stats_mwu r = stats_mann_whitney(a, 9, b, 10);

    (void)state;
    assert_near(r.u, 71, 0);
    assert_near(r.p, 0.017305867020570017, 1e-15);
    assert_near(stats_mann_whitney(same, 3, same, 3).p, 1, 0);
    assert_true(isnan(stats_mann_whitney(nan, 2, a, 9).p));
    assert_true(isnan(stats_mann_whitney(a, 0, b, 10).p));
}

static void test_cohens_d_pools_the_variances(void **state)
{
    const double a[] = {3, 4, 5}, b[] = {1, 2, 3, 4};

    (void)state;
    assert_near(stats_cohens_d(a, 3, b, 4), 1.5 / sqrt((2 + 5) / 5.0), 1e-15);
    assert_near(stats_cohens_d(b, 4, a, 3), -stats_cohens_d(a, 3, b, 4), 1e-15);
    assert_true(isnan(stats_cohens_d(a, 1, b, 1)));
}

static void test_pareto_front_keeps_ties_and_drops_the_dominated(void **state)
{
    const double x[] = {1, 5, 2, 4, 2, 4, 1, 4, 5, 0, 0, 0};
    const unsigned char want[] = {1, 1, 1, 0, 1, 0};
    unsigned char got[6];

    (void)state;
    stats_pareto(x, 6, 2, got);
    assert_memory_equal(got, want, sizeof got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mean_and_std),
        cmocka_unit_test(test_quantile_interpolates_at_rank_q_times_n_minus_1),
        cmocka_unit_test(test_sort_puts_nan_last),
        cmocka_unit_test(test_student_t_quantiles),
        cmocka_unit_test(test_incomplete_beta),
        cmocka_unit_test(test_t_interval_of_five_values),
        cmocka_unit_test(test_bootstrap_equals_numpy),
        cmocka_unit_test(test_mann_whitney_recorded_values),
        cmocka_unit_test(test_mann_whitney_small_groups_are_exact_as_in_scipy),
        cmocka_unit_test(test_mann_whitney_corrects_for_ties),
        cmocka_unit_test(test_cohens_d_pools_the_variances),
        cmocka_unit_test(test_pareto_front_keeps_ties_and_drops_the_dominated),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
