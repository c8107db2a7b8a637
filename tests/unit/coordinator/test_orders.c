/* Orders of people: through the core they move jobs as the table of states allows, and no other way;
 * as files they are read back as written, and nonsense is refused by name. */
#include "tests/unit/coordinator/corefix.h"

#include <stdlib.h>
#include <unistd.h>

#include "common/fs.h"
#include "coordinator/control.h"
#include "tests/lib/tmpdir.h"

/* 1 -> 2 -> 3, and 4 alone */
static void chain(struct fix *f)
{
    int64_t one = 1, two = 2;

    fix_open(f, 1, 0);
    fix_add(f, (struct job){.id = 1}, NULL, 0);
    fix_add(f, (struct job){.id = 2}, &one, 1);
    fix_add(f, (struct job){.id = 3}, &two, 1);
    fix_add(f, (struct job){.id = 4}, NULL, 0);
    fix_start(f);
}

static enum job_state state_of(struct fix *f, int64_t id)
{
    return (enum job_state)f->c.queue.jobs[queue_find(&f->c.queue, id)].state;
}

static void test_requeue_brings_back_what_was_skipped_because_of_it(void **state)
{
    struct fix f;

    (void)state;
    chain(&f);
    core_out_reset(&f.o);
    core_cancel(&f.c, 1, f.now, &f.o);
    assert_int_equal(state_of(&f, 1), JOB_CANCELLED);
    assert_int_equal(state_of(&f, 3), JOB_SKIPPED);
    core_out_reset(&f.o);
    core_requeue(&f.c, 1, "again", f.now, &f.o);
    assert_int_equal(state_of(&f, 1), JOB_READY);
    assert_int_equal(state_of(&f, 2), JOB_WAITING);
    assert_int_equal(state_of(&f, 3), JOB_WAITING);
    assert_int_equal(state_of(&f, 4), JOB_READY);
    assert_int_equal(f.o.n_events, 4); /* three put back, one made ready */
    queue_check(&f.c.queue);
    fix_close(&f);
}

static void test_requeue_behind_a_bad_input_is_skipped_again(void **state)
{
    struct fix f;

    (void)state;
    chain(&f);
    core_cancel(&f.c, 1, f.now, &f.o);
    core_out_reset(&f.o);
    core_requeue(&f.c, 2, "again", f.now, &f.o);
    assert_int_equal(state_of(&f, 2), JOB_SKIPPED);
    assert_int_equal(state_of(&f, 3), JOB_SKIPPED);
    queue_check(&f.c.queue);
    fix_close(&f);
}

static void test_requeue_of_a_job_in_good_state_is_nothing(void **state)
{
    struct fix f;

    (void)state;
    chain(&f);
    core_out_reset(&f.o);
    core_requeue(&f.c, 4, "again", f.now, &f.o);
    core_requeue(&f.c, 2, "again", f.now, &f.o);
    core_requeue(&f.c, 99, "again", f.now, &f.o);
    assert_int_equal(f.o.n_events, 0);
    fix_close(&f);
}

static void test_priority_changes_who_is_next(void **state)
{
    struct fix f;

    (void)state;
    chain(&f);
    core_priority(&f.c, 4, 7);
    core_priority(&f.c, 99, 7);
    queue_check(&f.c.queue);
    assert_int_equal(f.c.queue.jobs[queue_top(&f.c.queue)].id, 4);
    core_priority(&f.c, 4, -7);
    queue_check(&f.c.queue);
    assert_int_equal(f.c.queue.jobs[queue_top(&f.c.queue)].id, 1);
    fix_close(&f);
}

static void test_an_order_is_read_as_it_was_written(void **state)
{
    struct control_range jobs[] = {{1, 4}, {9, 9}};
    struct control_order o = {.verb = CONTROL_REQUEUE, .what = "stage \"a\"", .who = "me", .note = "why\n",
                              .jobs = jobs, .n_jobs = 2, .priority = -3}, back;
    char *dir = tmpdir_make();
    struct buf name = {0}, next = {0}, answer = {0};
    struct err e;

    (void)state;
    assert_false(control_next(dir, &next));
    assert_ok(control_put(dir, &o, &name, &e), e);
    assert_true(control_next(dir, &next));
    assert_string_equal(next.data, name.data);
    assert_ok(control_read(dir, next.data, &back, &e), e);
    assert_int_equal(back.verb, CONTROL_REQUEUE);
    assert_string_equal(back.what, o.what);
    assert_string_equal(back.note, o.note);
    assert_null(back.fix);
    assert_int_equal(back.priority, -3);
    assert_int_equal(back.n_jobs, 2);
    assert_int_equal(back.jobs[1].to, 9);
    control_free(&back);
    assert_false(control_answer(dir, name.data, &answer));
    assert_ok(control_done(dir, name.data, "so it is", &e), e);
    assert_false(control_next(dir, &next));
    assert_true(control_answer(dir, name.data, &answer));
    assert_string_equal(answer.data, "so it is");
    assert_false(control_take_back(dir, name.data));
    buf_free(&name);
    buf_free(&next);
    buf_free(&answer);
    tmpdir_remove(dir);
}

static void test_nonsense_is_refused(void **state)
{
    static const char *const bad[] = {"", "[]", "{}", "{\"verb\": \"destroy\"}", "{\"verb\": \"cancel\", \"jobs\": [[2, 1]]}",
                                      "{\"verb\": \"cancel\", \"jobs\": [[1]]}", "{\"verb\": \"cancel\", \"jobs\": [[0, 1]]}",
                                      "{\"verb\": \"cancel\", \"jobs\": [[1, 9223372036854775807]]}",
                                      "{\"verb\": \"priority\", \"priority\": \"x\"}"};
    char *dir = tmpdir_make();
    struct control_order o;
    struct buf path = {0};
    struct err e;

    (void)state;
    buf_fmt(&path, "%s/control", dir);
    assert_ok(fs_mkdirs(path.data, &e), e);
    buf_str(&path, "/5-1.json");
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_ok(fs_replace(path.data, bad[i], strlen(bad[i]), &e), e);
        if (control_read(dir, "5-1.json", &o, &e) == ERR_OK)
            fail_msg("taken: %s", bad[i]);
        assert_non_null(strstr(e.text, "5-1.json"));
    }
    buf_free(&path);
    tmpdir_remove(dir);
}

static void test_a_pause_lasts_until_it_is_taken_back(void **state)
{
    char *dir = tmpdir_make();
    struct buf why = {0};
    struct err e;
    bool was;

    (void)state;
    assert_false(control_is_paused(dir, NULL));
    assert_ok(control_pause(dir, "me since now\n", &e), e);
    assert_true(control_is_paused(dir, &why));
    assert_string_equal(why.data, "me since now");
    assert_ok(control_resume(dir, &was, &e), e);
    assert_int_equal(was, 1);
    assert_false(control_is_paused(dir, NULL));
    assert_ok(control_resume(dir, &was, &e), e);
    assert_int_equal(was, 0);
    buf_free(&why);
    tmpdir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requeue_brings_back_what_was_skipped_because_of_it),
        cmocka_unit_test(test_requeue_behind_a_bad_input_is_skipped_again),
        cmocka_unit_test(test_requeue_of_a_job_in_good_state_is_nothing),
        cmocka_unit_test(test_priority_changes_who_is_next),
        cmocka_unit_test(test_an_order_is_read_as_it_was_written),
        cmocka_unit_test(test_nonsense_is_refused),
        cmocka_unit_test(test_a_pause_lasts_until_it_is_taken_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
