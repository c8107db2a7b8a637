/* test_retry.c - what each kind of failure costs a job. */
#include "tests/lib/check.h"

#include "coordinator/retry.h"

static struct retry_facts facts(enum err_class class)
{
    return (struct retry_facts){.class = class, .retries = 2, .crash_limit = 5};
}

static void test_code_and_config_are_final_at_once_and_count_nothing(void **state)
{
    (void)state;
    for (int c = 0; c < ERR_CLASS_COUNT; c++) {
        struct retry_counts n = {1, 1, 1, 1};
        struct retry_facts f = facts((enum err_class)c);
        if (c == ERR_CLASS_EXTERNAL || c == ERR_CLASS_INFRA)
            continue;
        f.is_oom = f.lost_alone = f.has_advanced = true;
        assert_int_equal(retry_decide(&f, &n).event, EVENT_FAIL);
        assert_true(n.n_infra == 1 && n.n_oom == 1 && n.n_lost == 1 && n.n_free == 1);
    }
}

static void test_infra_is_forgiven_as_often_as_retries_says(void **state)
{
    (void)state;
    for (int retries = 0; retries <= 5; retries++) {
        struct retry_counts n = {0};
        struct retry_facts f = facts(ERR_CLASS_INFRA);
        f.retries = retries;
        for (int i = 0; i < retries; i++) {
            struct retry_verdict v = retry_decide(&f, &n);
            assert_int_equal(v.event, EVENT_RETRY);
            assert_int_equal(v.delay_ms, retry_backoff_ms(i + 1));
        }
        assert_int_equal(retry_decide(&f, &n).event, EVENT_QUARANTINE);
        assert_int_equal(n.n_infra, retries + 1);
    }
}

static void test_infra_counts_anew_when_the_checkpoint_has_advanced(void **state)
{
    struct retry_counts n = {0};
    struct retry_facts f = facts(ERR_CLASS_INFRA);

    (void)state;
    f.has_advanced = true;
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(retry_decide(&f, &n).event, EVENT_RETRY);
        assert_int_equal(n.n_infra, 1);
    }
    f.has_advanced = false;
    assert_int_equal(retry_decide(&f, &n).event, EVENT_RETRY);
    assert_int_equal(retry_decide(&f, &n).event, EVENT_QUARANTINE);
}

static void test_the_second_oom_kill_quarantines_whatever_retries_says(void **state)
{
    struct retry_counts n = {0};
    struct retry_facts f = facts(ERR_CLASS_INFRA);

    (void)state;
    f.retries = 100;
    f.is_oom = f.has_advanced = true;
    assert_int_equal(retry_decide(&f, &n).event, EVENT_RETRY);
    assert_int_equal(retry_decide(&f, &n).event, EVENT_QUARANTINE);
}

static void test_external_is_tried_again_for_ever_and_never_counts_as_infra(void **state)
{
    struct retry_counts n = {.n_infra = 2};
    struct retry_facts f = facts(ERR_CLASS_EXTERNAL);

    (void)state;
    for (int i = 0; i < 1000; i++) {
        struct retry_verdict v = retry_decide(&f, &n);
        assert_int_equal(v.event, EVENT_RETRY);
        assert_int_equal(v.delay_ms, i == 0 ? 0 : retry_backoff_ms(i - 1));
    }
    assert_int_equal(n.n_infra, 2);
    assert_int_equal(n.n_lost, 0);
    f.has_advanced = true; /* no waiting for one that gets on */
    assert_int_equal(retry_decide(&f, &n).delay_ms, 0);
}

static void test_five_agents_lost_alone_in_a_row_are_poison(void **state)
{
    struct retry_counts n = {0};
    struct retry_facts f = facts(ERR_CLASS_EXTERNAL);

    (void)state;
    f.lost_alone = true;
    for (int i = 1; i < 5; i++) {
        assert_int_equal(retry_decide(&f, &n).event, EVENT_RETRY);
        assert_int_equal(n.n_lost, i);
    }
    struct retry_counts almost = n;
    assert_int_equal(retry_decide(&f, &n).event, EVENT_QUARANTINE);
    n = almost;
    f.lost_alone = false; /* it left its agent alive, or ran beside others */
    assert_int_equal(retry_decide(&f, &n).event, EVENT_RETRY);
    assert_int_equal(n.n_lost, 0);
}

static void test_an_attempt_that_never_began_neither_counts_nor_clears(void **state)
{
    struct retry_counts n = {.n_lost = 4};
    struct retry_facts f = facts(ERR_CLASS_EXTERNAL);

    (void)state;
    f.never_began = true;
    for (int i = 0; i < 10; i++)
        assert_int_equal(retry_decide(&f, &n).event, EVENT_RETRY);
    assert_int_equal(n.n_lost, 4);
}

static void test_an_infra_failure_ends_a_row_of_lost_agents(void **state)
{
    struct retry_counts n = {.n_lost = 4};
    struct retry_facts f = facts(ERR_CLASS_INFRA);

    (void)state;
    assert_int_equal(retry_decide(&f, &n).event, EVENT_RETRY);
    assert_int_equal(n.n_lost, 0);
}

static void test_backoff_doubles_up_to_a_minute(void **state)
{
    (void)state;
    assert_int_equal(retry_backoff_ms(0), 250);
    for (int n = 1; n < 8; n++)
        assert_int_equal(retry_backoff_ms(n), 2 * retry_backoff_ms(n - 1));
    for (int n = 8; n < 300; n++)
        assert_int_equal(retry_backoff_ms(n), 60000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_code_and_config_are_final_at_once_and_count_nothing),
        cmocka_unit_test(test_infra_is_forgiven_as_often_as_retries_says),
        cmocka_unit_test(test_infra_counts_anew_when_the_checkpoint_has_advanced),
        cmocka_unit_test(test_the_second_oom_kill_quarantines_whatever_retries_says),
        cmocka_unit_test(test_external_is_tried_again_for_ever_and_never_counts_as_infra),
        cmocka_unit_test(test_five_agents_lost_alone_in_a_row_are_poison),
        cmocka_unit_test(test_an_attempt_that_never_began_neither_counts_nor_clears),
        cmocka_unit_test(test_an_infra_failure_ends_a_row_of_lost_agents),
        cmocka_unit_test(test_backoff_doubles_up_to_a_minute),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
