/* test_outcome.c - from a runner's end to a class, and what else the agent decides alone. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/fs.h"
#include "worker/agent/caplog.h"
#include "worker/agent/lease.h"
#include "worker/agent/mock_inline.h"
#include "worker/agent/outcome.h"

static void test_ends_become_classes(void **state)
{
    const struct {
        int exit_code, signal;
        enum outcome_cause cause;
        bool has_result;
        enum err_class want;
        bool is_oom;
    } row[] = {
        {0, 0, CAUSE_NONE, true, ERR_CLASS_NONE, false},
        {0, 0, CAUSE_TIMEOUT, true, ERR_CLASS_NONE, false}, /* it was done in time after all */
        {0, 0, CAUSE_NONE, false, ERR_CLASS_INFRA, false},
        {64, 0, CAUSE_NONE, false, ERR_CLASS_CONFIG, false},
        {65, 0, CAUSE_NONE, false, ERR_CLASS_CONFIG, false},
        {69, 0, CAUSE_NONE, false, ERR_CLASS_INFRA, false},
        {70, 0, CAUSE_NONE, false, ERR_CLASS_CODE, false},
        {71, 0, CAUSE_NONE, false, ERR_CLASS_INFRA, true},
        {74, 0, CAUSE_NONE, false, ERR_CLASS_INFRA, false},
        {75, 0, CAUSE_NONE, false, ERR_CLASS_EXTERNAL, false},
        {75, 0, CAUSE_TIMEOUT, false, ERR_CLASS_CONFIG, false},
        {3, 0, CAUSE_NONE, false, ERR_CLASS_CODE, false},
        {-1, SIGSEGV, CAUSE_NONE, false, ERR_CLASS_CODE, false},
        {-1, SIGABRT, CAUSE_NONE, false, ERR_CLASS_CODE, false},
        {-1, SIGKILL, CAUSE_NONE, false, ERR_CLASS_EXTERNAL, false},
        {-1, SIGKILL, CAUSE_TIMEOUT, false, ERR_CLASS_CONFIG, false},
        {-1, SIGKILL, CAUSE_MEMORY, false, ERR_CLASS_INFRA, true},
        {-1, SIGKILL, CAUSE_OOM, false, ERR_CLASS_INFRA, true},
        {-1, SIGKILL, CAUSE_STOPPED, false, ERR_CLASS_EXTERNAL, false},
        {-1, SIGTERM, CAUSE_NONE, false, ERR_CLASS_EXTERNAL, false},
        {-1, SIGKILL, CAUSE_CPU, false, ERR_CLASS_CONFIG, false},
        {71, 0, CAUSE_SPACE, false, ERR_CLASS_INFRA, true},
        {-1, SIGXCPU, CAUSE_NONE, false, ERR_CLASS_CONFIG, false},
        {-1, SIGXFSZ, CAUSE_NONE, false, ERR_CLASS_CONFIG, false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(row); i++) {
        struct proc_end end = {.exit_code = row[i].exit_code, .signal = row[i].signal};
        struct outcome o = outcome_of(&end, row[i].cause, row[i].has_result);
        if (o.class != row[i].want || o.is_oom != row[i].is_oom)
            fail_msg("row %zu: got %s, oom %d", i, err_class_name(o.class), o.is_oom);
    }
}

static void test_the_message_prefers_error_json_to_the_log(void **state)
{
    struct proc_end end = {.exit_code = 65};
    struct buf b = {0};

    (void)state;
    outcome_message(&b, &end, CAUSE_NONE, "k: too large", "last line");
    assert_string_equal(b.data, "exit code 65: k: too large");
    buf_reset(&b);
    outcome_message(&b, &end, CAUSE_NONE, NULL, "last line");
    assert_string_equal(b.data, "exit code 65: last line");
    buf_reset(&b);
    outcome_message(&b, &(struct proc_end){.exit_code = -1, .signal = SIGXCPU}, CAUSE_NONE, NULL, NULL);
    assert_non_null(strstr(b.data, "ulimit -t"));
    buf_reset(&b);
    outcome_message(&b, &(struct proc_end){.exit_code = -1, .signal = SIGKILL}, CAUSE_CPU, NULL, NULL);
    assert_non_null(strstr(b.data, "ulimit -t"));
    buf_reset(&b);
    outcome_message(&b, &(struct proc_end){.exit_code = 71}, CAUSE_SPACE, NULL, "out of memory: 9 bytes");
    assert_non_null(strstr(b.data, "ulimit -v); raise it, then saegrid requeue: out of memory: 9 bytes"));
    buf_free(&b);
}

static void test_a_log_keeps_its_first_and_last_half(void **state)
{
    char folder[] = "/tmp/saegrid-caplog-XXXXXX";
    struct buf path = {0}, text = {0};
    struct caplog l;

    (void)state;
    assert_non_null(mkdtemp(folder));
    buf_fmt(&path, "%s/log.txt", folder);
    assert_int_equal(caplog_open(&l, path.data, 20, NULL), ERR_OK);
    for (int i = 0; i < 10; i++)
        caplog_add(&l, "0123456\n9", 9);
    assert_string_equal(caplog_last(&l), "9");
    caplog_close(&l);
    caplog_close(&l);
    assert_int_equal(fs_read(path.data, 4096, &text, NULL), ERR_OK);
    assert_string_equal(text.data, "0123456\n90\n[... 70 bytes left out ...]\n90123456\n9");
    assert_int_equal(fs_remove_tree(folder, NULL), ERR_OK);
    buf_free(&path);
    buf_free(&text);
}

static void test_beats_come_every_third_of_a_term_and_silence_ends_it(void **state)
{
    struct lease l;

    (void)state;
    lease_start(&l, 1000, 3000);
    assert_false(lease_beat_due(&l, 1999));
    assert_true(lease_beat_due(&l, 2000));
    assert_false(lease_beat_due(&l, 2999));
    assert_true(lease_beat_due(&l, 3000));
    assert_false(lease_is_lost(&l, 10000));
    assert_true(lease_is_lost(&l, 10001));
    lease_heard(&l, 10001);
    assert_false(lease_is_lost(&l, 10002));
}

static void test_an_inline_mock_depends_on_its_seed_only(void **state)
{
    struct mock_inline a, b;

    (void)state;
    assert_int_equal(mock_inline(&a, "{\"knobs\": {\"seed\": 7}}", 1, NULL), ERR_OK);
    assert_int_equal(mock_inline(&b, "{\"knobs\": {\"seed\": 7, \"tag\": \"x\"}}", 9, NULL), ERR_OK);
    assert_string_equal(a.metrics.data, b.metrics.data);
    assert_int_equal(strncmp(a.metrics.data, "value=0.", 8), 0);
    mock_inline_free(&b);
    assert_int_equal(mock_inline(&b, "{\"knobs\": {\"seed\": 8}}", 1, NULL), ERR_OK);
    assert_string_not_equal(a.metrics.data, b.metrics.data);
    mock_inline_free(&a);
    mock_inline_free(&b);
}

static void test_an_inline_mock_fails_by_class_and_only_as_often_as_asked(void **state)
{
    struct mock_inline m;

    (void)state;
    assert_int_equal(mock_inline(&m, "{\"knobs\": {\"fail\": \"infra\", \"fail_times\": 2}}", 2, NULL), ERR_OK);
    assert_int_equal(m.class, ERR_CLASS_INFRA);
    mock_inline_free(&m);
    assert_int_equal(mock_inline(&m, "{\"knobs\": {\"fail\": \"infra\", \"fail_times\": 2}}", 3, NULL), ERR_OK);
    assert_int_equal(m.class, ERR_CLASS_NONE);
    mock_inline_free(&m);
    assert_int_not_equal(mock_inline(&m, "{\"knobs\": {\"sed\": 1}}", 1, NULL), ERR_OK);
    mock_inline_free(&m);
    assert_int_not_equal(mock_inline(&m, "nonsense", 1, NULL), ERR_OK);
    mock_inline_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ends_become_classes),
        cmocka_unit_test(test_the_message_prefers_error_json_to_the_log),
        cmocka_unit_test(test_a_log_keeps_its_first_and_last_half),
        cmocka_unit_test(test_beats_come_every_third_of_a_term_and_silence_ends_it),
        cmocka_unit_test(test_an_inline_mock_depends_on_its_seed_only),
        cmocka_unit_test(test_an_inline_mock_fails_by_class_and_only_as_often_as_asked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
