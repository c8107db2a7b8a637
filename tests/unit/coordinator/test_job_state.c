/* test_job_state.c - every (state, event) cell of the table of legal moves. */
#include "tests/lib/check.h"

#include "coordinator/job_state.h"

enum {
    NO = -1,
    WA = JOB_WAITING,
    RE = JOB_READY,
    LE = JOB_LEASED,
    DO = JOB_DONE,
    FA = JOB_FAILED,
    QU = JOB_QUARANTINED,
    SK = JOB_SKIPPED,
    CA = JOB_CANCELLED
};

/* Rows: states; columns: ready grant done retry fail quarantine skip cancel requeue stale up lost,
 * and pause resume priority host_held host_freed, which are about no job */
static const int want[JOB_STATE_COUNT][EVENT_TYPE_COUNT] = {
    [JOB_WAITING] = {RE, NO, NO, NO, NO, NO, SK, CA, NO, WA, NO, NO, NO, NO, NO, NO, NO},
    [JOB_READY] = {NO, LE, NO, NO, NO, NO, SK, CA, NO, RE, NO, NO, NO, NO, NO, NO, NO},
    [JOB_LEASED] = {NO, NO, DO, RE, FA, QU, SK, CA, NO, LE, NO, NO, NO, NO, NO, NO, NO},
    [JOB_DONE] = {NO, NO, NO, NO, NO, NO, NO, NO, NO, DO, NO, NO, NO, NO, NO, NO, NO},
    [JOB_FAILED] = {NO, NO, NO, NO, NO, NO, NO, NO, WA, FA, NO, NO, NO, NO, NO, NO, NO},
    [JOB_QUARANTINED] = {NO, NO, NO, NO, NO, NO, NO, NO, WA, QU, NO, NO, NO, NO, NO, NO, NO},
    [JOB_SKIPPED] = {NO, NO, NO, NO, NO, NO, NO, NO, WA, SK, NO, NO, NO, NO, NO, NO, NO},
    [JOB_CANCELLED] = {NO, NO, NO, NO, NO, NO, NO, NO, WA, CA, NO, NO, NO, NO, NO, NO, NO},
};

static void test_every_cell_of_the_table(void **state)
{
    (void)state;
    for (int s = 0; s < JOB_STATE_COUNT; s++)
        for (int e = 0; e < EVENT_TYPE_COUNT; e++) {
            enum job_state next = JOB_STATE_COUNT;
            bool ok = job_next((enum job_state)s, (enum event_type)e, &next);
            if (ok != (want[s][e] != NO) || (int)next != (ok ? want[s][e] : s))
                fail_msg("%s in %s: legal %d, next %d; wanted %d",
                         event_type_name((enum event_type)e), job_state_name((enum job_state)s), ok,
                         (int)next, want[s][e]);
        }
}

static void test_no_cell_outside_the_table_is_legal(void **state)
{
    enum job_state next;

    (void)state;
    assert_false(job_next(JOB_STATE_COUNT, EVENT_READY, &next));
    assert_false(job_next(JOB_WAITING, EVENT_TYPE_COUNT, &next));
    assert_string_equal(job_state_name(JOB_STATE_COUNT), "?");
    assert_string_equal(event_type_name(EVENT_TYPE_COUNT), "?");
}

static void test_final_states_are_left_by_requeue_alone_and_done_never(void **state)
{
    (void)state;
    for (int s = 0; s < JOB_STATE_COUNT; s++) {
        int n_ways_out = 0;
        for (int e = 0; e < EVENT_TYPE_COUNT; e++) {
            enum job_state next;
            n_ways_out += job_next((enum job_state)s, (enum event_type)e, &next) && (int)next != s;
        }
        bool is_final = s == DO || s == FA || s == QU || s == SK || s == CA;
        assert_int_equal(job_state_is_final((enum job_state)s), is_final);
        assert_int_equal(job_state_is_bad((enum job_state)s), is_final && s != DO);
        if (is_final)
            assert_int_equal(n_ways_out, s == DO ? 0 : 1);
    }
}

static void test_names_are_those_of_the_manifest(void **state)
{
    static const char *const states[] = {"waiting", "ready",       "leased",  "done",
                                         "failed",  "quarantined", "skipped", "cancelled"};
    static const char *const events[] = {"ready",   "grant",      "done",     "retry",
                                         "fail",    "quarantine", "skip",     "cancel",
                                         "requeue", "stale",      "agent_up", "agent_lost",
                                         "pause",   "resume",     "priority", "host_held",
                                         "host_freed"};

    (void)state;
    for (int s = 0; s < JOB_STATE_COUNT; s++)
        assert_string_equal(job_state_name((enum job_state)s), states[s]);
    for (int e = 0; e < EVENT_TYPE_COUNT; e++)
        assert_string_equal(event_type_name((enum event_type)e), events[e]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_cell_of_the_table),
        cmocka_unit_test(test_no_cell_outside_the_table_is_legal),
        cmocka_unit_test(test_final_states_are_left_by_requeue_alone_and_done_never),
        cmocka_unit_test(test_names_are_those_of_the_manifest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
