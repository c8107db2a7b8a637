/* What a result folder holds: knobs, metrics, provenance, digests and figures. */
#include "tests/unit/worker/place.h"

#include "common/plot.h"
#include "common/sha256.h"

static void test_files_for_people_hold_knobs_metrics_and_origin(void **state)
{
    struct place p = place_make();
    struct fake_time t;
    struct err e;
    double layer;
    (void)state;

    put_job(&p, ID, 1, "{\"seed\": 7, \"tag\": \"a: \\\"b\\\" #\"}", "");
    assert_ok(run(&p, fake_time(&t), &e), e);
    char *config = read_text(p.final, "config.yaml"), *page = read_text(p.final, "summary.md");
    assert_has(config, "  seed: 7\n");
    assert_has(config, "  steps: 1\n"); /* defaults too */
    assert_has(config, "  tag: \"a: \\\"b\\\" #\"\n");
    assert_has(config, "  threads: 1\n");
    assert_has(config, "  layer: 1\n");
    assert_has(config, ID);
    assert_has(page, "| value |");
    assert_has(page, "saegrid-runner run");
    assert_has(page, "Commit `");
    struct json *m = read_json(p.final, "metrics.json");
    assert_true(json_f64(json_get(m, "wall_clock_s"), &layer)); /* the long name */
    assert_true(json_f64(json_get(m, "layer"), &layer) && layer == 1);
    assert_string_equal(json_str(json_get(m, "task")), "modadd");
    assert_non_null(json_str(json_get(m, "commit_hash")));
    assert_string_equal(json_str(json_get(m, "device")), "cpu");
    const struct json *def = json_get(json_get(m, "definitions"), "value");
    assert_has(json_str(json_get(def, "definition")), "made from the seed");
    json_free(m);
    free(config);
    free(page);
    place_remove(&p);
}

static void test_provenance_names_build_host_and_command(void **state)
{
    static const char *const keys[] = {
        "version", "commit", "dirty", "compiler", "flags", "build_type", "real", "libc", "blas",
        "blas_core", "kernel", "host", "cpu", "isa", "threads", "command", "cwd", "started",
        "ended", "env.SAEGRID_TEST_MARK"};
    struct place p = place_make();
    struct fake_time t;
    struct err e;
    (void)state;

    setenv("SAEGRID_TEST_MARK", "here", 1);
    setenv("SECRET_TOKEN", "hidden", 1);
    put_job(&p, ID, 1, "{}", "");
    assert_ok(run(&p, fake_time(&t), &e), e);
    struct json *result = read_json(p.final, RUN_RESULT_FILE);
    const struct json *prov = json_get(result, "provenance");
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (!json_str(json_get(prov, keys[i])))
            fail_msg("no %s", keys[i]);
    assert_string_equal(json_str(json_get(prov, "env.SAEGRID_TEST_MARK")), "here");
    assert_null(json_get(prov, "env.SECRET_TOKEN"));
    assert_string_equal(json_str(json_get(prov, "started")), "2026-02-02T02:40:00Z");
    unsetenv("SAEGRID_TEST_MARK");
    unsetenv("SECRET_TOKEN");
    json_free(result);
    place_remove(&p);
}

static void test_artifacts_list_every_file_with_its_digest(void **state)
{
    struct place p = place_make();
    struct fake_time t;
    struct err e;
    size_t n_files = 0, n_stable = 0;
    (void)state;

    put_job(&p, ID, 1, "{\"steps\": 3}", "");
    assert_ok(run(&p, fake_time(&t), &e), e);
    struct json *result = read_json(p.final, RUN_RESULT_FILE);
    for (const struct json *a = json_first(json_get(result, "artifacts")); a; a = json_next(a)) {
        char *path = tmpdir_path(p.final, json_str(json_get(a, "path")));
        uint8_t digest[32];
        char hex[65];
        uint64_t size;
        int64_t bytes;
        bool is_volatile = false;

        assert_ok(sha256_file(path, digest, &size, &e), e);
        assert_string_equal(json_str(json_get(a, "sha256")), hex_text(hex, digest, 32));
        assert_true(json_i64(json_get(a, "bytes"), &bytes) && (uint64_t)bytes == size);
        json_bool(json_get(a, "volatile"), &is_volatile);
        n_files++;
        n_stable += !is_volatile;
        free(path);
    }
    assert_int_equal(n_files, 5 + plot_available()); /* config, metrics, summary, series, events */
    assert_int_equal(n_stable, 1 + plot_available()); /* series.csv and the figure */
    json_free(result);
    place_remove(&p);
}

static void test_numbers_that_are_none_become_null_with_a_reason(void **state)
{
    struct place p = place_make();
    struct fake_time t;
    struct job *j;
    struct err e;
    (void)state;

    put_job(&p, ID, 1, "{}", "");
    assert_ok(job_load(&j, p.tmp, &fake_time(&t)->clock, &e), e);
    job_metric(j, "ev", NAN);
    job_metric(j, "mse", -INFINITY);
    job_metric_absent(j, "l0", "no row was active");
    job_metric(j, "dead_pct", 1);
    job_metric(j, "dead_pct", 2); /* the last counts */
    job_series(j, "loss", 0, 1.5);
    job_series(j, "loss", 1, NAN);
    assert_ok(out_metrics(j, &e), e);
    assert_ok(out_series(j, &e), e);
    assert_ok(out_result(j, &e), e);
    struct json *m = read_json(p.tmp, "metrics.json"), *r = read_json(p.tmp, RUN_RESULT_FILE);
    double dead;
    assert_true(json_is_null(json_get(m, "ev")));
    assert_string_equal(json_str(json_get(json_get(m, "absent"), "ev")), "not a number");
    assert_string_equal(json_str(json_get(json_get(r, "absent"), "mse")), "minus infinite");
    assert_string_equal(json_str(json_get(json_get(r, "absent"), "l0")), "no row was active");
    assert_true(json_f64(json_get(m, "dead_neuron_pct"), &dead) && dead == 2);
    assert_string_equal(json_str(json_get(json_get(r, "absent"), "value")), "not reported");
    char *series = read_text(p.tmp, RUN_SERIES_FILE);
    assert_string_equal(series, "name,step,value\nloss,0,1.5\n");
    free(series);
    json_free(m);
    json_free(r);
    job_unload(j);
    place_remove(&p);
}

static void test_a_declared_metric_that_is_not_reported_is_refused(void **state)
{
    struct place p = place_make();
    struct fake_time t;
    struct job *j;
    struct err e;
    (void)state;

    put_job(&p, ID, 1, "{}", "");
    assert_ok(job_load(&j, p.tmp, &fake_time(&t)->clock, &e), e);
    assert_fails(out_promised(j, &e), ERR_BUG, e, "metric value: declared by kind mock, neither reported nor explained");
    job_metric_absent(j, "value", "no seed");
    assert_ok(out_promised(j, &e), e);
    job_unload(j);
    place_remove(&p);
}

static void test_figures_come_from_series_and_histograms(void **state)
{
    const double values[] = {0, 0.5, 1, 1, NAN};
    struct place p = place_make();
    struct fake_time t;
    struct job *j;
    struct err e;
    (void)state;

    if (!plot_available())
        skip();
    put_job(&p, ID, 1, "{}", "");
    assert_ok(job_load(&j, p.tmp, &fake_time(&t)->clock, &e), e);
    for (int i = 0; i < 3; i++) {
        job_series(j, "train_loss", i, 3 - i);
        job_series(j, "val_loss", i, 4 - i);
        job_series(j, "lr", i, 0.1);
    }
    job_series(j, "single", 0, 1);
    job_histogram(j, "frequency", values, ARRAY_LEN(values));
    assert_ok(figures_draw(j, &e), e);
    assert_true(has(p.tmp, "plots/loss.png")); /* both losses in one */
    assert_false(has(p.tmp, "plots/train_loss.png"));
    assert_true(has(p.tmp, "plots/lr.png"));
    assert_true(has(p.tmp, "plots/frequency.png"));
    assert_false(has(p.tmp, "plots/single.png"));
    assert_ok(out_result(j, &e), e);
    struct json *r = read_json(p.tmp, RUN_RESULT_FILE);
    const struct json *blob = json_first(json_get(r, "blobs"));
    assert_string_equal(json_str(json_get(blob, "name")), "histogram.frequency");
    assert_has(json_str(json_get(blob, "text")), "low,high,count\n0,0.02,1\n");
    assert_has(json_str(json_get(blob, "text")), ",1,2\n");
    json_free(r);
    job_unload(j);
    place_remove(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files_for_people_hold_knobs_metrics_and_origin),
        cmocka_unit_test(test_provenance_names_build_host_and_command),
        cmocka_unit_test(test_artifacts_list_every_file_with_its_digest),
        cmocka_unit_test(test_numbers_that_are_none_become_null_with_a_reason),
        cmocka_unit_test(test_a_declared_metric_that_is_not_reported_is_refused),
        cmocka_unit_test(test_figures_come_from_series_and_histograms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
