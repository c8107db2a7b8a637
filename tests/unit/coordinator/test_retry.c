/* test_retry.c - what a failure costs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "coordinator/retry.h"

static enum event_type decide(struct retry_counts *c, enum err_class class, bool oom, bool alone,
                              bool advanced)
{
    struct retry_facts f = {.class = class, .is_oom = oom, .lost_alone = alone,
                            .has_advanced = advanced, .retries = 2, .crash_limit = 5};

    return retry_decide(&f, c).event;
}

static void test_external_is_always_tried_again_and_never_counted(void **state)
{
    struct retry_counts c = {0};

    (void)state;
    for (int i = 0; i < 1000; i++)
        assert_int_equal(decide(&c, ERR_CLASS_EXTERNAL, false, false, false), EVENT_RETRY);
    assert_int_equal(c.n_infra, 0);
    assert_int_equal(c.n_lost, 0);
}

static void test_infra_is_tried_again_retries_times(void **state)
{
    struct retry_counts c = {0};

    (void)state;
    assert_int_equal(decide(&c, ERR_CLASS_INFRA, false, false, false), EVENT_RETRY);
    assert_int_equal(decide(&c, ERR_CLASS_INFRA, false, false, false), EVENT_RETRY);
    assert_int_equal(decide(&c, ERR_CLASS_INFRA, false, false, false), EVENT_QUARANTINE);
}

static void test_infra_counts_anew_after_progress(void **state)
{
    struct retry_counts c = {0};

    (void)state;
    for (int i = 0; i < 20; i++)
        assert_int_equal(decide(&c, ERR_CLASS_INFRA, false, false, true), EVENT_RETRY);
    assert_int_equal(c.n_infra, 1);
}

static void test_code_and_config_are_final(void **state)
{
    struct retry_counts c = {0};

    (void)state;
    assert_int_equal(decide(&c, ERR_CLASS_CODE, false, false, false), EVENT_FAIL);
    assert_int_equal(decide(&c, ERR_CLASS_CONFIG, false, false, false), EVENT_FAIL);
}

static void test_two_oom_kills_are_poison(void **state)
{
    struct retry_counts c = {0};

    (void)state;
    assert_int_equal(decide(&c, ERR_CLASS_INFRA, true, false, true), EVENT_RETRY);
    assert_int_equal(decide(&c, ERR_CLASS_INFRA, true, false, true), EVENT_QUARANTINE);
}

static void test_five_lost_agents_in_a_row_are_poison(void **state)
{
    struct retry_counts c = {0};

    (void)state;
    for (int i = 0; i < 4; i++)
        assert_int_equal(decide(&c, ERR_CLASS_EXTERNAL, false, true, false), EVENT_RETRY);
    assert_int_equal(decide(&c, ERR_CLASS_EXTERNAL, false, false, false), EVENT_RETRY); /* row broken */
    for (int i = 0; i < 4; i++)
        assert_int_equal(decide(&c, ERR_CLASS_EXTERNAL, false, true, false), EVENT_RETRY);
    assert_int_equal(decide(&c, ERR_CLASS_EXTERNAL, false, true, false), EVENT_QUARANTINE);
}

static void test_backoff_doubles_up_to_a_minute(void **state)
{
    (void)state;
    assert_int_equal(retry_backoff_ms(0), 250);
    assert_int_equal(retry_backoff_ms(3), 2000);
    assert_int_equal(retry_backoff_ms(200), 60000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_external_is_always_tried_again_and_never_counted),
        cmocka_unit_test(test_infra_is_tried_again_retries_times),
        cmocka_unit_test(test_infra_counts_anew_after_progress),
        cmocka_unit_test(test_code_and_config_are_final),
        cmocka_unit_test(test_two_oom_kills_are_poison),
        cmocka_unit_test(test_five_lost_agents_in_a_row_are_poison),
        cmocka_unit_test(test_backoff_doubles_up_to_a_minute),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
