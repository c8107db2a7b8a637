/* test_lambda_pick.c - the strongest pull within the tax, from taxes written by hand. */
#include "jobrun.h"

#include <math.h>

static struct jobrun jobs;

static int setup(void **state)
{
    (void)state;
    jobs.root = tmpdir_make();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tmpdir_remove(jobs.root);
    return 0;
}

/* A comparison as lm_compare leaves it; high below 0: without an interval. */
static void tax(const char *name, double lambda, double pct, double high)
{
    struct buf path = {0}, text = {0};

    buf_fmt(&path, "%s/result.json", name);
    buf_fmt(&text, "{\"format\": 1, \"job\": \"%s\", \"metrics\": {\"ppl_increase_pct\": %g", jobrun_id(1000 + ++jobs.n), pct);
    if (high >= 0)
        buf_fmt(&text, ", \"ppl_increase_pct_high\": %g", high);
    buf_str(&text, "}}");
    jobrun_file(&jobs, path.data, text.data);
    buf_reset(&path), buf_reset(&text);
    buf_fmt(&path, "%s/job.json", name);
    buf_fmt(&text, "{\"kind\": \"lm_compare\", \"context\": {\"lambda\": %g}}", lambda);
    jobrun_file(&jobs, path.data, text.data);
    buf_free(&path);
    buf_free(&text);
}

static double pick(const char *name, const char *inputs)
{
    struct err e;

    assert_ok(jobrun(&jobs, name, "lambda_pick", "", inputs, &e), e);
    return jobrun_metric(&jobs, name, "lambda_pick");
}

static void the_largest_within_the_tax_is_taken(void **state)
{
    (void)state;
    tax("l0.1", 0.1, 0.1, 0.3);
    tax("l1", 1, 1.5, 1.9);
    tax("l3", 3, 1.9, 2.1); /* the mean is within, its interval is not */
    assert_near(pick("plain", "taxes=l3,taxes=l0.1,taxes=l1"), 1, 0);
    assert_near(jobrun_metric(&jobs, "plain", "lambda_pick_tax"), 1.5, 0);
    assert_near(jobrun_metric(&jobs, "plain", "lambda_pick_tax_high"), 1.9, 0);
}

static void one_above_a_failing_one_is_not_taken(void **state)
{
    (void)state;
    tax("l10", 10, 0.5, 1.0); /* noise: it cannot be trusted */
    assert_near(pick("gap", "taxes=l10,taxes=l0.1,taxes=l1,taxes=l3"), 1, 0);
}

static void without_one_within_the_tax_there_is_no_value(void **state)
{
    (void)state;
    tax("single", 0.01, 0.1, -1);
    assert_true(isnan(pick("none", "taxes=l3")));
    assert_true(isnan(pick("no_interval", "taxes=single,taxes=l0.1")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_largest_within_the_tax_is_taken),
        cmocka_unit_test(one_above_a_failing_one_is_not_taken),
        cmocka_unit_test(without_one_within_the_tax_there_is_no_value),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
