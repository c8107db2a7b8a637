/* test_buf.c - the string builder and number texts. */
#include "tests/lib/check.h"

#include "common/buf.h"
#include "common/rng.h"

static void test_pieces_add_up_and_stay_terminated(void **state)
{
    struct buf b = {0};

    (void)state;
    buf_str(&b, "a");
    buf_char(&b, 'b');
    buf_add(&b, "cd\0e", 4);
    buf_fmt(&b, "%d-%s", 12, "x");
    assert_int_equal(b.len, 10);
    assert_memory_equal(b.data, "abcd\0e12-x", 11);
    buf_reset(&b);
    assert_string_equal(b.data, "");
    for (int i = 0; i < 10000; i++)
        buf_fmt(&b, "%d,", i % 10);
    assert_int_equal(b.len, 20000);
    assert_int_equal(strlen(b.data), 20000);
    buf_free(&b);
    assert_null(b.data);
}

static void test_stealing_an_empty_buffer_gives_an_empty_string(void **state)
{
    struct buf b = {0};
    char *s = buf_steal(&b);

    (void)state;
    assert_string_equal(s, "");
    assert_null(b.data);
    free(s);
}

static void test_doubles_read_back_to_the_same_bits(void **state)
{
    struct rng r = rng_stream(1, "test");
    char text[32];

    (void)state;
    for (int i = 0; i < 20000; i++) {
        uint64_t bits = rng_u64(&r);
        double v;

        memcpy(&v, &bits, sizeof v);
        if (i % 2)
            v = rng_f64(&r);
        if (!isfinite(v))
            continue;
        double back = strtod(f64_text(text, v), NULL);
        assert_memory_equal(&back, &v, sizeof v);
    }
}

static void test_doubles_are_short(void **state)
{
    const struct {
        double v;
        const char *text;
    } row[] = {{0.1, "0.1"}, {3e-4, "0.0003"},  {-0.0, "0"},
               {1, "1"},     {1e100, "1e+100"}, {0.1 + 0.2, "0.30000000000000004"},
               {113, "113"}};
    char text[32];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(row); i++)
        assert_string_equal(f64_text(text, row[i].v), row[i].text);
}

static void test_json_strings_are_escaped(void **state)
{
    struct buf b = {0};

    (void)state;
    buf_json(&b, "a\"b\\c\n\t\x01\xc3\xa9");
    assert_string_equal(b.data, "\"a\\\"b\\\\c\\n\\t\\u0001\xc3\xa9\"");
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces_add_up_and_stay_terminated),
        cmocka_unit_test(test_stealing_an_empty_buffer_gives_an_empty_string),
        cmocka_unit_test(test_doubles_read_back_to_the_same_bits),
        cmocka_unit_test(test_doubles_are_short),
        cmocka_unit_test(test_json_strings_are_escaped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
