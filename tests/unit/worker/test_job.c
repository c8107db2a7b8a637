/* From a job folder to a result folder: the frame around every kind, driven by `mock`. */
#include "tests/unit/worker/place.h"

#include <stdio.h>

#include "common/plot.h"
#include "common/rng.h"
#include "worker/nn/ckpt.h"

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

static void test_a_finished_job_is_not_done_again(void **state)
{
    struct place p = place_make();
    struct fake_time t;
    struct err e;
    (void)state;

    put_job(&p, ID, 1, "{\"seed\": 7}", "");
    assert_ok(run(&p, fake_time(&t), &e), e);
    char *before = read_text(p.final, RUN_RESULT_FILE), *state_file;
    state_file = tmpdir_path(p.final, "checkpoints/state.pt"); /* killed after the rename */
    assert_ok(fs_mkdirs(state_file, &e), e);
    assert_ok(fs_remove_tree(state_file, &e), e);
    assert_ok(fs_replace(state_file, "old", 3, &e), e);
    free(state_file);
    assert_ok(run(&p, fake_time(&t), &e), e); /* no .tmp at all */
    assert_false(has(p.final, "checkpoints"));
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

/* A clock that goes on by 3 s whenever it is read. */
static int64_t slow_mono(const struct clock *c)
{
    struct fake_time *t = c->user;
    int64_t now = t->now_us;

    t->now_us += 3000000;
    return now;
}

static void test_what_is_slow_to_write_is_written_less_often(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        const double period = i ? 0.5 : 10;
        struct place p = place_make();
        struct ckpt c = {0};
        struct fake_time t;
        struct job *j;
        struct err e;

        put_job(&p, ID, 1, "{}", "");
        assert_ok(job_load(&j, p.tmp, &fake_time(&t)->clock, &e), e);
        j->common.checkpoint_every = period;
        t.now_us = 10000000;
        assert_true(job_checkpoint_due(j)); /* next at 20 s or 10.5 s */
        t.clock.mono_us = slow_mono;
        assert_ok(job_checkpoint_save(j, &c, &e), e); /* from 10 s to 13 s; looked at again at 16 s */
        t.clock.mono_us = fake_mono;
        t.now_us = 75999000;
        assert_int_equal(job_checkpoint_due(j), i);
        t.now_us = 76500000;
        assert_true(job_checkpoint_due(j));
        ckpt_free(&c);
        job_unload(j);
        place_remove(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_job_ends_in_a_complete_folder),
        cmocka_unit_test(test_a_finished_job_is_not_done_again),
        cmocka_unit_test(test_leftovers_of_a_dead_attempt_are_not_in_the_result),
        cmocka_unit_test(test_each_failure_keeps_its_class_and_leaves_no_result),
        cmocka_unit_test(test_a_scientific_negative_is_a_result),
        cmocka_unit_test(test_fail_times_counts_attempts_by_the_epoch),
        cmocka_unit_test(test_stopped_and_resumed_equals_never_stopped),
        cmocka_unit_test(test_bad_job_files_are_refused_by_name),
        cmocka_unit_test(test_inputs_are_read_and_checked),
        cmocka_unit_test(test_checkpoints_are_due_once_a_period),
        cmocka_unit_test(test_what_is_slow_to_write_is_written_less_often),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
