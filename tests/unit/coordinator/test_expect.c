/* test_expect.c - checks of a sweep and recorded numbers: each verdict, and that doctored results turn it. */
#include "mf.h"

#include <math.h>

#include "coordinator/expect.h"
#include "coordinator/manifest_query.h"
#include "coordinator/recorded.h"

static const struct mf_stage stages[] = {{"sae", "sae_train", {0}}, {"stability", "sae_compare", {0}}};
static const struct mf_job jobs[] = {
    {.stage = 0, .knobs = "{\"k\":4,\"seed\":1}"},
    {.stage = 1, .knobs = "{}", .context = "{\"k\":4}", .n_inputs = 1, .inputs = {{.name = "saes", .job = 0}}},
    {.stage = 1, .knobs = "{}", .context = "{\"k\":8}", .n_inputs = 1, .inputs = {{.name = "saes", .job = 0}}},
    {.stage = 1, .knobs = "{}", .context = "{\"k\":16}", .n_inputs = 1, .inputs = {{.name = "saes", .job = 0}}},
};

/* One comparison of seeds 1, 2, 3 with PWMCC p and an interval of +-half over seeds. */
struct row {
    double p, half, surrogate;
};

static void finish(const char *results, struct manifest *m, int64_t job, const struct row *r)
{
    char text[1024];
    struct err e = {0};

    snprintf(text, sizeof text,
             "\"verdict\":\"pass\",\"metrics\":{\"pwmcc_mean\":%.17g,\"seed_ci_low\":%.17g,\"seed_ci_high\":%.17g,"
             "\"random_mean\":0.25,\"ratio\":%.17g,\"ev_mean\":0.9,\"l0_mean\":%d,\"surrogate_mean\":%.17g},"
             "\"blobs\":[{\"name\":\"pairs\",\"type\":\"text/csv\",\"text\":"
             "\"seed_a,seed_b,pwmcc,mmcs,hungarian,hungarian_abs,subspace,grassmann\\n1,2,%.17g,,,,,\\n1,3,%.17g,,,,,\\n"
             "2,3,%.17g,,,,,\\n\"}]",
             r->p, r->p - r->half, r->p + r->half, r->p / 0.25, (int)(1 << job), r->surrogate, r->p - r->half, r->p,
             r->p + r->half);
    MF_OK(mf_finish_folder(results, m, job, text, &e));
}

static struct query *fill(const char *results, const char *notes, const struct row rows[3])
{
    struct spec s = mf_spec("demo", 2, 1);
    struct manifest *m;
    struct query *q;
    struct err e = {0};

    s.text = notes;
    mf.stages = stages;
    mf.jobs = jobs;
    mf.n_jobs = ARRAY_LEN(jobs);
    MF_OK(manifest_open(results, 0, &m, &e));
    mf_add(m, &s, NULL);
    MF_OK(mf_finish_folder(results, m, 1, "\"verdict\":\"pass\",\"metrics\":{\"ev\":0.9}", &e));
    for (int i = 0; i < 3; i++)
        finish(results, m, i + 2, &rows[i]);
    manifest_close(m);
    MF_OK(query_open(results, &q, &e));
    return q;
}

/* The verdict on one check of these three rows. */
static void expect_is(const char *dir, const char *check, const struct row rows[3], const char *want)
{
    static int n;
    char results[256], notes[512];
    struct table t = {0};
    struct err e = {0};

    snprintf(results, sizeof results, "%s/%d", dir, n++);
    snprintf(notes, sizeof notes, "sweep: demo\nchecks:\n  - %s\n", check);
    struct query *q = fill(results, notes, rows);
    MF_OK(expect_table(&t, q, "demo", &e));
    assert_int_equal(t.n_rows, 1);
    if (strcmp(table_cell(&t, 0, (size_t)table_col(&t, "verdict"))->text, want) != 0)
        fail_msg("%s: %s, not %s", check, table_cell(&t, 0, (size_t)table_col(&t, "verdict"))->text, want);
    assert_string_equal(expect_text(expect_sum(&t, "demo")), want);
    table_free(&t);
    query_close(q);
}

static const struct row falling[3] = {{0.5, 0.01, 0.4}, {0.4, 0.01, 0.35}, {0.3, 0.01, 0.28}};
static const struct row flat[3] = {{0.4, 0.02, 0.395}, {0.39, 0.02, 0.4}, {0.395, 0.02, 0.39}};
static const struct row rising[3] = {{0.3, 0.01, 0.31}, {0.4, 0.01, 0.41}, {0.5, 0.01, 0.51}};

static void test_limits_turn_with_the_interval(void **state)
{
    expect_is(*state, "{of: $stability, metric: ratio, min: 1.1}", falling, "held");
    expect_is(*state, "{of: $stability, metric: ratio, min: 1.18}", falling, "undecided");
    expect_is(*state, "{of: $stability, metric: ratio, min: 1.3}", falling, "did not hold");
    expect_is(*state, "{of: '$stability{k: [4, 8]}', metric: ratio, min: 1.3}", falling, "held");
    expect_is(*state, "{of: $stability, metric: pwmcc_mean, max: 0.52}", falling, "held");
    expect_is(*state, "{of: $stability, metric: pwmcc_mean, max: 0.48}", falling, "did not hold");
    expect_is(*state, "{of: $absent, metric: pwmcc_mean, max: 0.48}", falling, "undecided");
}

/* The number shown is the one nearest to being wrong, wherever its row stands. */
static void test_the_worst_number_is_shown(void **state)
{
    static const struct {
        const char *check;
        double effect;
    } cases[] = {{"{of: $stability, metric: pwmcc_mean, min: 0.1}", 0.3}, {"{of: $stability, metric: pwmcc_mean, max: 0.9}", 0.5},
                 {"{of: $stability, metric: pwmcc_mean, min: 0.9}", 0.3}};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char results[256], notes[256];
        struct table t = {0};
        struct err e = {0};
        double effect;

        snprintf(results, sizeof results, "%s/worst%zu", (const char *)*state, i);
        snprintf(notes, sizeof notes, "sweep: demo\nchecks:\n  - %s\n", cases[i].check);
        struct query *q = fill(results, notes, i == 1 ? rising : falling);
        MF_OK(expect_table(&t, q, "demo", &e));
        assert_true(table_f64(&t, 0, "effect", &effect));
        assert_float_equal(effect, cases[i].effect, 1e-12);
        table_free(&t);
        query_close(q);
    }
}

static void test_trends_turn_with_the_order(void **state)
{
    expect_is(*state, "{of: $stability, metric: ratio, falls_with: k}", falling, "held");
    expect_is(*state, "{of: $stability, metric: ratio, falls_with: k}", flat, "undecided");
    expect_is(*state, "{of: $stability, metric: ratio, falls_with: k}", rising, "did not hold");
    expect_is(*state, "{of: $stability, metric: ratio, rises_with: k}", rising, "held");
    const struct row back[3] = {{0.5, 0.01, 0}, {0.3, 0.01, 0}, {0.4, 0.01, 0}};
    expect_is(*state, "{of: $stability, metric: ratio, falls_with: k}", back, "did not hold");
}

static void test_differences_of_a_row_and_of_stages(void **state)
{
    expect_is(*state, "{of: $stability, metric: pwmcc_mean, minus: surrogate_mean, min: 0}", falling, "held");
    expect_is(*state, "{of: $stability, metric: pwmcc_mean, minus: surrogate_mean, min: 0}", flat, "undecided");
    expect_is(*state, "{of: $stability, metric: pwmcc_mean, minus: surrogate_mean, max: 0}", falling, "did not hold");
    expect_is(*state, "{of: '$stability{k: 4}', metric: pwmcc_mean, minus: '$stability{k: 8}', min: 0.05}", falling, "held");
    expect_is(*state, "{of: '$stability{k: 4}', metric: ratio, minus: '$stability{k: 8}', min: 0}", rising, "did not hold");
    /* at L0 8, between 4 and 16 on a scale of logs */
    expect_is(*state, "{of: '$stability{k: 8}', metric: pwmcc_mean, minus: '$stability{k: [4, 16]}', matched: l0_mean, "
                      "min: -0.05, max: 0.05}", falling, "held");
    expect_is(*state, "{of: '$stability{k: 8}', metric: pwmcc_mean, minus: '$stability{k: [4, 16]}', matched: l0_mean, min: 0.05}",
              falling, "did not hold");
}

static void test_spreads(void **state)
{
    expect_is(*state, "{of: $stability, metric: pwmcc_mean, spread_min: 0.1}", falling, "held");
    expect_is(*state, "{of: $stability, metric: pwmcc_mean, spread_min: 0.1}", flat, "did not hold");
    expect_is(*state, "{of: $stability, metric: pwmcc_mean, spread_max: 0.06}", flat, "held");
    expect_is(*state, "{of: $stability, metric: pwmcc_mean, spread_max: 0.19}", falling, "undecided");
}

static void test_recorded_numbers_stand_beside_ours(void **state)
{
    static const char notes[] =
        "sweep: demo\nrecorded:\n"
        "  - {table: a, of: '$stability{k: 4}', metric: pwmcc_mean, value: 0.503, within: 0.005, source: s, trap: beware}\n"
        "  - {table: b, of: '$stability{k: 4}', metric: pwmcc_mean, value: 0.503, within: 0.002, source: s}\n"
        "  - {table: c, of: '$stability{k: 4}', minus: '$stability{k: 16}', metric: pwmcc_mean, value: 0.2, within: 0.001, source: s}\n"
        "  - {table: d, of: '$stability{k: 5}', metric: pwmcc_mean, value: 0.2, within: 0.001, source: s}\n";
    static const char *const want[] = {"same", "differs", "same", "not run"};
    struct query *q = fill(*state, notes, falling);
    struct table t = {0};
    struct err e = {0};
    double low, high;

    MF_OK(recorded_table(&t, q, NULL, &e));
    assert_int_equal(t.n_rows, ARRAY_LEN(want));
    for (size_t i = 0; i < ARRAY_LEN(want); i++)
        assert_string_equal(table_cell(&t, i, (size_t)table_col(&t, "verdict"))->text, want[i]);
    assert_string_equal(table_cell(&t, 0, (size_t)table_col(&t, "trap"))->text, "beware");
    /* the same seeds, spread alike: one draw serves both, so nothing of the spread is left */
    assert_true(table_f64(&t, 2, "ours_low", &low) && table_f64(&t, 2, "ours_high", &high));
    assert_true(fabs(low - 0.2) < 1e-9 && fabs(high - 0.2) < 1e-9);
    table_free(&t);
    query_close(q);
}

#define T(name) cmocka_unit_test_setup_teardown(test_##name, mf_setup, mf_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(limits_turn_with_the_interval),      T(trends_turn_with_the_order), T(differences_of_a_row_and_of_stages),
        T(spreads),                            T(recorded_numbers_stand_beside_ours),
        T(the_worst_number_is_shown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
