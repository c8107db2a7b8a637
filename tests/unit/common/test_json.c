/* test_json.c - strict reading, exact numbers, and the writer. */
#include "tests/lib/check.h"
#include "tests/lib/tmpdir.h"

#include "common/fs.h"
#include "common/json.h"
#include "common/rng.h"

static struct json *parse(const char *text)
{
    struct json *j;
    struct err e;

    assert_ok(json_parse(text, strlen(text), &j, &e), e);
    return j;
}

static void test_values_of_every_type_are_read(void **state)
{
    struct json *j =
        parse(" {\"a\": [1, -2.5, \"x\\u00e9\\n\"], \"b\": true, \"B\": null,\n \"o\": {}} ");
    const struct json *a = json_get(j, "a"), *item = json_first(a);
    bool b = false;
    int64_t i;
    double d;

    (void)state;
    assert_true(json_is_object(j) && json_is_array(a));
    assert_int_equal(json_len(a), 3);
    assert_true(json_i64(item, &i) && i == 1);
    item = json_next(item);
    assert_true(json_f64(item, &d) && d == -2.5);
    assert_false(json_i64(item, &i));
    assert_null(json_str(item));
    item = json_next(item);
    assert_string_equal(json_str(item), "x\xc3\xa9\n");
    assert_false(json_f64(item, &d));
    assert_null(json_next(item));
    assert_true(json_bool(json_get(j, "b"), &b) && b);
    assert_true(json_is_null(json_get(j, "B"))); /* keys are case-sensitive */
    assert_string_equal(json_key(json_get(j, "o")), "o");
    assert_null(json_first(json_get(j, "o")));
    json_free(j);
}

static void test_absent_members_are_harmless(void **state)
{
    struct json *j = parse("{}");
    const struct json *none = json_get(j, "x");
    int64_t i;
    double d;
    bool b;

    (void)state;
    assert_null(none);
    assert_null(json_get(none, "y"));
    assert_null(json_first(none));
    assert_null(json_next(none));
    assert_null(json_str(none));
    assert_false(json_i64(none, &i) || json_f64(none, &d) || json_bool(none, &b));
    assert_false(json_is_null(none) || json_is_object(none) || json_is_array(none));
    assert_int_equal(json_len(none), 0);
    json_free(j);
}

static void test_64_bit_integers_survive(void **state)
{
    struct json *j = parse("[9223372036854775807, -9223372036854775808, 9007199254740993,"
                           "\"9223372036854775807\", 9223372036854775808, 1e3, 5.0, 1e17, 1.5, "
                           "\"12x\", \" 1\", \"\"]");
    const int64_t want[] = {INT64_MAX, INT64_MIN, 9007199254740993, INT64_MAX, 0, 1000, 5};
    const bool is_int[] = {true, true,  true,  true,  false, true,
                           true, false, false, false, false, false};
    const struct json *v = json_first(j);

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(is_int); i++, v = json_next(v)) {
        int64_t got;

        assert_int_equal(json_i64(v, &got), is_int[i]);
        if (is_int[i])
            assert_true(got == want[i]);
    }
    json_free(j);
}

static void test_numbers_longer_than_any_buffer(void **state)
{
    char text[400] = "0.";
    struct json *j;
    double d;

    (void)state;
    memset(text + 2, '0', 300);
    strcpy(text + 302, "123e300");
    j = parse(text);
    assert_true(json_f64(j, &d));
    assert_near(d, 0.123, 1e-15);
    json_free(j);
    j = parse("1e999");
    assert_false(json_f64(j, &d));
    json_free(j);
}

static void test_what_is_not_json_is_refused_with_its_place(void **state)
{
    const struct {
        const char *text, *part;
    } row[] = {
        {"", "1:1"},
        {"  ", "ends too early"},
        {"{} x", "1:4: JSON: more text"},
        {"[1,]", "after ','"},
        {"{\"a\":1,}", "after ','"},
        {"{\n \"a\" 1}", "2:6: JSON: ':'"},
        {"{a:1}", "quoted key"},
        {"[1 2]", "',' or ']'"},
        {"[01]", "start with 0"},
        {"[1.]", "decimal point"},
        {"[1.e5]", "decimal point"},
        {"[1e]", "exponent"},
        {"[+1]", "value"},
        {"[.5]", "value"},
        {"[NaN]", "value"},
        {"[nul]", "value"},
        {"\"a", "no end"},
        {"\"a\\", "escape"},
        {"\"\\x\"", "escape"},
        {"\"\\u12g4\"", "hexadecimal"},
        {"\"\\u0000\"", "\\u0000"},
        {"\"\\ud800x\"", "surrogate"},
        {"\"\\udc00\"", "surrogate"},
        {"\"a\tb\"", "control"},
        {"\"\xff\"", "UTF-8"},
        {"\"\xc0\xaf\"", "UTF-8"},
        {"\"\xed\xa0\x80\"", "UTF-8"},
        {"\"\xe2\x82\"", "UTF-8"},
        {"{\"a\":1,\"\\u0061\":2}", "twice"},
        {"[[{\"k\":[{\"a\":1,\"a\":2}]}]]", "twice"},
        {"[", "too early"},
        {"[1", "',' or ']'"},
        {"{\"a\"", "':'"},
    };
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(row); i++) {
        struct json *j = NULL;
        /* an exact copy, so that a read past the end shows under the sanitizer */
        size_t n = strlen(row[i].text);
        char *copy = malloc(n + 1);

        memcpy(copy, row[i].text, n);
        assert_fails(json_parse(copy, n, &j, &e), ERR_INVALID, e, row[i].part);
        assert_null(j);
        free(copy);
    }
}

static void test_every_truncation_and_every_flipped_byte_is_handled(void **state)
{
    const char text[] =
        "{\"a\":[1,-2.5e3,true,null],\"b\":{\"c\":\"\\ud83d\\ude00\xc3\xa9\"},\"d\":\"x\"}";
    size_t n = sizeof text - 1;
    struct json *j;

    (void)state;
    for (size_t cut = 0; cut < n; cut++) {
        char *copy = malloc(cut ? cut : 1);

        memcpy(copy, text, cut);
        assert_int_equal(json_parse(copy, cut, &j, NULL), ERR_INVALID);
        free(copy);
    }
    for (size_t i = 0; i < n; i++) {
        for (int c = 0; c < 256; c++) {
            char *copy = malloc(n);

            memcpy(copy, text, n);
            copy[i] = (char)c;
            if (json_parse(copy, n, &j, NULL) == ERR_OK)
                json_free(j);
            else
                assert_null(j);
            free(copy);
        }
    }
}

static void test_depth_64_is_read_and_65_refused(void **state)
{
    char text[131];
    struct json *j;
    struct err e;

    (void)state;
    memset(text, '[', 65);
    memset(text + 65, ']', 65);
    assert_ok(json_parse(text + 1, 128, &j, &e), e);
    json_free(j);
    assert_fails(json_parse(text, 130, &j, &e), ERR_INVALID, e, "64 deep");
}

static void test_a_file_error_names_the_file(void **state)
{
    char *dir = tmpdir_make(), *path = tmpdir_path(dir, "bad.json");
    struct json *j;
    struct err e;

    (void)state;
    assert_ok(fs_replace(path, "{\"a\": 7}", 8, &e), e);
    assert_ok(json_read(path, 100, &j, &e), e);
    json_free(j);
    assert_fails(json_read(path, 7, &j, &e), ERR_INVALID, e, "limit of 7");
    assert_ok(fs_replace(path, "{\n", 2, &e), e);
    assert_fails(json_read(path, 100, &j, &e), ERR_INVALID, e, "bad.json: 2:1: JSON");
    assert_ok(fs_replace(path, "", 0, &e), e);
    assert_fails(json_read(path, 100, &j, &e), ERR_INVALID, e, "bad.json: 1:1");
    assert_fails(json_read(dir, 100, &j, &e), ERR_INVALID, e, "folder");
    free(path);
    tmpdir_remove(dir);
}

static void write_sample(struct jsonw *w)
{
    jw_open(w, '{');
    jw_key(w, "a");
    jw_open(w, '[');
    jw_i64(w, INT64_MIN);
    jw_f64(w, 0.1);
    jw_f64(w, NAN);
    jw_f64(w, -INFINITY);
    jw_bool(w, true);
    jw_null(w);
    jw_close(w, ']');
    jw_key(w, "e");
    jw_open(w, '{');
    jw_close(w, '}');
    jw_key(w, "s\"");
    jw_str(w, "x\n");
    jw_key(w, "n");
    jw_str(w, NULL);
    jw_key(w, "r");
    jw_raw(w, "[1]");
    jw_close(w, '}');
}

static void test_writer_puts_commas_and_null_for_nan(void **state)
{
    struct buf b = {0};
    struct jsonw w;

    (void)state;
    jw_init(&w, &b, false);
    write_sample(&w);
    assert_string_equal(b.data, "{\"a\":[-9223372036854775808,0.1,null,null,true,null],\"e\":{},"
                                "\"s\\\"\":\"x\\n\",\"n\":null,\"r\":[1]}");
    buf_reset(&b);
    jw_init(&w, &b, true);
    write_sample(&w);
    assert_has(b.data, "{\n  \"a\": [\n    -9223372036854775808,\n    0.1,");
    assert_has(b.data, "\n  ],\n  \"e\": {},\n");
    json_free(parse(b.data));
    buf_free(&b);
}

static void test_written_doubles_read_back_bit_for_bit(void **state)
{
    struct rng r = rng_stream(2, "json");
    struct buf b = {0};
    struct jsonw w;
    double x[2000], got;

    (void)state;
    jw_init(&w, &b, false);
    jw_open(&w, '[');
    for (size_t i = 0; i < ARRAY_LEN(x); i++) {
        x[i] = rng_normal(&r) * exp(20 * rng_normal(&r));
        jw_f64(&w, x[i]);
    }
    jw_close(&w, ']');
    struct json *j = parse(b.data);
    const struct json *v = json_first(j);
    for (size_t i = 0; i < ARRAY_LEN(x); i++, v = json_next(v)) {
        assert_true(json_f64(v, &got));
        assert_memory_equal(&got, &x[i], sizeof got);
    }
    json_free(j);
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_of_every_type_are_read),
        cmocka_unit_test(test_absent_members_are_harmless),
        cmocka_unit_test(test_64_bit_integers_survive),
        cmocka_unit_test(test_numbers_longer_than_any_buffer),
        cmocka_unit_test(test_what_is_not_json_is_refused_with_its_place),
        cmocka_unit_test(test_every_truncation_and_every_flipped_byte_is_handled),
        cmocka_unit_test(test_depth_64_is_read_and_65_refused),
        cmocka_unit_test(test_a_file_error_names_the_file),
        cmocka_unit_test(test_writer_puts_commas_and_null_for_nan),
        cmocka_unit_test(test_written_doubles_read_back_bit_for_bit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
