/* test_cfg.c - one text form for every value: canonical, bounded, and back. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "common/cfg.h"
#include "common/json.h"

#define ALL_FIELDS(X)                                                                              \
    X(I64, k, "32", 1, 4096, "features", "")                                                       \
    X(I64, seed, "0", 0, INT64_MAX, "", "")                                                        \
    X(I64, any, "0", 0, 0, "", "")                                                                 \
    X(F64, lr, "1e-3", 0, 10, "", "")                                                              \
    X(BOOL, flag, "false", 0, 0, "", "")                                                           \
    X(STR, tag, "", 0, 0, "", "")                                                                  \
    X(ENUM, arch, "topk", 0, 0, "topk|relu|linear", "")                                            \
    X(DUR, timeout, "2h", 0, 0, "s", "")                                                           \
    X(MEM, memory, "1G", 0, 0, "bytes", "")

struct all_cfg {
    ALL_FIELDS(CFG_MEMBER)
};
#define CFG_STRUCT all_cfg
static const struct cfg_field fields[] = {ALL_FIELDS(CFG_ROW)};

static const struct cfg_field *field(const char *name)
{
    const struct cfg_field *f = cfg_find(fields, ARRAY_LEN(fields), name);

    assert_non_null(f);
    return f;
}

static void canonical_text_has_one_spelling(void **state)
{
    static const struct {
        const char *name, *text, *canon;
    } rows[] = {
        {"k", "4", "4"},
        {"k", " 0x10 ", "16"},
        {"k", "0o17", "15"},
        {"k", "+7", "7"},
        {"k", "1e3", "1000"},
        {"k", "4.0", "4"},
        {"seed", "9223372036854775807", "9223372036854775807"},
        {"any", "-9223372036854775808", "-9223372036854775808"},
        {"lr", "1e-3", "0.001"},
        {"lr", "0.00100", "0.001"},
        {"lr", ".5", "0.5"},
        {"lr", "-0", "0"},
        {"lr", "0.1", "0.1"},
        {"flag", "True", "true"},
        {"flag", "FALSE", "false"},
        {"tag", " as is ", " as is "},
        {"tag", "", ""},
        {"tag", "na\xc3\xafve", "na\xc3\xafve"},
        {"arch", "relu", "relu"},
        {"timeout", "2h", "7200"},
        {"timeout", "30m", "1800"},
        {"timeout", "1.5s", "1.5"},
        {"timeout", "250ms", "0.25"},
        {"timeout", "1d", "86400"},
        {"memory", "512M", "536870912"},
        {"memory", "4G", "4294967296"},
        {"memory", "1KiB", "1024"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf b = {0}, again = {0};
        struct err e = {0};

        if (cfg_canon(field(rows[i].name), rows[i].text, &b, &e))
            fail_msg("%s = \"%s\": %s", rows[i].name, rows[i].text, e.text);
        assert_string_equal(b.data, rows[i].canon);
        assert_int_equal(cfg_canon(field(rows[i].name), b.data, &again, NULL), ERR_OK);
        assert_string_equal(again.data, b.data);
        buf_free(&b);
        buf_free(&again);
    }
}

static void bad_values_are_refused_with_what_is_allowed(void **state)
{
    static const struct {
        const char *name, *text, *error;
    } rows[] = {
        {"k", "0", "0 is outside [1, 4096]"},
        {"k", "4097", "4097 is outside [1, 4096]"},
        {"k", "8x", "expected an integer, got \"8x\""},
        {"k", "1.5", "expected an integer, got \"1.5\""},
        {"k", "", "expected integer, got \"\""},
        {"k", "1_000", "expected an integer, got \"1_000\""},
        {"k", "0x", "expected an integer, got \"0x\""},
        {"seed", "-1", "-1 is outside [0, 2^63 - 1]"},
        {"seed", "9223372036854775808", "expected an integer, got \"9223372036854775808\""},
        {"lr", "nan", "expected a finite number, got \"nan\""},
        {"lr", "inf", "expected a finite number, got \"inf\""},
        {"lr", "1e999", "expected a finite number, got \"1e999\""},
        {"lr", "0x1p3", "expected a finite number, got \"0x1p3\""},
        {"lr", "11", "11 is outside [0, 10]"},
        {"flag", "yes", "expected true or false, got \"yes\""},
        {"tag", "a\nb", "holds the control character 0x0a"},
        {"tag", "caf\xe9", "is not UTF-8 (byte 0xe9)"},
        {"tag", "\xc0\xaf", "is not UTF-8 (byte 0xc0)"},
        {"arch", "topq", "\"topq\" is not one of topk|relu|linear (did you mean topk?)"},
        {"arch", "batchtopk", "\"batchtopk\" is not one of topk|relu|linear"},
        {"arch", "", "\"\" is not one of topk|relu|linear"},
        {"arch", "topk|relu", "\"topk|relu\" is not one of topk|relu|linear"},
        {"timeout", "-1", "expected a duration such as 90, 30m, 2h, of at most 1e10 s, got \"-1\""},
        {"timeout", "1e300d",
         "expected a duration such as 90, 30m, 2h, of at most 1e10 s, got \"1e300d\""},
        {"timeout", "2 weeks", "expected a duration such as 90, 30m, 2h, of at most 1e10 s, got \"2 weeks\""},
        {"memory", "4Gb", "expected a size such as 512M, 4G, below 2^62 bytes, got \"4Gb\""},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf b = {0};
        struct err e = {0};

        if (cfg_canon(field(rows[i].name), rows[i].text, &b, &e) == ERR_OK)
            fail_msg("%s = \"%s\" was taken as %s", rows[i].name, rows[i].text, b.data);
        assert_string_equal(e.text, rows[i].error);
        buf_free(&b);
    }
}

static void defaults_are_recognised_in_any_spelling(void **state)
{
    (void)state;
    assert_true(cfg_is_default(field("lr"), "0.001"));
    assert_true(cfg_is_default(field("timeout"), "7200"));
    assert_true(cfg_is_default(field("memory"), "1073741824"));
    assert_true(cfg_is_default(field("tag"), ""));
    assert_false(cfg_is_default(field("k"), "33"));
}

static void a_struct_takes_text_and_gives_it_back(void **state)
{
    static const char json[] = "{\"k\": 64, \"seed\": \"9007199254740993\", \"lr\": 0.1, "
                               "\"flag\": true, \"tag\": \"x\", \"arch\": \"relu\", "
                               "\"timeout\": 90, \"memory\": \"2G\"}";
    static const char *const want[] = {"64", "9007199254740993", "0", "0.1", "true",
                                       "x", "relu", "90", "2147483648"};
    struct cfg_strings keep = {0};
    struct all_cfg c = {0};
    struct json *j;
    struct err e = {0};

    (void)state;
    assert_int_equal(json_parse(json, strlen(json), &j, &e), ERR_OK);
    assert_int_equal(cfg_from_json(fields, ARRAY_LEN(fields), &c, j, &keep, &e), ERR_OK);
    assert_int_equal(c.seed, 9007199254740993LL);
    assert_true(c.lr == 0.1);
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        struct buf b = {0};

        cfg_text(&fields[i], &c, &b);
        assert_string_equal(b.data, want[i]);
        buf_free(&b);
    }
    json_free(j);
    cfg_free(&keep);
}

static void defaults_fill_a_struct(void **state)
{
    struct cfg_strings keep = {0};
    struct all_cfg c = {0};

    (void)state;
    assert_int_equal(cfg_defaults(fields, ARRAY_LEN(fields), &c, &keep, NULL), ERR_OK);
    assert_int_equal(c.k, 32);
    assert_true(c.timeout == 7200);
    assert_string_equal(c.arch, "topk");
    cfg_free(&keep);
}

static void unknown_json_keys_name_the_nearest(void **state)
{
    static const char json[] = "{\"sead\": 1}";
    struct cfg_strings keep = {0};
    struct all_cfg c = {0};
    struct json *j;
    struct err e = {0};

    (void)state;
    assert_int_equal(json_parse(json, strlen(json), &j, &e), ERR_OK);
    assert_int_equal(cfg_from_json(fields, ARRAY_LEN(fields), &c, j, &keep, &e), ERR_INVALID);
    assert_string_equal(e.text, "sead: unknown knob (did you mean seed?)");
    json_free(j);
    cfg_free(&keep);
}

static void json_values_are_typed(void **state)
{
    struct buf b = {0};

    (void)state;
    cfg_json_value(field("k"), "4", &b);
    buf_char(&b, ' ');
    cfg_json_value(field("flag"), "true", &b);
    buf_char(&b, ' ');
    cfg_json_value(field("tag"), "a\"b", &b);
    buf_char(&b, ' ');
    cfg_json_value(field("arch"), "relu", &b);
    assert_string_equal(b.data, "4 true \"a\\\"b\" \"relu\"");
    buf_free(&b);
}

static void edit_distance_counts_a_swap_once(void **state)
{
    (void)state;
    assert_int_equal(text_distance("seed", "seed"), 0);
    assert_int_equal(text_distance("seed", "sede"), 1);
    assert_int_equal(text_distance("seed", "sed"), 1);
    assert_int_equal(text_distance("", "abc"), 3);
    assert_int_equal(text_distance("kitten", "sitting"), 3);
    assert_null(cfg_nearest(fields, ARRAY_LEN(fields), NULL, "entirely_else"));
    assert_string_equal(cfg_nearest(fields, ARRAY_LEN(fields), NULL, "timout"), "timeout");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(canonical_text_has_one_spelling),
        cmocka_unit_test(bad_values_are_refused_with_what_is_allowed),
        cmocka_unit_test(defaults_are_recognised_in_any_spelling),
        cmocka_unit_test(a_struct_takes_text_and_gives_it_back),
        cmocka_unit_test(defaults_fill_a_struct),
        cmocka_unit_test(unknown_json_keys_name_the_nearest),
        cmocka_unit_test(json_values_are_typed),
        cmocka_unit_test(edit_distance_counts_a_swap_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
