/* test_opts.c - the option table: what is accepted, what is refused, what the help shows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "coordinator/opts.h"

struct values {
    bool json, quiet;
    int64_t jobs;
    double lr, timeout;
    const char *results;
    struct opts_list sets;
};

static enum err_code parse(struct values *v, struct opts_args *a, struct err *e, int argc, char **argv)
{
    const struct opt rows[] = {
        OPT_I64("jobs", 'j', &v->jobs, "N", "agents"),
        OPT_LIST("set", 0, &v->sets, "K=V", "override"),
        OPT_FLAG("quiet", 'q', &v->quiet, "no progress"),
        OPT_F64("lr", 0, &v->lr, "X", "rate"),
        OPT_DUR("timeout", 't', &v->timeout, "TIME", "limit"),
        OPT_JSON(&v->json),
        OPT_RESULTS(&v->results),
    };
    const struct opts_cmd cmd = {"run", "SPEC", "Run.", rows, ARRAY_LEN(rows), 1, 1};

    return opts_parse(&cmd, argc, argv, a, e);
}

#define PARSE(v, a, e, ...)                                                                        \
    parse(v, a, e, (int)ARRAY_LEN(((char *[]){__VA_ARGS__})), (char *[]){__VA_ARGS__})

static void test_every_form_is_accepted(void **state)
{
    struct values v = {.lr = 0.5};
    struct opts_args a;
    struct err e = {0};

    (void)state;
    assert_int_equal(PARSE(&v, &a, &e, "run", "-j4", "--set", "a=1", "x.yaml", "--set=b=2", "--json",
                           "-qt", "2h", "--results=/tmp/r"), ERR_OK);
    assert_int_equal(v.jobs, 4);
    assert_int_equal(v.sets.n, 2);
    assert_string_equal(v.sets.v[0], "a=1");
    assert_string_equal(v.sets.v[1], "b=2");
    assert_true(v.json && v.quiet);
    assert_true(v.timeout == 7200 && v.lr == 0.5);
    assert_string_equal(v.results, "/tmp/r");
    assert_int_equal(a.n, 1);
    assert_string_equal(a.v[0], "x.yaml");
    opts_free(&a);
    opts_list_free(&v.sets);
}

static void test_double_dash_ends_options(void **state)
{
    struct values v = {0};
    struct opts_args a;
    struct err e = {0};

    (void)state;
    assert_int_equal(PARSE(&v, &a, &e, "run", "--", "--json"), ERR_OK);
    assert_string_equal(a.v[0], "--json");
    assert_false(v.json);
    opts_free(&a);
}

static void test_errors_name_the_option(void **state)
{
    static const struct {
        const char *arg, *arg2, *want;
    } row[] = {
        {"--jbos", "1", "did you mean --jobs"},  {"--jobs", "x", "--jobs: \"x\" is not a whole number"},
        {"--jobs", NULL, "--jobs: needs a value"}, {"--json=1", NULL, "--json: takes no value"},
        {"--timeout", "2y", "is not a time"},    {"--lr", "nan", "is not a number"},
        {"-z", NULL, "-z: unknown option"},      {"--jobs", "99999999999999999999", "whole number"},
        {"one", "two", "two: unexpected argument"},
    };
    struct values v = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(row); i++) {
        char *argv[] = {"run", (char *)row[i].arg, (char *)row[i].arg2};
        struct opts_args a;
        struct err e = {0};

        assert_int_equal(parse(&v, &a, &e, row[i].arg2 ? 3 : 2, argv), ERR_USAGE);
        if (!strstr(e.text, row[i].want))
            fail_msg("%s: \"%s\" lacks \"%s\"", row[i].arg, e.text, row[i].want);
    }
}

static void test_missing_argument_is_an_error_and_help_wins(void **state)
{
    struct values v = {0};
    struct opts_args a;
    struct err e = {0};

    (void)state;
    assert_int_equal(PARSE(&v, &a, &e, "run"), ERR_USAGE);
    assert_non_null(strstr(e.text, "saegrid run SPEC"));
    assert_int_equal(PARSE(&v, &a, &e, "run", "--nonsense", "--help"), ERR_OK);
    assert_true(a.want_help);
}

static void test_help_shows_every_row(void **state)
{
    bool json = false;
    const struct opt rows[] = {OPT_JSON(&json), {"long-name", 'l', OPT_TYPE_STR, NULL, "WITH_A_LONG_ARG", "text"}};
    const struct opts_cmd cmd = {"x", "[A]", "Does x.", rows, 2, 0, 1};
    struct buf b = {0};

    (void)state;
    opts_help(&cmd, &b);
    assert_non_null(strstr(b.data, "usage: saegrid x [options] [A]\n"));
    assert_non_null(strstr(b.data, "Does x."));
    assert_non_null(strstr(b.data, "      --json                print JSON\n"));
    assert_non_null(strstr(b.data, "-l, --long-name WITH_A_LONG_ARG\n"));
    assert_non_null(strstr(b.data, "-h, --help"));
    buf_free(&b);
}

static void test_durations(void **state)
{
    static const struct {
        const char *text;
        double want;
    } row[] = {{"90", 90}, {"1.5m", 90}, {"250ms", 0.25}, {"2h", 7200}, {"1d", 86400}, {"0", 0}};
    double s;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(row); i++) {
        assert_true(opts_duration(row[i].text, &s));
        assert_true(s == row[i].want);
    }
    assert_false(opts_duration("", &s));
    assert_false(opts_duration("-1s", &s));
    assert_false(opts_duration("1w", &s));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_form_is_accepted),
        cmocka_unit_test(test_double_dash_ends_options),
        cmocka_unit_test(test_errors_name_the_option),
        cmocka_unit_test(test_missing_argument_is_an_error_and_help_wins),
        cmocka_unit_test(test_help_shows_every_row),
        cmocka_unit_test(test_durations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
