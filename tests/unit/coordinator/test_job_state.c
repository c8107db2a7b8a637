/* test_job_state.c - every (state, event) cell. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "coordinator/job_state.h"

/* Rows: state; columns: event; '.' illegal, else the first letter of the next state, with
 * C for cancelled and '=' for "stays". */
static const char *const cells[JOB_STATE_COUNT] = {
    /*              RGDrFQSCqsUL   (ready grant done retry fail quarantine skip cancel requeue stale up lost) */
    [JOB_WAITING] = "r.....sC.=..",
    [JOB_READY] = ".l....sC.=..",
    [JOB_LEASED] = "..drfqsC.=..",
    [JOB_DONE] = ".........=..",
    [JOB_FAILED] = "........w=..",
    [JOB_QUARANTINED] = "........w=..",
    [JOB_SKIPPED] = "........w=..",
    [JOB_CANCELLED] = "........w=..",
};

static char letter(enum job_state s)
{
    return s == JOB_CANCELLED ? 'C' : job_state_name(s)[0];
}

static void test_every_cell_is_as_declared(void **state)
{
    (void)state;
    for (int s = 0; s < JOB_STATE_COUNT; s++) {
        assert_int_equal(strlen(cells[s]), EVENT_TYPE_COUNT);
        for (int ev = 0; ev < EVENT_TYPE_COUNT; ev++) {
            enum job_state next;
            bool is_legal = job_next((enum job_state)s, (enum event_type)ev, &next);
            char want = cells[s][ev];
            char got = !is_legal ? '.' : next == (enum job_state)s ? '=' : letter(next);
            if (want != got)
                fail_msg("%s + %s: want %c, got %c", job_state_name((enum job_state)s),
                         event_type_name((enum event_type)ev), want, got);
        }
    }
}

static void test_values_outside_the_table_are_illegal(void **state)
{
    enum job_state next;

    (void)state;
    assert_false(job_next((enum job_state)99, EVENT_READY, &next));
    assert_false(job_next(JOB_READY, (enum event_type)99, &next));
}

static void test_done_is_final_and_good_the_others_final_and_bad(void **state)
{
    (void)state;
    for (int s = 0; s < JOB_STATE_COUNT; s++) {
        assert_int_equal(job_state_is_final((enum job_state)s), s >= JOB_DONE);
        assert_int_equal(job_state_is_bad((enum job_state)s), s > JOB_DONE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_cell_is_as_declared),
        cmocka_unit_test(test_values_outside_the_table_are_illegal),
        cmocka_unit_test(test_done_is_final_and_good_the_others_final_and_bad),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
