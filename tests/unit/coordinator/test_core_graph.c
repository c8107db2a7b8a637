/* test_core_graph.c - what one job's end means for others; starts in the middle; poison. */
#include "tests/unit/coordinator/corefix.h"

/* 1 -> 2, 3 -> 4 (diamond), 4 -> 5, and 6 alone. */
static void open_diamond(struct fix *f, const enum job_state *states, int64_t grace_ms)
{
    static const int64_t in[7][2] = {{0}, {0}, {1}, {1}, {2, 3}, {4}, {0}};
    static const size_t n_in[7] = {0, 0, 1, 1, 2, 1, 0};

    fix_open(f, 2, grace_ms);
    for (int64_t id = 1; id <= 6; id++)
        fix_add(f,
                (struct job){.id = id,
                             .cost_s = 1,
                             .retries = 1,
                             .state = (uint8_t)(states ? states[id] : JOB_WAITING),
                             .epoch = states && states[id] != JOB_WAITING},
                in[id], n_in[id]);
}

/* Grants, runs and ends `job` with the class, with one agent. */
static void run(struct fix *f, int64_t job, enum err_class class)
{
    fix_grant(f);
    const struct event *ev = fix_event(f, EVENT_GRANT, job);
    if (!ev)
        fail_msg("job %lld was not granted", (long long)job);
    fix_result(f, ev->rank, job, ev->epoch, class);
}

static void test_a_job_is_ready_when_the_last_of_its_inputs_is_done(void **state)
{
    struct fix f;

    (void)state;
    open_diamond(&f, NULL, 0);
    fix_start(&f);
    fix_hello(&f, 1, "");
    fix_state(&f, 1, JOB_READY);
    fix_state(&f, 6, JOB_READY);
    fix_state(&f, 2, JOB_WAITING);
    run(&f, 1, ERR_CLASS_NONE); /* before 6: it has the longer way to the end */
    fix_state(&f, 2, JOB_READY);
    fix_state(&f, 3, JOB_READY);
    run(&f, 2, ERR_CLASS_NONE);
    fix_state(&f, 4, JOB_WAITING);
    run(&f, 3, ERR_CLASS_SCIENCE);
    fix_state(&f, 4, JOB_READY);
    run(&f, 4, ERR_CLASS_NONE);
    run(&f, 5, ERR_CLASS_NONE);
    run(&f, 6, ERR_CLASS_NONE);
    assert_true(core_is_settled(&f.c));
    fix_close(&f);
}

static void test_a_failure_skips_all_that_waits_for_it_and_names_the_cause(void **state)
{
    struct fix f;

    (void)state;
    open_diamond(&f, NULL, 0);
    fix_start(&f);
    fix_hello(&f, 1, "");
    run(&f, 1, ERR_CLASS_CODE);
    assert_int_equal(fix_event(&f, EVENT_SKIP, 2)->cause, 1);
    assert_int_equal(fix_event(&f, EVENT_SKIP, 3)->cause, 1);
    assert_in_range(fix_event(&f, EVENT_SKIP, 4)->cause, 2, 3);
    assert_int_equal(fix_event(&f, EVENT_SKIP, 5)->cause, 4);
    assert_int_equal(f.o.n_events, 5);
    fix_state(&f, 6, JOB_READY);
    run(&f, 6, ERR_CLASS_NONE);
    assert_true(core_is_settled(&f.c));
    fix_close(&f);
}

static void test_cancel_stops_a_running_job_and_skips_what_waits_for_it(void **state)
{
    struct fix f;

    (void)state;
    open_diamond(&f, NULL, 0);
    fix_start(&f);
    fix_hello(&f, 1, "");
    fix_grant(&f);
    core_out_reset(&f.o);
    core_cancel(&f.c, 1, f.now, &f.o);
    assert_int_equal(fix_reply(&f, MSG_CANCEL, 1)->job, 1);
    fix_state(&f, 1, JOB_CANCELLED);
    fix_state(&f, 5, JOB_SKIPPED);
    fix_result(&f, 1, 1, 1, ERR_CLASS_NONE); /* too late */
    fix_state(&f, 1, JOB_CANCELLED);
    core_out_reset(&f.o);
    core_cancel(&f.c, 1, f.now, &f.o);
    core_cancel(&f.c, 5, f.now, &f.o);
    core_cancel(&f.c, 999, f.now, &f.o);
    assert_int_equal(f.o.n_events + f.o.n_replies, 0);
    core_cancel(&f.c, 6, f.now, &f.o); /* ready */
    assert_true(core_is_settled(&f.c));
    fix_close(&f);
}

static void test_a_grant_without_payload_fails_by_the_class_of_its_error(void **state)
{
    struct err why;
    struct fix f;

    (void)state;
    open_diamond(&f, NULL, 0);
    fix_start(&f);
    fix_hello(&f, 1, "");
    for (int i = 0; i <= 1; i++) { /* retries = 1 */
        fix_tick(&f, 60000);
        fix_beat(&f, 1, "");
        fix_hello(&f, 1, "");
        fix_grant(&f);
        core_out_reset(&f.o);
        err_set(&why, ERR_IO, "cannot read the input");
        core_grant_failed(&f.c, 1, &why, f.now, &f.o);
        assert_non_null(fix_event(&f, i ? EVENT_QUARANTINE : EVENT_RETRY, 1));
    }
    fix_state(&f, 2, JOB_SKIPPED);
    fix_grant(&f);
    err_set(&why, ERR_INVALID, "no such value");
    core_grant_failed(&f.c, 6, &why, f.now, &f.o);
    assert_string_equal(fix_event(&f, EVENT_FAIL, 6)->message, "no such value");
    core_grant_failed(&f.c, 6, &why, f.now, &f.o); /* no lease any more */
    fix_state(&f, 6, JOB_FAILED);
    fix_close(&f);
}

static void test_a_gate_that_did_not_pass_skips_the_granted_job(void **state)
{
    struct fix f;

    (void)state;
    open_diamond(&f, NULL, 0);
    fix_start(&f);
    fix_hello(&f, 1, "");
    fix_grant(&f);
    core_grant_skipped(&f.c, 1, 6, &f.o);
    assert_int_equal(fix_event(&f, EVENT_SKIP, 1)->cause, 6);
    fix_state(&f, 5, JOB_SKIPPED);
    assert_int_equal(f.c.sched.ranks[1].n_held, 0);
    fix_close(&f);
}

/* Rungs of a search: 1, 2 -> 3 (needs 1, waits for 2), 4 (needs 2, waits for 1); 5 waits for 3 and 4. */
static void open_rungs(struct fix *f, const enum job_state *states)
{
    static const int64_t in[6][2] = {{0}, {0}, {0}, {1, -2}, {2, -1}, {-3, -4}};
    static const size_t n_in[6] = {0, 0, 0, 2, 2, 2};

    fix_open(f, 2, 0);
    for (int64_t id = 1; id <= 5; id++)
        fix_add(f, (struct job){.id = id, .cost_s = 1, .retries = 0, .epoch = states != NULL,
                                .state = (uint8_t)(states ? states[id] : JOB_WAITING)}, in[id], n_in[id]);
}

static void test_a_soft_edge_waits_for_any_end_and_needs_none(void **state)
{
    struct fix f;

    (void)state;
    open_rungs(&f, NULL);
    fix_start(&f);
    fix_hello(&f, 1, "");
    run(&f, 1, ERR_CLASS_NONE);
    fix_state(&f, 3, JOB_WAITING); /* its rival is not done */
    run(&f, 2, ERR_CLASS_CODE);
    fix_state(&f, 3, JOB_READY);
    fix_state(&f, 4, JOB_SKIPPED); /* it needs the one that failed */
    fix_state(&f, 5, JOB_WAITING);
    run(&f, 3, ERR_CLASS_NONE);
    fix_state(&f, 5, JOB_READY); /* 4 was skipped: that is an end too */
    queue_check(&f.c.queue);
    fix_close(&f);
}

static void test_soft_edges_from_what_is_on_disk(void **state)
{
    static const enum job_state states[6] = {0, JOB_DONE, JOB_FAILED, JOB_WAITING, JOB_WAITING, JOB_WAITING};
    struct fix f;

    (void)state;
    open_rungs(&f, states);
    fix_start(&f);
    fix_state(&f, 3, JOB_READY);
    fix_state(&f, 4, JOB_SKIPPED);
    fix_state(&f, 5, JOB_WAITING);
    queue_check(&f.c.queue);
    fix_close(&f);
}

/* --- starting from what is on disk ---------------------------------------------------------- */

static const enum job_state half_way[7] = {0,           JOB_DONE,    JOB_DONE,  JOB_LEASED,
                                           JOB_WAITING, JOB_WAITING, JOB_LEASED};

static void test_without_grace_found_leases_end_free_at_once(void **state)
{
    struct fix f;

    (void)state;
    open_diamond(&f, half_way, 0);
    fix_start(&f);
    assert_int_equal(fix_event(&f, EVENT_RETRY, 3)->class, ERR_CLASS_EXTERNAL);
    assert_int_equal(fix_event(&f, EVENT_RETRY, 6)->n_infra, 0);
    assert_int_equal(f.o.n_events, 2);
    fix_hello(&f, 1, "3:1");
    assert_int_equal(fix_reply(&f, MSG_CANCEL, 1)->job, 3);
    run(&f, 3, ERR_CLASS_NONE);
    fix_state(&f, 4, JOB_READY);
    assert_int_equal(f.c.queue.jobs[queue_find(&f.c.queue, 3)].epoch, 2);
    fix_close(&f);
}

static void test_with_grace_an_agent_may_claim_what_it_holds(void **state)
{
    struct fix f;

    (void)state;
    open_diamond(&f, half_way, 2 * FIX_TERM);
    fix_start(&f);
    assert_int_equal(f.o.n_events, 0);
    fix_hello(&f, 1, "3:1");
    assert_null(fix_reply(&f, MSG_CANCEL, 1));
    assert_int_equal(f.c.sched.ranks[1].n_held, 1);
    fix_hello(&f, 2, "3:1 6:7"); /* one is taken, the other of an epoch that was never given */
    assert_non_null(fix_reply(&f, MSG_CANCEL, 2));
    assert_int_equal(f.c.sched.ranks[2].n_held, 0);
    for (int i = 0; i < 5; i++) {
        fix_tick(&f, FIX_TERM / 2);
        fix_beat(&f, 1, "3:1");
        fix_beat(&f, 2, "");
    }
    fix_state(&f, 3, JOB_LEASED);
    fix_state(&f, 6, JOB_READY); /* nobody came for it */
    fix_result(&f, 1, 3, 1, ERR_CLASS_NONE);
    fix_state(&f, 4, JOB_READY);
    fix_close(&f);
}

static void test_a_cancel_before_the_start_ends_a_found_lease(void **state)
{
    struct fix f;

    (void)state;
    open_diamond(&f, half_way, 2 * FIX_TERM);
    core_cancel(&f.c, 3, f.now, &f.o);
    assert_non_null(fix_event(&f, EVENT_CANCEL, 3));
    assert_non_null(fix_event(&f, EVENT_SKIP, 5));
    fix_start(&f);
    fix_state(&f, 3, JOB_CANCELLED);
    fix_hello(&f, 1, "3:1");
    assert_int_equal(fix_reply(&f, MSG_CANCEL, 1)->job, 3);
    fix_close(&f);
}

static void test_messages_before_and_during_the_start_are_heard(void **state)
{
    enum { N = 10000 };
    struct fix f;
    struct err e;

    (void)state;
    fix_open(&f, 2, 2 * FIX_TERM);
    for (int64_t id = 1; id <= N; id++) {
        struct job j = {.id = id,
                        .threads = 1,
                        .epoch = id % 2500 == 0,
                        .state = id % 2500 == 0 ? JOB_LEASED : JOB_WAITING};
        int64_t input = id - 1;
        assert_ok(core_add_job(&f.c, &j, &input, id % 2500 == 1 && id > 1, &e), e);
    }
    fix_hello(&f, 1, "10000:1 7500:1");
    assert_null(fix_reply(&f, MSG_CANCEL, 1));
    fix_result(&f, 2, 2500, 1, ERR_CLASS_NONE); /* of a rank that has said no HELLO to us */
    assert_non_null(fix_event(&f, EVENT_DONE, 2500));
    core_out_reset(&f.o);
    assert_true(core_start(&f.c, f.now, &f.o));
    assert_non_null(fix_event(&f, EVENT_READY, 2501));
    fix_result(&f, 1, 7500, 1, ERR_CLASS_CODE);
    assert_non_null(fix_event(&f, EVENT_SKIP, 7501)); /* though the start had not come to it */
    core_out_reset(&f.o);
    while (core_start(&f.c, f.now, &f.o))
        ;
    assert_null(fix_event(&f, EVENT_READY, 7501));
    assert_int_equal(core_n(&f.c, JOB_LEASED), 2);
    assert_int_equal(core_n(&f.c, JOB_READY), N - 6);
    assert_int_equal(core_n(&f.c, JOB_WAITING), 1); /* 5001 waits for 5000 */
    queue_check(&f.c.queue);
    fix_close(&f);
}

/* --- poison ----------------------------------------------------------------------------------- */

/* Job 6 alone on rank 1, which is lost after `step` (0: none; -1: it was never heard of again). */
static const struct event *lose_once(struct fix *f, int64_t step)
{
    fix_tick(f, 120000);
    fix_hello(f, 1, "");
    fix_grant(f);
    const struct event *ev = fix_event(f, EVENT_GRANT, 6);
    assert_non_null(ev);
    int64_t epoch = ev->epoch;
    if (step >= 0)
        fix_step(f, 1, 6, epoch, step);
    fix_lost(f, 1);
    ev = fix_event(f, EVENT_QUARANTINE, 6);
    return ev ? ev : fix_event(f, EVENT_RETRY, 6);
}

static void open_alone(struct fix *f)
{
    fix_open(f, 2, 0);
    fix_add(f, (struct job){.id = 6, .retries = 1}, NULL, 0);
    fix_start(f);
}

static void test_a_job_that_kills_five_agents_is_quarantined(void **state)
{
    struct fix f;

    (void)state;
    for (int64_t step = 0; step <= 40; step += 40) { /* 40: its checkpoint, and no further */
        open_alone(&f);
        if (step)
            assert_int_equal(lose_once(&f, step)->n_lost, 0); /* that far it had got on */
        for (int i = 1; i <= 5; i++) {
            const struct event *ev = lose_once(&f, step);
            assert_int_equal(ev->n_lost, i);
            assert_int_equal(ev->type, i < 5 ? EVENT_RETRY : EVENT_QUARANTINE);
        }
        fix_close(&f);
    }
}

static void test_deaths_with_progress_or_before_the_beginning_are_no_poison(void **state)
{
    struct fix f;

    (void)state;
    open_alone(&f);
    for (int i = 1; i <= 20; i++)
        assert_int_equal(lose_once(&f, i)->type, EVENT_RETRY);
    for (int i = 1; i <= 20; i++)
        assert_int_equal(lose_once(&f, -1)->type, EVENT_RETRY);
    fix_close(&f);
}

static void test_deaths_under_several_jobs_are_no_poison(void **state)
{
    struct fix f;

    (void)state;
    fix_open(&f, 1, 0);
    for (int64_t id = 1; id <= 3; id++)
        fix_add(&f, (struct job){.id = id, .in_agent = true}, NULL, 0);
    fix_start(&f);
    for (int i = 1; i <= 20; i++) {
        char held[64];
        fix_tick(&f, 120000);
        fix_hello(&f, 1, "");
        fix_grant(&f);
        snprintf(held, sizeof held, "1:%d 2:%d 3:%d", i, i, i);
        fix_beat(&f, 1, held);
        fix_lost(&f, 1);
        for (int64_t id = 1; id <= 3; id++)
            assert_int_equal(fix_event(&f, EVENT_RETRY, id)->n_lost, 0);
    }
    fix_close(&f);
}

static void test_another_process_on_a_rank_ends_what_the_old_one_held(void **state)
{
    struct fix f;
    struct msg m = {.type = MSG_HELLO};

    (void)state;
    open_alone(&f);
    fix_hello(&f, 1, "");
    fix_grant(&f);
    fix_hello(&f, 1, ""); /* the same process: its GRANT may be under way */
    fix_state(&f, 6, JOB_LEASED);
    m.u.HELLO = (struct msg_HELLO){PROTO_MAGIC, PROTO_VERSION, "b1", "n0", 4711, 1, ""};
    fix_say(&f, 1, &m);
    fix_state(&f, 6, JOB_READY);
    assert_non_null(fix_event(&f, EVENT_AGENT_LOST, 0));
    assert_int_equal(fix_event(&f, EVENT_AGENT_UP, 0)->pid, 4711);
    fix_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_job_is_ready_when_the_last_of_its_inputs_is_done),
        cmocka_unit_test(test_a_failure_skips_all_that_waits_for_it_and_names_the_cause),
        cmocka_unit_test(test_cancel_stops_a_running_job_and_skips_what_waits_for_it),
        cmocka_unit_test(test_a_grant_without_payload_fails_by_the_class_of_its_error),
        cmocka_unit_test(test_a_gate_that_did_not_pass_skips_the_granted_job),
        cmocka_unit_test(test_a_soft_edge_waits_for_any_end_and_needs_none),
        cmocka_unit_test(test_soft_edges_from_what_is_on_disk),
        cmocka_unit_test(test_without_grace_found_leases_end_free_at_once),
        cmocka_unit_test(test_with_grace_an_agent_may_claim_what_it_holds),
        cmocka_unit_test(test_a_cancel_before_the_start_ends_a_found_lease),
        cmocka_unit_test(test_messages_before_and_during_the_start_are_heard),
        cmocka_unit_test(test_a_job_that_kills_five_agents_is_quarantined),
        cmocka_unit_test(test_deaths_with_progress_or_before_the_beginning_are_no_poison),
        cmocka_unit_test(test_deaths_under_several_jobs_are_no_poison),
        cmocka_unit_test(test_another_process_on_a_rank_ends_what_the_old_one_held),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
