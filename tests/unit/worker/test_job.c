/* From a job folder to a result folder: the frame around every kind, driven by `mock`. */
#include "tests/lib/check.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fs.h"
#include "common/plot.h"
#include "common/rng.h"
#include "common/rundir.h"
#include "common/sha256.h"
#include "tests/lib/tmpdir.h"
#include "worker/runner/frame.h"
#include "worker/runner/outputs.h"

#define ID "00000000000000000000000000000000000000000000000000000000000000a1"
#define OTHER "00000000000000000000000000000000000000000000000000000000000000b2"

/* Time stands still but for sleep; `stop_at_us` raises the stop flag. */
struct fake_time {
    struct clock clock;
    int64_t now_us, stop_at_us;
    volatile sig_atomic_t stop;
};

static int64_t fake_mono(const struct clock *c)
{
    return ((struct fake_time *)c->user)->now_us;
}

static int64_t fake_wall(const struct clock *c)
{
    return 1770000000000 + fake_mono(c) / 1000;
}

static void fake_sleep(const struct clock *c, int64_t us)
{
    struct fake_time *t = c->user;

    t->now_us += us;
    if (t->stop_at_us && t->now_us >= t->stop_at_us)
        t->stop = 1;
}

static struct fake_time *fake_time(struct fake_time *t)
{
    *t = (struct fake_time){{fake_mono, fake_wall, fake_sleep, t}, 0, 0, 0};
    return t;
}

struct place {
    char *root, *tmp, *final;
};

static struct place place_make(void)
{
    char *root = tmpdir_make();

    return (struct place){root, tmpdir_path(root, "run.tmp"), tmpdir_path(root, "run")};
}

static void place_remove(struct place *p)
{
    free(p->tmp);
    free(p->final);
    tmpdir_remove(p->root);
}

static void put_job(const struct place *p, const char *id, int epoch, const char *knobs,
                    const char *more)
{
    char *file = tmpdir_path(p->tmp, RUN_JOB_FILE);
    struct buf b = {0};
    struct err e;

    buf_fmt(&b, "{\"job\": \"%s\", \"kind\": \"mock\", \"version\": 1, \"run_id\": \"run\", "
                "\"sweep\": \"s\", \"stage\": \"st\", \"epoch\": %d, \"knobs\": %s, \"common\": {}, "
                "\"context\": {\"layer\": 1, \"task\": \"modadd\"}, \"results\": \"%s\"%s}",
            id, epoch, knobs, p->root, more);
    assert_ok(fs_mkdirs(p->tmp, &e), e);
    assert_ok(fs_replace(file, b.data, b.len, &e), e);
    buf_free(&b);
    free(file);
}

static enum err_code run(const struct place *p, struct fake_time *t, struct err *e)
{
    struct frame_opts o = {p->tmp, &t->clock, &t->stop, -1};

    e->text[0] = '\0';
    return frame_run(&o, e);
}

static struct json *read_json(const char *dir, const char *name)
{
    char *path = tmpdir_path(dir, name);
    struct json *doc = NULL;
    struct err e;

    assert_ok(json_read(path, 16 << 20, &doc, &e), e);
    free(path);
    return doc;
}

static char *read_text(const char *dir, const char *name)
{
    char *path = tmpdir_path(dir, name);
    struct buf b = {0};
    struct err e;

    assert_ok(fs_read(path, 16 << 20, &b, &e), e);
    free(path);
    return buf_steal(&b);
}

static bool has(const char *dir, const char *name)
{
    char *path = tmpdir_path(dir, name);
    bool is_there = access(path, F_OK) == 0;

    free(path);
    return is_there;
}

static double metric(const struct json *result, const char *name)
{
    double v = NAN;

    json_f64(json_get(json_get(result, "metrics"), name), &v);
    return v;
}

static void test_a_job_ends_in_a_complete_folder(void **state)
{
    static const char *const files[] = {"config.yaml", "metrics.json", "summary.md", "series.csv",
                                        "result.json", "job.json"};
    struct place p = place_make();
    struct fake_time t;
    struct rng rng = rng_stream(7, "mock.value");
    struct err e;
    (void)state;

    put_job(&p, ID, 3, "{\"seed\": 7, \"steps\": 4, \"sleep\": 2}", "");
    assert_ok(run(&p, fake_time(&t), &e), e);
    assert_false(fs_is_dir(p.tmp));
    assert_true(rundir_is_complete(p.final));
    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        assert_true(has(p.final, files[i]));
    assert_int_equal(has(p.final, "plots/progress.png"), plot_available());
    assert_false(has(p.final, "checkpoints"));

    struct json *result = read_json(p.final, RUN_RESULT_FILE);
    int64_t epoch;
    assert_string_equal(json_str(json_get(result, "job")), ID);
    assert_true(json_i64(json_get(result, "epoch"), &epoch) && epoch == 3);
    assert_true(metric(result, "value") == rng_f64(&rng));
    assert_near(metric(result, "wall_s"), 2, 1e-9);
    assert_true(metric(result, "peak_rss") > 0);
    assert_true(json_is_null(json_get(result, "verdict")));
    json_free(result);
    place_remove(&p);
}

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
    assert_int_equal(n_files, 4 + plot_available());
    assert_int_equal(n_stable, 1 + plot_available()); /* series.csv and the figure */
    json_free(result);
    place_remove(&p);
}

static void test_a_finished_job_is_not_done_again(void **state)
{
    struct place p = place_make();
    struct fake_time t;
    struct err e;
    (void)state;

    put_job(&p, ID, 1, "{\"seed\": 7}", "");
    assert_ok(run(&p, fake_time(&t), &e), e);
    char *before = read_text(p.final, RUN_RESULT_FILE);
    assert_ok(run(&p, fake_time(&t), &e), e); /* no .tmp at all */
    put_job(&p, ID, 2, "{\"seed\": 7, \"fail\": \"code\"}", "");
    assert_ok(run(&p, fake_time(&t), &e), e);
    char *after = read_text(p.final, RUN_RESULT_FILE);
    assert_string_equal(before, after);
    assert_false(fs_is_dir(p.tmp));
    free(before);
    free(after);
    put_job(&p, OTHER, 1, "{}", "");
    assert_fails(run(&p, &t, &e), ERR_INVALID, e, "holds the result of job " ID);
    place_remove(&p);
}

static void test_leftovers_of_a_dead_attempt_are_not_in_the_result(void **state)
{
    static const char *const stale[] = {"error.json", "result.json", "stale.pt",
                                        "checkpoints/x.pt.part", "checkpoints/state.pt.next"};
    struct place p = place_make();
    struct fake_time t;
    struct err e;
    (void)state;

    put_job(&p, ID, 1, "{}", "");
    char *folder = tmpdir_path(p.tmp, "checkpoints");
    assert_ok(fs_mkdirs(folder, &e), e);
    free(folder);
    for (size_t i = 0; i < ARRAY_LEN(stale); i++) {
        char *path = tmpdir_path(p.tmp, stale[i]);

        assert_ok(fs_replace(path, "old", 3, &e), e);
        free(path);
    }
    char *log = tmpdir_path(p.tmp, RUN_LOG_FILE);
    assert_ok(fs_replace(log, "kept", 4, &e), e);
    free(log);
    assert_ok(run(&p, fake_time(&t), &e), e);
    assert_false(has(p.final, "error.json"));
    assert_false(has(p.final, "stale.pt"));
    assert_false(has(p.final, "checkpoints"));
    assert_true(has(p.final, RUN_LOG_FILE));
    place_remove(&p);
}

static void test_each_failure_keeps_its_class_and_leaves_no_result(void **state)
{
    static const struct {
        const char *fail;
        enum err_code code;
        const char *class;
    } row[] = {{"config", ERR_INVALID, "config"}, {"infra", ERR_IO, "infra"},
               {"code", ERR_BUG, "code"}, {"external", ERR_STOPPED, "external"},
               {"eat", ERR_NOMEM, "infra"}};
    struct fake_time t;
    struct err e;
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(row); i++) {
        struct place p = place_make();
        char knobs[80];

        snprintf(knobs, sizeof knobs, "{\"fail\": \"%s\", \"eat\": \"1M\"}", row[i].fail);
        put_job(&p, ID, 1, knobs, "");
        assert_fails(run(&p, fake_time(&t), &e), row[i].code, e, "job run: ");
        assert_false(fs_is_dir(p.final));
        struct json *error = read_json(p.tmp, RUN_ERROR_FILE);
        assert_string_equal(json_str(json_get(error, "code")), err_name(row[i].code));
        assert_string_equal(json_str(json_get(error, "class")), row[i].class);
        assert_string_equal(json_str(json_get(error, "message")), e.text);
        json_free(error);
        place_remove(&p);
    }
}

static void test_a_scientific_negative_is_a_result(void **state)
{
    struct place p = place_make();
    struct fake_time t;
    struct err e;
    (void)state;

    put_job(&p, ID, 1, "{\"fail\": \"science\"}", "");
    assert_ok(run(&p, fake_time(&t), &e), e);
    struct json *result = read_json(p.final, RUN_RESULT_FILE);
    assert_string_equal(json_str(json_get(result, "verdict")), "negative");
    assert_has(json_str(json_get(result, "message")), "as asked");
    assert_true(isnan(metric(result, "value")));
    assert_has(json_str(json_get(json_get(result, "absent"), "value")), "as asked");
    struct json *m = read_json(p.final, "metrics.json");
    assert_true(json_is_null(json_get(m, "value")));
    json_free(m);
    json_free(result);
    place_remove(&p);
}

static void test_fail_times_counts_attempts_by_the_epoch(void **state)
{
    struct place p = place_make();
    struct fake_time t;
    struct err e;
    (void)state;

    for (int epoch = 1; epoch <= 3; epoch++) {
        put_job(&p, ID, epoch, "{\"fail\": \"infra\", \"fail_times\": 2}", "");
        assert_int_equal(run(&p, fake_time(&t), &e), epoch <= 2 ? ERR_IO : ERR_OK);
    }
    assert_false(has(p.final, RUN_ERROR_FILE));
    place_remove(&p);
}

static void test_stopped_and_resumed_equals_never_stopped(void **state)
{
    struct place p = place_make(), q = place_make();
    const char *knobs = "{\"seed\": 7, \"steps\": 10, \"sleep\": 5}";
    struct fake_time t;
    struct err e;
    (void)state;

    put_job(&p, ID, 1, knobs, "");
    fake_time(&t)->stop_at_us = 2600000;
    assert_fails(run(&p, &t, &e), ERR_STOPPED, e, "stopped after step 5");
    assert_true(has(p.tmp, "checkpoints/state.pt"));
    put_job(&p, ID, 2, knobs, "");
    assert_ok(run(&p, fake_time(&t), &e), e);
    assert_near((double)t.now_us, 2.5e6, 1e4); /* only what was left */
    put_job(&q, ID, 1, knobs, "");
    assert_ok(run(&q, fake_time(&t), &e), e);
    char *resumed = read_text(p.final, RUN_SERIES_FILE), *whole = read_text(q.final, RUN_SERIES_FILE);
    assert_string_equal(resumed, whole);
    assert_has(whole, "progress,10,1\n");
    assert_false(has(p.final, "checkpoints"));
    struct json *a = read_json(p.final, RUN_RESULT_FILE), *b = read_json(q.final, RUN_RESULT_FILE);
    assert_true(metric(a, "value") == metric(b, "value"));
    json_free(a);
    json_free(b);
    free(resumed);
    free(whole);
    place_remove(&p);
    place_remove(&q);
}

static void test_bad_job_files_are_refused_by_name(void **state)
{
    static const struct {
        const char *knobs, *more, *why;
    } row[] = {
        {"{\"sead\": 1}", "", "sead"},
        {"{\"steps\": 0}", "", "steps"},
        {"{\"seed\": \"x\"}", "", "seed"},
        {"{}", ", \"inputs\": [{\"name\": \"acts\", \"job\": \"" OTHER "\", \"path\": \"x\"}]", "acts"},
        {"{}", ", \"inputs\": [{\"name\": \"after\", \"path\": \"x\"}]", "job: missing"},
        {"{}", ", \"inputs\": [{\"name\": \"after\", \"job\": \"" OTHER "\"}]", "path: missing"},
    };
    struct place p = place_make();
    struct fake_time t;
    struct err e;
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(row); i++) {
        put_job(&p, ID, 1, row[i].knobs, row[i].more);
        assert_fails(run(&p, fake_time(&t), &e), ERR_INVALID, e, row[i].why);
        assert_has(e.text, "job.json");
    }
    char *file = tmpdir_path(p.tmp, RUN_JOB_FILE);
    assert_ok(fs_replace(file, "{\"job\": 1}", 10, &e), e);
    assert_fails(run(&p, &t, &e), ERR_INVALID, e, "job: missing");
    assert_ok(fs_replace(file, "{\"job\"", 6, &e), e);
    assert_int_not_equal(run(&p, &t, &e), ERR_OK);
    assert_has(e.text, "job.json");
    assert_int_equal(unlink(file), 0);
    assert_fails(run(&p, &t, &e), ERR_NOT_FOUND, e, "job.json");
    free(file);
    struct place wrong = {p.root, p.final, p.final};
    assert_fails(run(&wrong, &t, &e), ERR_USAGE, e, "NAME.tmp");
    place_remove(&p);
}

static void test_inputs_are_read_and_checked(void **state)
{
    struct place p = place_make();
    struct fake_time t;
    struct job *j;
    struct err e;
    double v;
    (void)state;

    put_job(&p, OTHER, 1, "{\"seed\": 3}", "");
    assert_ok(run(&p, fake_time(&t), &e), e);
    char *input = tmpdir_path(p.root, "input");
    assert_ok(fs_rename_dir(p.final, input, &e), e);
    free(input);
    put_job(&p, ID, 1, "{}",
            ", \"inputs\": [{\"name\": \"after\", \"job\": \"" OTHER "\", \"path\": \"input\"}]");
    assert_ok(job_load(&j, p.tmp, &t.clock, &e), e);
    const struct job_input *in = job_input(j, "after");
    assert_non_null(in);
    assert_has(in->dir, "/input");
    assert_true(job_input_metric(in, "value", &v));
    assert_false(job_input_metric(in, "ev", &v));
    assert_null(job_input_at(j, "after", 1));
    assert_null(job_input(j, "acts"));
    job_unload(j);
    put_job(&p, OTHER, 1, "{}",
            ", \"inputs\": [{\"name\": \"after\", \"job\": \"" ID "\", \"path\": \"input\"}]");
    assert_fails(job_load(&j, p.tmp, &t.clock, &e), ERR_CORRUPT, e, "result of job " OTHER);
    job_unload(j);
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

static void test_checkpoints_are_due_once_a_period(void **state)
{
    struct place p = place_make();
    struct fake_time t;
    struct job *j;
    struct err e;
    (void)state;

    put_job(&p, ID, 1, "{}", "");
    assert_ok(job_load(&j, p.tmp, &fake_time(&t)->clock, &e), e);
    assert_false(job_checkpoint_due(j));
    t.now_us = 10000000; /* checkpoint_every is 10 s */
    assert_true(job_checkpoint_due(j));
    assert_false(job_checkpoint_due(j));
    t.now_us = 19999000;
    assert_false(job_checkpoint_due(j));
    t.now_us = 20000000;
    assert_true(job_checkpoint_due(j));
    job_unload(j);
    place_remove(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_job_ends_in_a_complete_folder),
        cmocka_unit_test(test_files_for_people_hold_knobs_metrics_and_origin),
        cmocka_unit_test(test_provenance_names_build_host_and_command),
        cmocka_unit_test(test_artifacts_list_every_file_with_its_digest),
        cmocka_unit_test(test_a_finished_job_is_not_done_again),
        cmocka_unit_test(test_leftovers_of_a_dead_attempt_are_not_in_the_result),
        cmocka_unit_test(test_each_failure_keeps_its_class_and_leaves_no_result),
        cmocka_unit_test(test_a_scientific_negative_is_a_result),
        cmocka_unit_test(test_fail_times_counts_attempts_by_the_epoch),
        cmocka_unit_test(test_stopped_and_resumed_equals_never_stopped),
        cmocka_unit_test(test_bad_job_files_are_refused_by_name),
        cmocka_unit_test(test_inputs_are_read_and_checked),
        cmocka_unit_test(test_numbers_that_are_none_become_null_with_a_reason),
        cmocka_unit_test(test_figures_come_from_series_and_histograms),
        cmocka_unit_test(test_checkpoints_are_due_once_a_period),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
