/* test_core.c - what the core answers to each message, and which events it makes of it. */
#include "tests/unit/coordinator/corefix.h"

/* Two jobs of equal standing and two agents that have said HELLO. */
static void open_two(struct fix *f)
{
    fix_open(f, 2, 0);
    for (int64_t id = 1; id <= 2; id++)
        fix_add(f, (struct job){.id = id, .cost_s = (float)(9 - id), .retries = 2}, NULL, 0);
    fix_start(f);
    fix_hello(f, 1, "");
    fix_hello(f, 2, "");
}

static int rank_of(const struct fix *f, int64_t job)
{
    for (int r = 1; r < f->c.sched.n_ranks; r++)
        for (size_t i = 0; i < f->o.n_replies; i++)
            if (f->o.replies[i].type == MSG_GRANT && f->o.replies[i].job == job)
                return f->o.replies[i].rank;
    fail_msg("job %lld was not granted", (long long)job);
    return 0;
}

static void test_a_job_is_granted_run_reported_and_acknowledged_once(void **state)
{
    struct fix f;

    (void)state;
    open_two(&f);
    fix_grant(&f);
    int rank = rank_of(&f, 1);
    assert_int_equal(fix_event(&f, EVENT_GRANT, 1)->epoch, 1);
    assert_int_equal(fix_event(&f, EVENT_GRANT, 1)->rank, rank);
    assert_string_equal(fix_event(&f, EVENT_GRANT, 1)->host, "n0");
    fix_result(&f, rank, 1, 1, ERR_CLASS_NONE);
    const struct event *ev = fix_event(&f, EVENT_DONE, 1);
    assert_non_null(ev);
    assert_string_equal(ev->metrics, "a=1");
    assert_int_equal(fix_reply(&f, MSG_ACK, rank)->job, 1);
    fix_state(&f, 1, JOB_DONE);
    fix_result(&f, rank, 1, 1, ERR_CLASS_NONE); /* sent again: the ACK was lost */
    assert_int_equal(f.o.n_events, 0);
    assert_non_null(fix_reply(&f, MSG_ACK, rank));
    fix_result(&f, rank, 1, 1, ERR_CLASS_CODE); /* the first one has won */
    fix_state(&f, 1, JOB_DONE);
    assert_false(core_is_settled(&f.c));
    fix_close(&f);
}

static void test_a_result_of_an_old_epoch_is_recorded_and_not_applied(void **state)
{
    struct fix f;

    (void)state;
    open_two(&f);
    fix_grant(&f);
    int first = rank_of(&f, 1);
    fix_lost(&f, first);
    fix_state(&f, 1, JOB_READY);
    fix_result(&f, 3 - first, 2, 1, ERR_CLASS_NONE);
    fix_grant(&f);
    assert_int_equal(rank_of(&f, 1), 3 - first);
    assert_int_equal(fix_event(&f, EVENT_GRANT, 1)->epoch, 2);
    fix_result(&f, first, 1, 1, ERR_CLASS_NONE);
    assert_non_null(fix_event(&f, EVENT_STALE, 1));
    assert_int_equal(fix_event(&f, EVENT_STALE, 1)->epoch, 1);
    assert_null(fix_event(&f, EVENT_DONE, 1));
    assert_non_null(fix_reply(&f, MSG_ACK, first));
    fix_state(&f, 1, JOB_LEASED);
    fix_result(&f, first, 1, 2, ERR_CLASS_NONE); /* the epoch of another rank's lease */
    fix_state(&f, 1, JOB_LEASED);
    fix_result(&f, first, 1, 3, ERR_CLASS_NONE); /* an epoch that was never given */
    fix_state(&f, 1, JOB_LEASED);
    fix_result(&f, 3 - first, 1, 2, ERR_CLASS_NONE);
    fix_state(&f, 1, JOB_DONE);
    fix_result(&f, first, 1, 1, ERR_CLASS_CODE); /* still an old epoch, and still only a record */
    assert_int_equal(fix_event(&f, EVENT_STALE, 1)->class, ERR_CLASS_CODE);
    fix_state(&f, 1, JOB_DONE);
    assert_true(core_is_settled(&f.c));
    fix_close(&f);
}

static void test_each_class_of_failure_ends_as_promised(void **state)
{
    static const struct {
        enum err_class class;
        enum event_type event;
    } row[] = {{ERR_CLASS_NONE, EVENT_DONE},   {ERR_CLASS_SCIENCE, EVENT_DONE},
               {ERR_CLASS_CONFIG, EVENT_FAIL}, {ERR_CLASS_CODE, EVENT_FAIL},
               {ERR_CLASS_INFRA, EVENT_RETRY}, {ERR_CLASS_EXTERNAL, EVENT_RETRY}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(row); i++) {
        struct fix f;
        open_two(&f);
        fix_grant(&f);
        fix_result(&f, rank_of(&f, 1), 1, 1, row[i].class);
        const struct event *ev = fix_event(&f, row[i].event, 1);
        if (!ev || ev->class != row[i].class)
            fail_msg("class %s: no %s", err_class_name(row[i].class),
                     event_type_name(row[i].event));
        assert_string_equal(ev->message, "why");
        assert_int_equal(ev->n_infra, row[i].class == ERR_CLASS_INFRA);
        fix_close(&f);
    }
}

static void test_an_outcome_that_does_not_exist_is_dropped_without_an_ack(void **state)
{
    static const int64_t bad[] = {-1, ERR_CLASS_COUNT, INT64_MAX, INT64_MIN};
    struct fix f;

    (void)state;
    open_two(&f);
    fix_grant(&f);
    int rank = rank_of(&f, 1);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        fix_result(&f, rank, 1, 1, bad[i]);
        assert_int_equal(f.o.n_events + f.o.n_replies, 0);
        fix_state(&f, 1, JOB_LEASED);
    }
    fix_close(&f);
}

static void test_ranks_that_do_not_exist_and_unknown_jobs_change_nothing(void **state)
{
    static const int ranks[] = {-1, 0, 3, 1 << 20};
    struct fix f;

    (void)state;
    open_two(&f);
    fix_grant(&f);
    for (size_t i = 0; i < ARRAY_LEN(ranks); i++) {
        fix_result(&f, ranks[i], 1, 1, ERR_CLASS_NONE);
        fix_hello(&f, ranks[i], "1:1");
        fix_lost(&f, ranks[i]);
        assert_int_equal(f.o.n_events + f.o.n_replies, 0);
    }
    fix_step(&f, 1, 99, 1, 5);
    assert_int_equal(fix_reply(&f, MSG_CANCEL, 1)->job, 99);
    fix_result(&f, 1, 99, 1, ERR_CLASS_NONE);
    assert_int_equal(f.o.n_events, 0);
    assert_non_null(fix_reply(&f, MSG_ACK, 1));
    fix_beat(&f, 1, "1:x nonsense");
    fix_beat(&f, 1, NULL);
    fix_beat(&f, 1, "9223372036854775807:-1");
    assert_int_equal(f.o.n_events, 0);
    fix_close(&f);
}

static void test_a_lease_lives_as_long_as_heartbeats_name_it(void **state)
{
    struct fix f;
    char held[16];

    (void)state;
    open_two(&f);
    fix_grant(&f);
    int rank = rank_of(&f, 1);
    snprintf(held, sizeof held, "1:%d", 1);
    for (int i = 0; i < 10; i++) {
        fix_tick(&f, FIX_TERM / 2);
        fix_beat(&f, rank, held);
        assert_int_equal(fix_reply(&f, MSG_BEAT, rank)->arg, 1);
        assert_null(fix_reply(&f, MSG_CANCEL, rank));
    }
    fix_state(&f, 1, JOB_LEASED);
    fix_tick(&f, FIX_TERM / 2);
    fix_beat(&f, rank, ""); /* alive, but it has forgotten the job */
    fix_tick(&f, FIX_TERM * 3 / 4);
    assert_string_equal(fix_event(&f, EVENT_RETRY, 1)->message, "lease expired");
    assert_int_equal(fix_reply(&f, MSG_CANCEL, rank)->epoch, 1);
    fix_beat(&f, rank, held); /* and remembers too late */
    assert_int_equal(fix_reply(&f, MSG_CANCEL, rank)->job, 1);
    fix_close(&f);
}

static void test_a_silent_agent_is_lost_with_its_leases_and_may_come_back(void **state)
{
    struct fix f;

    (void)state;
    open_two(&f);
    fix_grant(&f);
    int rank = rank_of(&f, 1);
    fix_tick(&f, FIX_TERM);
    assert_int_equal(f.o.n_events, 0);
    fix_tick(&f, FIX_TERM / 10);
    assert_non_null(fix_event(&f, EVENT_AGENT_LOST, 0));
    assert_non_null(fix_event(&f, EVENT_RETRY, 1));
    assert_int_equal(core_n_agents(&f.c), 0);
    fix_beat(&f, rank, "1:1");
    assert_int_equal(fix_reply(&f, MSG_BEAT, rank)->arg, 0); /* say HELLO */
    assert_int_equal(f.o.n_events, 0);
    fix_hello(&f, rank, "1:1");
    assert_non_null(fix_event(&f, EVENT_AGENT_UP, 0));
    assert_int_equal(fix_reply(&f, MSG_CANCEL, rank)->job, 1);
    fix_grant(&f);
    assert_int_equal(fix_event(&f, EVENT_GRANT, 1)->epoch, 2);
    fix_close(&f);
}

static void test_agents_of_another_version_or_build_are_refused(void **state)
{
    struct fix f;
    struct msg m = {.type = MSG_HELLO};

    (void)state;
    fix_open(&f, 3, 0);
    fix_add(&f, (struct job){.id = 1}, NULL, 0);
    fix_start(&f);
    m.u.HELLO = (struct msg_HELLO){PROTO_MAGIC, PROTO_VERSION + 1, "b1", "n0", 1, 1, ""};
    fix_say(&f, 1, &m);
    assert_int_equal(fix_reply(&f, MSG_SHUTDOWN, 1)->arg, PROTO_REASON_VERSION);
    m.u.HELLO = (struct msg_HELLO){PROTO_MAGIC, PROTO_VERSION, "b2", "n0", 1, 1, ""};
    fix_say(&f, 2, &m);
    assert_int_equal(fix_reply(&f, MSG_SHUTDOWN, 2)->arg, PROTO_REASON_BUILD);
    m.u.HELLO = (struct msg_HELLO){PROTO_MAGIC + 1, PROTO_VERSION, "b1", "n0", 1, 1, ""};
    fix_say(&f, 3, &m);
    assert_int_equal(fix_reply(&f, MSG_SHUTDOWN, 3)->arg, PROTO_REASON_VERSION);
    assert_int_equal(core_n_agents(&f.c), 0);
    fix_grant(&f);
    assert_int_equal(f.o.n_events, 0);
    fix_close(&f);
}

static void test_an_agent_that_leaves_gives_its_jobs_back_free(void **state)
{
    struct fix f;
    struct msg m = {.type = MSG_BYE};

    (void)state;
    open_two(&f);
    fix_grant(&f);
    int rank = rank_of(&f, 1);
    fix_say(&f, rank, &m);
    const struct event *ev = fix_event(&f, EVENT_RETRY, 1);
    assert_int_equal(ev->class, ERR_CLASS_EXTERNAL);
    assert_int_equal(ev->n_infra + ev->n_lost, 0);
    assert_int_equal(core_n_agents(&f.c), 1);
    fix_grant(&f);
    assert_null(fix_reply(&f, MSG_GRANT, rank));
    fix_close(&f);
}

static void test_draining_grants_nothing_and_ends_when_nothing_runs(void **state)
{
    struct fix f;

    (void)state;
    open_two(&f);
    fix_hello(&f, 1, "");
    core_drain(&f.c, true, &f.o);
    assert_int_equal(fix_reply(&f, MSG_DRAIN, 1)->arg, 1);
    assert_int_equal(fix_reply(&f, MSG_DRAIN, 2)->arg, 1);
    assert_true(core_is_drained(&f.c));
    fix_grant(&f);
    assert_int_equal(f.o.n_events, 0);
    fix_hello(&f, 1, "");
    assert_non_null(fix_reply(&f, MSG_DRAIN, 1));
    fix_close(&f);

    open_two(&f);
    fix_grant(&f);
    int rank = rank_of(&f, 1);
    core_drain(&f.c, false, &f.o);
    assert_false(core_is_drained(&f.c));
    fix_result(&f, rank, 1, 1, ERR_CLASS_EXTERNAL);
    assert_int_equal(fix_event(&f, EVENT_RETRY, 1)->n_infra, 0);
    fix_result(&f, 3 - rank, 2, 1, ERR_CLASS_NONE);
    assert_true(core_is_drained(&f.c));
    fix_close(&f);
}

static void test_shutdown_is_said_to_every_agent(void **state)
{
    struct fix f;

    (void)state;
    open_two(&f);
    core_out_reset(&f.o);
    core_shutdown(&f.c, &f.o);
    assert_int_equal(f.o.n_replies, 2);
    assert_int_equal(fix_reply(&f, MSG_SHUTDOWN, 2)->arg, PROTO_REASON_END);
    fix_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_job_is_granted_run_reported_and_acknowledged_once),
        cmocka_unit_test(test_a_result_of_an_old_epoch_is_recorded_and_not_applied),
        cmocka_unit_test(test_each_class_of_failure_ends_as_promised),
        cmocka_unit_test(test_an_outcome_that_does_not_exist_is_dropped_without_an_ack),
        cmocka_unit_test(test_ranks_that_do_not_exist_and_unknown_jobs_change_nothing),
        cmocka_unit_test(test_a_lease_lives_as_long_as_heartbeats_name_it),
        cmocka_unit_test(test_a_silent_agent_is_lost_with_its_leases_and_may_come_back),
        cmocka_unit_test(test_agents_of_another_version_or_build_are_refused),
        cmocka_unit_test(test_an_agent_that_leaves_gives_its_jobs_back_free),
        cmocka_unit_test(test_draining_grants_nothing_and_ends_when_nothing_runs),
        cmocka_unit_test(test_shutdown_is_said_to_every_agent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
