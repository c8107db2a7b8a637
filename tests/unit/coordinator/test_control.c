/* test_control.c - orders as files, and what they do to a manifest that nobody works on. */
#include "mf.h"

#include "coordinator/control.h"
#include "coordinator/live.h"

#include "common/json.h"

static const struct mf_stage stages[] = {{"one", "mock", {0}}, {"two", "mock", {0}}};
static const struct mf_job jobs[] = {
    {.knobs = "{\"seed\":1}"}, {.knobs = "{\"seed\":2}"}, {.stage = 1, .knobs = "{\"seed\":3}"}};

static struct manifest *open_with_sweep(const char *dir, int64_t *sweep)
{
    struct spec s = mf_spec("sw", 2, 1);
    struct manifest *m;
    struct err e = {0};

    mf.stages = stages;
    mf.jobs = jobs;
    mf.n_jobs = ARRAY_LEN(jobs);
    MF_OK(manifest_open(dir, 0, &m, &e));
    *sweep = mf_add(m, &s, NULL);
    return m;
}

static void test_an_order_goes_through_a_file_and_its_answer_comes_back_once(void **state)
{
    struct control_order o = {.what = CONTROL_PRIORITY, .target = {TARGET_STAGE, 7}, .priority = -5,
                              .wall_ms = 1000, .name = "a \"b\""}, got;
    struct buf path = {0}, seen = {0}, text = {0};
    struct err e = {0};
    bool is_ok = false;

    MF_OK(control_put(*state, &o, &path, &e));
    assert_false(control_answer(path.data, &is_ok, &text));
    assert_true(control_next(*state, 5000, &seen, &got));
    assert_string_equal(seen.data, path.data);
    assert_int_equal(got.what, o.what);
    assert_int_equal(got.target.type, TARGET_STAGE);
    assert_int_equal(got.target.id, 7);
    assert_int_equal(got.priority, -5);
    assert_string_equal(got.name, o.name);
    MF_OK(control_done(seen.data, true, "did it", &e));
    assert_false(control_next(*state, 5000, &seen, &got));
    assert_true(control_answer(path.data, &is_ok, &text));
    assert_true(is_ok);
    assert_string_equal(text.data, "did it");
    assert_false(control_answer(path.data, &is_ok, &text));
    buf_free(&path);
    buf_free(&seen);
    buf_free(&text);
}

static void test_orders_are_taken_oldest_first_and_nonsense_is_answered(void **state)
{
    struct buf path = {0}, dir = {0}, text = {0};
    struct control_order got;
    bool is_ok = true;

    buf_fmt(&dir, "%s/control", (const char *)*state);
    mf_put_file(dir.data, "0000000000003-1.json", "{\"what\":\"pause\",\"target\":\"sweep\",\"id\":1,\"priority\":0,\"name\":\"late\"}");
    mf_put_file(dir.data, "0000000000002-1.json", "{\"what\":\"explode\",\"target\":\"sweep\",\"id\":1,\"priority\":0}");
    mf_put_file(dir.data, "0000000000001-1.json", "{\"what\":");
    mf_put_file(dir.data, "half.json.tmp", "{");
    assert_true(control_next(*state, 5000, &path, &got));
    assert_string_equal(got.name, "late");
    buf_str(&dir, "/0000000000002-1.json");
    assert_true(control_answer(dir.data, &is_ok, &text));
    assert_false(is_ok);
    assert_non_null(strstr(text.data, "not an order"));
    buf_free(&path);
    buf_free(&dir);
    buf_free(&text);
}

static enum err_code note_priority(void *ctx, const struct manifest_job *j)
{
    int *at = ctx;

    at[j->job] = j->priority;
    return ERR_OK;
}

static void test_priorities_and_pauses_outlast_the_coordinator_and_the_sweep_file(void **state)
{
    struct control_order o = {.what = CONTROL_PRIORITY, .target = {TARGET_STAGE, 1}, .priority = 7, .name = "one"};
    struct spec s = mf_spec("sw", 2, 2); /* its text has changed */
    struct buf said = {0};
    struct err e = {0};
    int priority[16] = {0};
    int64_t sweep;
    bool is_paused;

    struct manifest *m = open_with_sweep(*state, &sweep);
    MF_OK(control_apply_still(m, &o, &said, &e));
    assert_non_null(strstr(said.data, "2 jobs"));
    o = (struct control_order){.what = CONTROL_PAUSE, .target = {TARGET_SWEEP, sweep}, .name = "sw"};
    MF_OK(control_apply_still(m, &o, &said, &e));
    manifest_close(m);
    MF_OK(manifest_open(*state, 0, &m, &e));
    mf_add(m, &s, NULL);
    MF_OK(manifest_is_paused(m, sweep, &is_paused, &e));
    assert_true(is_paused);
    MF_OK(manifest_load(m, sweep, note_priority, priority, &e));
    assert_int_equal(priority[1], 7);
    assert_int_equal(priority[2], 7);
    assert_int_equal(priority[3], 0);
    o.what = CONTROL_RESUME;
    MF_OK(control_apply_still(m, &o, &said, &e));
    MF_OK(manifest_is_paused(m, sweep, &is_paused, &e));
    assert_false(is_paused);
    manifest_close(m);
    buf_free(&said);
}

static void test_cancel_spares_what_has_ended(void **state)
{
    struct control_order o = {.what = CONTROL_CANCEL, .name = "sw"};
    struct buf said = {0};
    struct err e = {0};
    struct mf_seen seen = {0};
    int64_t sweep;

    struct manifest *m = open_with_sweep(*state, &sweep);
    mf_finish(m, 1, NULL);
    mf_apply(m, EVENT_READY, 2, 0);
    mf_apply(m, EVENT_GRANT, 2, 1); /* left leased by a coordinator that died */
    o.target = (struct job_target){TARGET_SWEEP, sweep};
    MF_OK(control_apply_still(m, &o, &said, &e));
    assert_non_null(strstr(said.data, "2 jobs cancelled"));
    MF_OK(manifest_load(m, sweep, mf_see, &seen, &e));
    assert_int_equal(seen.state[0], JOB_DONE);
    assert_int_equal(seen.state[1], JOB_CANCELLED);
    assert_int_equal(seen.state[2], JOB_CANCELLED);
    buf_reset(&said);
    MF_OK(control_apply_still(m, &o, &said, &e)); /* twice does no harm */
    assert_non_null(strstr(said.data, "0 jobs"));
    manifest_close(m);
    buf_free(&said);
}

static void test_progress_is_shown_of_the_attempt_that_reported_it(void **state)
{
    struct msg_PROGRESS p = {12, 3, 40, 100, "loss 0.5"};
    struct buf text = {0};
    struct live l;

    live_open(&l, 3);
    live_write(&l, *state, 1000);
    assert_null(live_read(*state)); /* nothing to tell */
    live_note(&l, 2, &p);
    live_note(&l, 9, &p); /* no such rank */
    live_write(&l, *state, 1000);
    p.step = 41;
    live_note(&l, 2, &p);
    live_write(&l, *state, 1500); /* not yet due */
    struct json *root = live_read(*state);
    live_find(root, 12, 3, &text);
    assert_string_equal(text.data, "40/100 loss 0.5");
    buf_reset(&text);
    live_find(root, 12, 4, &text);
    assert_int_equal(text.len, 0);
    json_free(root);
    live_close(&l, *state);
    assert_null(live_read(*state));
    buf_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_an_order_goes_through_a_file_and_its_answer_comes_back_once, mf_setup, mf_teardown),
        cmocka_unit_test_setup_teardown(test_orders_are_taken_oldest_first_and_nonsense_is_answered, mf_setup, mf_teardown),
        cmocka_unit_test_setup_teardown(test_priorities_and_pauses_outlast_the_coordinator_and_the_sweep_file, mf_setup, mf_teardown),
        cmocka_unit_test_setup_teardown(test_cancel_spares_what_has_ended, mf_setup, mf_teardown),
        cmocka_unit_test_setup_teardown(test_progress_is_shown_of_the_attempt_that_reported_it, mf_setup, mf_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
