/* test_err.c - error codes, classes and wrapped texts. */
#include "tests/lib/check.h"

#include <errno.h>

static void test_every_code_has_name_class_and_exit_code(void **state)
{
    (void)state;
    assert_string_equal(err_name(ERR_OK), "OK");
    assert_int_equal(err_exit_code(ERR_OK), 0);
    for (enum err_code c = ERR_USAGE; c < ERR_CODE_COUNT; c++) {
        enum err_class class;

        assert_true(strlen(err_name(c)) > 1);
        assert_true(err_class(c) != ERR_CLASS_NONE);
        assert_true(err_class_parse(err_class_name(err_class(c)), &class));
        assert_int_equal(class, err_class(c));
        if (c != ERR_DIVERGED) /* a result, so the program succeeds */
            assert_in_range(err_exit_code(c), 64, 78);
    }
    assert_int_equal(err_class(ERR_NO_SPACE), ERR_CLASS_INFRA);
    assert_int_equal(err_class(ERR_INVALID), ERR_CLASS_CONFIG);
    assert_int_equal(err_class(ERR_DIVERGED), ERR_CLASS_SCIENCE);
}

static void test_unknown_class_is_refused(void **state)
{
    enum err_class c = ERR_CLASS_CODE;

    (void)state;
    assert_false(err_class_parse("weather", &c));
    assert_false(err_class_parse("", &c));
    assert_int_equal(c, ERR_CLASS_CODE);
}

static void test_errno_picks_the_code_and_says_why(void **state)
{
    const struct {
        int errnum;
        enum err_code want;
    } row[] = {{ENOSPC, ERR_NO_SPACE},  {EDQUOT, ERR_NO_SPACE},   {ENOMEM, ERR_NOMEM},
               {ENOENT, ERR_NOT_FOUND}, {ENOTDIR, ERR_NOT_FOUND}, {EACCES, ERR_IO}};
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(row); i++) {
        assert_int_equal(err_errno(&e, row[i].errnum, "open %s", "a.txt"), row[i].want);
        assert_int_equal(e.code, row[i].want);
        assert_has(e.text, "open a.txt: ");
        assert_has(e.text, strerror(row[i].errnum));
        assert_int_equal(err_errno(NULL, row[i].errnum, "open"), row[i].want);
    }
}

static void test_wrap_puts_context_in_front_and_keeps_the_code(void **state)
{
    struct err e;

    (void)state;
    assert_int_equal(err_set(&e, ERR_INVALID, "k: %d is odd", 3), ERR_INVALID);
    assert_int_equal(err_wrap(&e, "job %d", 7), ERR_INVALID);
    assert_string_equal(e.text, "job 7: k: 3 is odd");
}

static void test_wrapping_a_long_text_keeps_the_start_of_the_cause(void **state)
{
    char context[2000];
    struct err e;

    (void)state;
    memset(context, 'c', sizeof context - 1);
    context[sizeof context - 1] = '\0';
    err_set(&e, ERR_IO, "the cause");
    for (int i = 0; i < 3; i++)
        err_wrap(&e, "%s", context);
    assert_true(strlen(e.text) < sizeof e.text);
    err_set(&e, ERR_IO, "the cause");
    err_wrap(&e, "%s", context);
    assert_has(e.text, ": the cause");
}

static void test_null_error_drops_the_text_only(void **state)
{
    (void)state;
    assert_int_equal(err_set(NULL, ERR_BUSY, "x"), ERR_BUSY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_code_has_name_class_and_exit_code),
        cmocka_unit_test(test_unknown_class_is_refused),
        cmocka_unit_test(test_errno_picks_the_code_and_says_why),
        cmocka_unit_test(test_wrap_puts_context_in_front_and_keeps_the_code),
        cmocka_unit_test(test_wrapping_a_long_text_keeps_the_start_of_the_cause),
        cmocka_unit_test(test_null_error_drops_the_text_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
