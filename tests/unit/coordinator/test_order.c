/* test_order.c - what orders from outside do to the core, and when a host is held. */
#include "tests/unit/coordinator/corefix.h"

#include "coordinator/hold.h"

static void hello_from(struct fix *f, int rank, const char *host)
{
    struct msg m = {.type = MSG_HELLO};

    m.u.HELLO = (struct msg_HELLO){PROTO_MAGIC, PROTO_VERSION, "b1", host, 100 + rank, 1, ""};
    fix_say(f, rank, &m);
    m = (struct msg){.type = MSG_IDLE};
    m.u.IDLE.n_free = 1;
    core_message(&f->c, rank, &m, f->now, &f->o);
}

static void open_with(struct fix *f, int n_agents, int n_jobs)
{
    fix_open(f, n_agents, 0);
    for (int id = 1; id <= n_jobs; id++)
        fix_add(f, (struct job){.id = id, .cost_s = 100, .retries = 2}, NULL, 0);
    fix_start(f);
}

static int64_t granted(const struct fix *f, int rank)
{
    const struct core_reply *r = fix_reply(f, MSG_GRANT, rank);

    return r ? r->job : 0;
}

static void test_a_paused_sweep_grants_nothing_until_it_is_resumed(void **state)
{
    struct fix f;

    (void)state;
    open_with(&f, 1, 2);
    hello_from(&f, 1, "a");
    core_out_reset(&f.o);
    core_pause(&f.c, true, "s", &f.o);
    assert_string_equal(fix_event(&f, EVENT_PAUSE, 0)->message, "s");
    core_pause(&f.c, true, "s", &f.o);
    assert_int_equal(f.o.n_events, 1); /* twice is once */
    fix_grant(&f);
    assert_int_equal(granted(&f, 1), 0);
    core_pause(&f.c, false, "s", &f.o);
    assert_non_null(fix_event(&f, EVENT_RESUME, 0));
    fix_grant(&f);
    assert_int_equal(granted(&f, 1), 1);
    fix_close(&f);
}

static void test_a_pause_lets_running_jobs_end(void **state)
{
    struct fix f;

    (void)state;
    open_with(&f, 1, 2);
    hello_from(&f, 1, "a");
    fix_grant(&f);
    core_pause(&f.c, true, "s", &f.o);
    fix_result(&f, 1, 1, 1, ERR_CLASS_NONE);
    fix_state(&f, 1, JOB_DONE);
    fix_state(&f, 2, JOB_READY);
    fix_close(&f);
}

static void test_a_higher_priority_goes_first_and_lifts_what_it_waits_for(void **state)
{
    struct fix f;
    int64_t in = 5;

    (void)state;
    fix_open(&f, 1, 0);
    for (int id = 1; id <= 5; id++)
        fix_add(&f, (struct job){.id = id, .cost_s = 1}, NULL, 0);
    fix_add(&f, (struct job){.id = 6, .cost_s = 1}, &in, 1);
    fix_start(&f);
    hello_from(&f, 1, "a");
    core_out_reset(&f.o);
    assert_int_equal(core_priority(&f.c, 6, 9, f.now, &f.o), 2); /* itself and its input */
    assert_int_equal(f.o.n_events, 2);
    assert_int_equal(f.o.events[0].cause, 6);
    assert_int_equal(f.o.events[1].cause, 5);
    assert_string_equal(f.o.events[1].message, "9");
    queue_check(&f.c.queue);
    assert_int_equal(core_priority(&f.c, 6, 9, f.now, &f.o), 0);
    fix_grant(&f);
    assert_int_equal(granted(&f, 1), 5);
    assert_int_equal(core_priority(&f.c, 4, -3, f.now, &f.o), 1);
    queue_check(&f.c.queue);
    assert_int_equal(core_priority(&f.c, 99, 1, f.now, &f.o), 0);
    fix_result(&f, 1, 5, 1, ERR_CLASS_NONE);
    assert_int_equal(core_priority(&f.c, 5, 1, f.now, &f.o), 0); /* it has ended */
    fix_close(&f);
}

static void test_a_job_that_is_put_back_takes_along_what_was_skipped_because_of_it(void **state)
{
    static const struct core_wish wish = {.fix = "abc", .who = "me", .note = "mended"};
    int64_t in2 = 1, in3 = 2, in4[] = {1, 5};
    struct fix f;

    (void)state;
    fix_open(&f, 1, 0);
    fix_add(&f, (struct job){.id = 1, .priority = 1}, NULL, 0);
    fix_add(&f, (struct job){.id = 5}, NULL, 0);
    fix_add(&f, (struct job){.id = 2}, &in2, 1);
    fix_add(&f, (struct job){.id = 3}, &in3, 1);
    fix_add(&f, (struct job){.id = 4}, in4, 2);
    fix_start(&f);
    hello_from(&f, 1, "a");
    fix_grant(&f);
    fix_result(&f, 1, 1, 1, ERR_CLASS_CODE);
    core_cancel(&f.c, 5, f.now, &f.o);
    for (int id = 2; id <= 4; id++)
        fix_state(&f, id, JOB_SKIPPED);
    core_out_reset(&f.o);
    assert_int_equal(core_requeue(&f.c, 99, &wish, f.now, &f.o), 0);
    assert_int_equal(core_requeue(&f.c, 1, &wish, f.now, &f.o), 3);
    const struct event *ev = fix_event(&f, EVENT_REQUEUE, 1);
    assert_string_equal(ev->fix, "abc");
    assert_string_equal(ev->message, "mended");
    assert_null(fix_event(&f, EVENT_REQUEUE, 2)->fix);
    fix_state(&f, 1, JOB_READY);
    fix_state(&f, 2, JOB_WAITING);
    fix_state(&f, 3, JOB_WAITING);
    fix_state(&f, 4, JOB_SKIPPED); /* its other input is cancelled still */
    assert_int_equal(core_requeue(&f.c, 1, &wish, f.now, &f.o), 0); /* twice is once */
    fix_grant(&f);
    assert_int_equal(fix_reply(&f, MSG_GRANT, 1)->epoch, 2);
    fix_result(&f, 1, 1, 2, ERR_CLASS_NONE);
    fix_state(&f, 2, JOB_READY);
    core_out_reset(&f.o);
    assert_int_equal(core_requeue(&f.c, 1, &wish, f.now, &f.o), 0); /* done never */
    assert_int_equal(core_requeue(&f.c, 4, &wish, f.now, &f.o), 1);
    assert_int_equal(fix_event(&f, EVENT_SKIP, 4)->cause, 5);
    assert_int_equal(core_requeue(&f.c, 5, &wish, f.now, &f.o), 2);
    fix_state(&f, 4, JOB_WAITING);
    fix_close(&f);
}

static void test_a_job_that_is_put_back_begins_with_clean_counters(void **state)
{
    static const struct core_wish wish = {0};
    struct fix f;

    (void)state;
    open_with(&f, 1, 1);
    f.c.queue.jobs[0].retries = 0;
    hello_from(&f, 1, "a");
    fix_grant(&f);
    fix_result(&f, 1, 1, 1, ERR_CLASS_INFRA);
    fix_state(&f, 1, JOB_QUARANTINED);
    assert_int_equal(f.c.queue.jobs[0].n_infra, 1);
    core_out_reset(&f.o);
    assert_int_equal(core_requeue(&f.c, 1, &wish, f.now, &f.o), 1);
    assert_int_equal(f.c.queue.jobs[0].n_infra, 0);
    fix_state(&f, 1, JOB_READY);
    fix_close(&f);
}

/* Jobs that rank 1 is granted fail there, one after the other; returns how many until it got none. */
static int fail_on_first(struct fix *f, int n_max, enum err_class class)
{
    for (int n = 0; n < n_max; n++) {
        fix_grant(f);
        int64_t job = granted(f, 1);
        if (!job)
            return n;
        fix_result(f, 1, job, f->c.queue.jobs[job - 1].epoch, class);
    }
    return n_max;
}

static void test_a_host_on_which_three_jobs_in_a_row_fail_for_infra_is_held_for_a_while(void **state)
{
    struct fix f;

    (void)state;
    open_with(&f, 2, 20);
    hello_from(&f, 1, "bad");
    hello_from(&f, 2, "good");
    assert_int_equal(fail_on_first(&f, 10, ERR_CLASS_INFRA), 3);
    assert_true(f.c.sched.hosts[f.c.sched.ranks[1].host].hold.is_held);
    fix_tick(&f, FIX_TERM / 2);
    fix_beat(&f, 1, "");
    fix_beat(&f, 2, "4:1");
    fix_tick(&f, HOLD_FIRST_MS - FIX_TERM / 2 - 1);
    assert_null(fix_event(&f, EVENT_HOST_FREED, 0));
    for (int i = 0; i < 3; i++) { /* both are alive */
        fix_beat(&f, 1, "");
        fix_beat(&f, 2, "4:1");
        fix_tick(&f, FIX_TERM / 10);
    }
    assert_false(f.c.sched.hosts[f.c.sched.ranks[1].host].hold.is_held);
    fix_close(&f);
}

static void test_the_event_names_host_and_time(void **state)
{
    struct fix f;

    (void)state;
    open_with(&f, 2, 20);
    hello_from(&f, 1, "bad");
    hello_from(&f, 2, "good");
    fail_on_first(&f, 2, ERR_CLASS_INFRA);
    fix_grant(&f);
    int64_t job = granted(&f, 1);
    fix_result(&f, 1, job, f.c.queue.jobs[job - 1].epoch, ERR_CLASS_INFRA);
    const struct event *ev = fix_event(&f, EVENT_HOST_HELD, 0);
    assert_non_null(ev);
    assert_string_equal(ev->host, "bad");
    assert_int_equal(ev->not_before_ms, HOLD_FIRST_MS);
    fix_close(&f);
}

static void test_other_classes_and_successes_hold_nobody(void **state)
{
    static const enum err_class classes[] = {ERR_CLASS_CODE, ERR_CLASS_CONFIG, ERR_CLASS_SCIENCE,
                                             ERR_CLASS_NONE};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(classes); i++) {
        struct fix f;
        open_with(&f, 2, 20);
        hello_from(&f, 1, "a");
        hello_from(&f, 2, "b");
        assert_int_equal(fail_on_first(&f, 8, classes[i]), 8);
        fix_close(&f);
    }
}

static void test_the_last_host_is_never_held(void **state)
{
    struct fix f;

    (void)state;
    open_with(&f, 2, 20);
    hello_from(&f, 1, "only");
    assert_int_equal(fail_on_first(&f, 8, ERR_CLASS_INFRA), 8);
    hello_from(&f, 2, "other");
    assert_int_equal(fail_on_first(&f, 8, ERR_CLASS_INFRA), 1);
    fix_lost(&f, 2); /* now the held one is all there is */
    fix_tick(&f, FIX_TERM / 10);
    fix_grant(&f);
    assert_true(granted(&f, 1) > 0);
    fix_close(&f);
}

static void test_one_job_that_fails_again_and_again_does_not_hold_its_host(void **state)
{
    struct hold h = {0};

    (void)state;
    for (int i = 0; i < 10; i++)
        assert_false(hold_failed(&h, 7));
    assert_false(hold_failed(&h, 8));
    hold_succeeded(&h);
    assert_false(hold_failed(&h, 8));
    assert_false(hold_failed(&h, 7));
    assert_true(hold_failed(&h, 9));
}

static void test_each_hold_lasts_twice_as_long_up_to_an_hour(void **state)
{
    struct hold h = {0};
    int64_t want = HOLD_FIRST_MS;

    (void)state;
    for (int i = 0; i < 20; i++) {
        hold_start(&h, 1000);
        assert_int_equal(h.until_ms, 1000 + want);
        assert_false(hold_is_over(&h, h.until_ms - 1));
        assert_true(hold_is_over(&h, h.until_ms));
        hold_end(&h);
        assert_true(hold_failed(&h, 100 + i)); /* one failure is enough now */
        want = want * 2 < HOLD_MAX_MS ? want * 2 : HOLD_MAX_MS;
    }
    hold_succeeded(&h);
    hold_start(&h, 0);
    assert_int_equal(h.until_ms, HOLD_FIRST_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_paused_sweep_grants_nothing_until_it_is_resumed),
        cmocka_unit_test(test_a_pause_lets_running_jobs_end),
        cmocka_unit_test(test_a_higher_priority_goes_first_and_lifts_what_it_waits_for),
        cmocka_unit_test(test_a_job_that_is_put_back_takes_along_what_was_skipped_because_of_it),
        cmocka_unit_test(test_a_job_that_is_put_back_begins_with_clean_counters),
        cmocka_unit_test(test_a_host_on_which_three_jobs_in_a_row_fail_for_infra_is_held_for_a_while),
        cmocka_unit_test(test_the_event_names_host_and_time),
        cmocka_unit_test(test_other_classes_and_successes_hold_nobody),
        cmocka_unit_test(test_the_last_host_is_never_held),
        cmocka_unit_test(test_one_job_that_fails_again_and_again_does_not_hold_its_host),
        cmocka_unit_test(test_each_hold_lasts_twice_as_long_up_to_an_hour),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
