/* test_proto.c - what is sent is what is read; anything else is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/proto.h"
#include "common/rng.h"

static int64_t draw_i64(struct rng *r)
{
    return (int64_t)rng_u64(r);
}

static double draw_f64(struct rng *r)
{
    return rng_normal(r) * 1e9;
}

static const char *draw_str(struct rng *r)
{
    static const char *const texts[] = {"", "a", "two words", "\"quoted\"\n\xc3\xa9", "{\"k\": 4}"};

    return texts[rng_below(r, 5)];
}

static void draw(struct rng *r, struct msg *m, enum msg_type type)
{
    memset(m, 0, sizeof *m);
    m->type = type;
    switch (type) {
#define I64(f) d->f = draw_i64(r);
#define F64(f) d->f = draw_f64(r);
#define STR(f) d->f = draw_str(r);
#define MSG(name, fields)                                                                          \
    case MSG_##name: {                                                                             \
        struct msg_##name *d = &m->u.name;                                                         \
        fields                                                                                     \
    } break;
#include "common/proto.def"
#undef MSG
#undef I64
#undef F64
#undef STR
    default:
        break;
    }
}

static void test_every_message_reads_back_the_same(void **state)
{
    struct rng r = rng_stream(1, "test.proto");
    struct buf data = {0}, a = {0}, b = {0}, again = {0};
    struct msg m, got;
    bool has_one;

    (void)state;
    for (int round = 0; round < 50; round++) {
        for (int t = MSG_NONE + 1; t < MSG_TYPE_COUNT; t++) {
            draw(&r, &m, (enum msg_type)t);
            buf_reset(&data);
            buf_reset(&again);
            buf_reset(&a);
            buf_reset(&b);
            proto_add(&data, &m);
            struct proto_reader reader = proto_read(data.data, data.len);
            assert_int_equal(proto_next(&reader, &got, &has_one, NULL), ERR_OK);
            assert_true(has_one);
            proto_add(&again, &got);
            assert_int_equal(again.len, data.len);
            assert_memory_equal(again.data, data.data, data.len);
            proto_print(&a, &m);
            proto_print(&b, &got);
            assert_string_equal(a.data, b.data);
            assert_int_equal(proto_next(&reader, &got, &has_one, NULL), ERR_OK);
            assert_false(has_one);
        }
    }
    buf_free(&data);
    buf_free(&again);
    buf_free(&a);
    buf_free(&b);
}

static void test_every_truncation_is_refused(void **state)
{
    struct rng r = rng_stream(2, "test.proto");
    struct err e;
    struct msg m;
    bool has_one;

    (void)state;
    for (int t = MSG_NONE + 1; t < MSG_TYPE_COUNT; t++) {
        struct buf data = {0};
        draw(&r, &m, (enum msg_type)t);
        proto_add(&data, &m);
        for (size_t n = 1; n < data.len; n++) {
            char *exact = malloc(n); /* so that a read past the end is seen */
            memcpy(exact, data.data, n);
            struct proto_reader reader = proto_read(exact, n);
            assert_int_equal(proto_next(&reader, &m, &has_one, &e), ERR_INVALID);
            assert_false(has_one);
            assert_ptr_equal(reader.at, exact);
            free(exact);
        }
        buf_free(&data);
    }
}

static void test_damaged_bytes_never_read_past_the_end(void **state)
{
    struct rng r = rng_stream(3, "test.proto");
    struct msg m;
    bool has_one;

    (void)state;
    for (int i = 0; i < 20000; i++) {
        struct buf data = {0};
        draw(&r, &m, (enum msg_type)(1 + rng_below(&r, MSG_TYPE_COUNT - 1)));
        proto_add(&data, &m);
        data.data[rng_below(&r, data.len)] ^= (char)(1 << rng_below(&r, 8));
        struct proto_reader reader = proto_read(data.data, data.len);
        while (proto_next(&reader, &m, &has_one, NULL) == ERR_OK && has_one) {
        }
        buf_free(&data);
    }
}

static void test_a_string_is_cut_at_its_limit(void **state)
{
    char *text = malloc(PROTO_STR_MAX + 10);
    struct buf data = {0};
    struct msg m = {.type = MSG_RESULT}, got;
    bool has_one;

    (void)state;
    memset(text, 'x', PROTO_STR_MAX + 9);
    text[PROTO_STR_MAX + 9] = '\0';
    m.u.RESULT.message = text;
    proto_add(&data, &m);
    struct proto_reader r = proto_read(data.data, data.len);
    assert_int_equal(proto_next(&r, &got, &has_one, NULL), ERR_OK);
    assert_int_equal(strlen(got.u.RESULT.message), PROTO_STR_MAX);
    buf_free(&data);
    free(text);
}

static void test_held_lists_read_back_and_stop_at_nonsense(void **state)
{
    struct buf b = {0};
    const char *at;
    int64_t job, epoch;

    (void)state;
    proto_held_add(&b, 7, 1);
    proto_held_add(&b, 123456789012, 3);
    at = b.data;
    assert_true(proto_held_next(&at, &job, &epoch));
    assert_int_equal(job, 7);
    assert_true(proto_held_next(&at, &job, &epoch));
    assert_int_equal(job, 123456789012);
    assert_int_equal(epoch, 3);
    assert_false(proto_held_next(&at, &job, &epoch));
    at = "7:x 8:1";
    assert_false(proto_held_next(&at, &job, &epoch));
    at = NULL;
    assert_false(proto_held_next(&at, &job, &epoch));
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_message_reads_back_the_same),
        cmocka_unit_test(test_every_truncation_is_refused),
        cmocka_unit_test(test_damaged_bytes_never_read_past_the_end),
        cmocka_unit_test(test_a_string_is_cut_at_its_limit),
        cmocka_unit_test(test_held_lists_read_back_and_stop_at_nonsense),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
