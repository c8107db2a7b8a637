/* test_exports.c - the recorded layout of trained against random, from a manifest. */
#include "mf.h"

#include <math.h>

#include "common/json.h"
#include "coordinator/exports.h"

static const struct mf_stage stages[] = {{"sae", "sae_train", {0}}, {"stability", "sae_compare", {0}}};
static const struct mf_job jobs[] = {
    {.stage = 0, .knobs = "{\"seed\":1}"},
    {.stage = 0, .knobs = "{\"seed\":2}"},
    {.stage = 0, .knobs = "{\"seed\":3}"},
    {.stage = 1, .knobs = "{}", .n_inputs = 3,
     .inputs = {{.name = "saes", .job = 0}, {.name = "saes", .job = 1, .ord = 1}, {.name = "saes", .job = 2, .ord = 2}}},
};
static const char *export_stage = "stability";

/* What spec.c would say of the sweep's `exports:`. */
size_t spec_n_exports(const struct spec *s)
{
    (void)s;
    return 1;
}

void spec_export(const struct spec *s, size_t i, const char **format, const char **stage, const char **path)
{
    (void)s;
    (void)i;
    *format = "husai_phase4a";
    *stage = export_stage;
    *path = "analysis/pwmcc.json";
}

static void fill(const char *results, bool is_done)
{
    struct spec s = mf_spec("demo", 2, 1);
    struct manifest *m;
    struct err e = {0};

    mf.stages = stages;
    mf.jobs = jobs;
    mf.n_jobs = ARRAY_LEN(jobs);
    MF_OK(manifest_open(results, 0, &m, &e));
    mf_add(m, &s, NULL);
    for (int64_t job = 1; job <= 3; job++)
        MF_OK(mf_finish_folder(results, m, job, "\"verdict\":null,\"metrics\":{\"ev\":0.9}", &e));
    if (is_done)
        MF_OK(mf_finish_folder(results, m, 4,
            "\"verdict\":null,\"metrics\":{\"pwmcc_mean\":0.4,\"random_mean\":0.3,\"ratio\":1.3333333333333333,\"p_value\":0.01,\"mwu\":9,"
            "\"delta\":0.1,\"ci_low\":0.3,\"ci_high\":0.5,\"random_ci_low\":0.29,\"random_ci_high\":0.31,\"cohens_d\":2},"
            "\"blobs\":[{\"name\":\"pairs\",\"type\":\"text/csv\",\"text\":\"seed_a,seed_b,pwmcc,mmcs,hungarian,hungarian_abs,subspace,"
            "grassmann\\n1,2,0.3,,,,,\\n1,3,0.4,,,,,\\n2,3,0.5,,,,,\\n\"},"
            "{\"name\":\"baseline_pairs\",\"type\":\"text/csv\",\"text\":\"seed_a,seed_b,pwmcc\\n7,8,0.29\\n7,9,0.30\\n8,9,0.31\\n\"}]", &e));
    manifest_close(m);
}

static double number(const struct json *doc, const char *part, const char *name)
{
    double v = NAN;

    json_f64(json_get(json_get(doc, part), name), &v);
    return v;
}

static void test_the_recorded_layout(void **state)
{
    struct spec s = mf_spec("demo", 2, 1);
    struct buf said = {0}, path = {0}, csv = {0};
    struct json *doc = NULL;
    struct err e = {0};

    fill(*state, true);
    MF_OK(exports_write(&s, *state, MF_DAY, &said, &e));
    assert_non_null(strstr(said.data, "analysis/pwmcc.json"));
    buf_fmt(&path, "%s/analysis/pwmcc.json", (char *)*state);
    MF_OK(json_read(path.data, 1 << 20, &doc, &e));
    assert_true(fabs(number(doc, "trained", "mean") - 0.4) < 1e-12);
    assert_true(fabs(number(doc, "trained", "median") - 0.4) < 1e-12);
    assert_true(fabs(number(doc, "trained", "std") - 0.1) < 1e-12); /* ddof 1 */
    assert_true(fabs(number(doc, "random", "min") - 0.29) < 1e-12);
    assert_true(fabs(number(doc, "random", "max") - 0.31) < 1e-12);
    assert_true(fabs(number(doc, "comparison", "difference") - 0.1) < 1e-9);
    assert_true(fabs(number(doc, "comparison", "ratio") - 4.0 / 3) < 1e-9);
    json_free(doc);
    buf_reset(&path);
    buf_fmt(&path, "%s/analysis/random_pairwise_pwmcc.csv", (char *)*state);
    MF_OK(fs_read(path.data, 1 << 20, &csv, &e));
    assert_string_equal(csv.data, "seed_a,seed_b,pwmcc\n7,8,0.29\n7,9,0.3\n8,9,0.31\n");
    buf_free(&csv);
    buf_free(&said);
    buf_free(&path);
}

static void test_a_stage_that_is_not_done_is_said_and_nothing_written(void **state)
{
    struct spec s = mf_spec("demo", 2, 1);
    struct buf said = {0}, path = {0};
    struct err e = {0};

    fill(*state, false);
    MF_OK(exports_write(&s, *state, MF_DAY, &said, &e));
    buf_fmt(&path, "%s/analysis/pwmcc.json", (char *)*state);
    assert_false(fs_is_file(path.data));
    buf_free(&said);
    buf_free(&path);
}

#define T(name) cmocka_unit_test_setup_teardown(test_##name, mf_setup, mf_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {T(the_recorded_layout), T(a_stage_that_is_not_done_is_said_and_nothing_written)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
