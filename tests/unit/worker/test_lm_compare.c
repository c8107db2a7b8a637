/* test_lm_compare.c - the tax from evaluations written by hand. */
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

/* An evaluation as lm_eval leaves it; ppl as it stands in JSON. */
static void eval(const char *name, const char *ppl, int n_scored)
{
    struct buf path = {0}, text = {0};

    buf_fmt(&path, "%s/result.json", name);
    buf_fmt(&text, "{\"format\": 1, \"job\": \"%s\", \"metrics\": {%s%s%s\"n_scored\": %d}}", jobrun_id(1000 + ++jobs.n),
            *ppl ? "\"ppl\": " : "", ppl, *ppl ? ", " : "", n_scored);
    jobrun_file(&jobs, path.data, text.data);
    buf_free(&path);
    buf_free(&text);
}

static void compare(const char *name, const char *inputs)
{
    struct err e;

    assert_ok(jobrun(&jobs, name, "lm_compare", "\"label\": \"saeception\"", inputs, &e), e);
}

static void pairs_of_one_seed_make_the_tax(void **state)
{
    (void)state;
    eval("c0", "100", 50);
    eval("c1", "200", 50);
    eval("a0", "102", 50); /* + 2 % */
    eval("a1", "202", 50); /* + 1 %: the pairs' mean is 1.5, that of the means 1.333 */
    eval("b", "160", 50);
    compare("tax", "evals=a0,evals=a1,control=c0,control=c1,baseline=b");
    const double half = 12.706204736432095 * sqrt(0.5) / sqrt(2); /* t of one degree of freedom */

    assert_near(jobrun_metric(&jobs, "tax", "n_seeds"), 2, 0);
    assert_near(jobrun_metric(&jobs, "tax", "ppl"), 152, 1e-12);
    assert_near(jobrun_metric(&jobs, "tax", "ppl_std"), sqrt(5000), 1e-9);
    assert_near(jobrun_metric(&jobs, "tax", "ppl_control"), 150, 1e-12);
    assert_near(jobrun_metric(&jobs, "tax", "ppl_increase_pct"), 1.5, 1e-12);
    assert_near(jobrun_metric(&jobs, "tax", "ppl_increase_pct_low"), 1.5 - half, 1e-6);
    assert_near(jobrun_metric(&jobs, "tax", "ppl_increase_pct_high"), 1.5 + half, 1e-6);
    assert_near(jobrun_metric(&jobs, "tax", "ppl_increase_base_pct"), -5, 1e-12);
    compare("crossed", "evals=a0,evals=a1,control=c1,control=c0"); /* the order is the pairing */
    assert_near(jobrun_metric(&jobs, "crossed", "ppl_increase_pct"), (102 - 49) / 2.0, 1e-12);
    assert_true(isnan(jobrun_metric(&jobs, "crossed", "ppl_increase_base_pct")));
}

static void one_seed_has_a_tax_without_an_interval(void **state)
{
    (void)state;
    eval("s", "101.9", 50);
    compare("single", "evals=s,control=c0");
    assert_near(jobrun_metric(&jobs, "single", "ppl_increase_pct"), 1.9, 1e-9);
    assert_true(isnan(jobrun_metric(&jobs, "single", "ppl_increase_pct_low")));
    assert_true(isnan(jobrun_metric(&jobs, "single", "ppl_std")));
}

static void a_ruined_model_leaves_no_tax_that_a_gate_could_pass(void **state)
{
    struct json *doc = NULL;
    struct buf path = {0};
    struct err e;

    (void)state;
    eval("ruin", "", 50); /* not finite: lm_eval lists it as absent */
    compare("ruined", "evals=a0,evals=ruin,control=c0,control=c1");
    assert_true(isnan(jobrun_metric(&jobs, "ruined", "ppl_increase_pct")));
    buf_fmt(&path, "%s/ruined/result.json", jobs.root);
    assert_ok(json_read(path.data, 1 << 20, &doc, &e), e);
    assert_string_equal(json_str(json_get(doc, "verdict")), "negative");
    json_free(doc);
    buf_free(&path);
}

static void uneven_sides_and_other_texts_are_refused(void **state)
{
    struct err e;

    (void)state;
    assert_fails(jobrun(&jobs, "uneven", "lm_compare", "", "evals=a0,evals=a1,control=c0", &e), ERR_INVALID, e,
                 "2 against 1 in control");
    eval("other", "100", 51);
    assert_fails(jobrun(&jobs, "text", "lm_compare", "", "evals=a0,control=other", &e), ERR_INVALID, e,
                 "scored 51 ids, others 50");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs_of_one_seed_make_the_tax),
        cmocka_unit_test(one_seed_has_a_tax_without_an_interval),
        cmocka_unit_test(a_ruined_model_leaves_no_tax_that_a_gate_could_pass),
        cmocka_unit_test(uneven_sides_and_other_texts_are_refused),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
