/* test_proto.c - messages survive the wire; what is malformed is refused and moves nothing. */
#include "tests/lib/check.h"

#include <stdio.h>

#include "common/proto.h"
#include "common/rng.h"

enum { SEED = 77 };

/* Fields of every type at random; texts live in `text`. */
#define I64(f) p->f = (int64_t)rng_u64(r) >> rng_below(r, 64);
#define F64(f) p->f = rng_normal(r) * 1e10;
#define STR(f) p->f = text + rng_below(r, 64);
#define MSG(name, fields)                                                                          \
    static void fill_##name(struct msg_##name *p, struct rng *r, const char *text)                 \
    {                                                                                              \
        (void)text;                                                                                \
        fields                                                                                     \
    }
#include "common/proto.def"
#undef MSG
#undef I64
#undef F64
#undef STR

#define I64(f) assert_true(a->f == b->f);
#define F64(f) assert_memory_equal(&a->f, &b->f, sizeof a->f);
#define STR(f) assert_string_equal(a->f, b->f);
#define MSG(name, fields)                                                                          \
    static void same_##name(const struct msg_##name *a, const struct msg_##name *b)                \
    {                                                                                              \
        fields                                                                                     \
    }
#include "common/proto.def"
#undef MSG
#undef I64
#undef F64
#undef STR

static void fill(struct msg *m, enum msg_type t, struct rng *r, const char *text)
{
    memset(m, 0, sizeof *m);
    m->type = t;
    switch (t) {
#define MSG(name, fields)                                                                          \
    case MSG_##name:                                                                               \
        fill_##name(&m->u.name, r, text);                                                          \
        break;
#include "common/proto.def"
#undef MSG
    default:
        break;
    }
}

static void same(const struct msg *a, const struct msg *b)
{
    assert_int_equal(a->type, b->type);
    switch (a->type) {
#define MSG(name, fields)                                                                          \
    case MSG_##name:                                                                               \
        same_##name(&a->u.name, &b->u.name);                                                       \
        break;
#include "common/proto.def"
#undef MSG
    default:
        break;
    }
}

static const char text[65] = "one \"two\"\t\xc3\xa9 three four five six seven eight nine ten";

static void test_every_message_is_the_same_after_the_wire(void **state)
{
    struct rng r = rng_stream(SEED, "trip");
    struct msg sent[MSG_TYPE_COUNT], got;
    struct err e;
    bool has_one;

    (void)state;
    for (int round = 0; round < 200; round++) {
        struct buf b = {0};
        for (int t = MSG_NONE + 1; t < MSG_TYPE_COUNT; t++) {
            fill(&sent[t], (enum msg_type)t, &r, text);
            proto_add(&b, &sent[t]);
        }
        struct proto_reader reader = proto_read(b.data, b.len);
        for (int t = MSG_NONE + 1; t < MSG_TYPE_COUNT; t++) {
            assert_ok(proto_next(&reader, &got, &has_one, &e), e);
            assert_true(has_one);
            same(&sent[t], &got);
        }
        assert_ok(proto_next(&reader, &got, &has_one, &e), e);
        assert_false(has_one);
        buf_free(&b);
    }
}

static void test_a_cut_datagram_gives_its_whole_records_then_an_error(void **state)
{
    struct rng r = rng_stream(SEED, "cut");

    (void)state;
    for (int t = MSG_NONE + 1; t < MSG_TYPE_COUNT; t++) {
        struct buf b = {0};
        struct msg m, got;
        struct err e;
        bool has_one;
        fill(&m, (enum msg_type)t, &r, text);
        proto_add(&b, &m);
        for (size_t n = 1; n < b.len; n++) {
            char *exact = malloc(n); /* so that reading beyond it is noticed */
            memcpy(exact, b.data, n);
            struct proto_reader reader = proto_read(exact, n);
            const uint8_t *at = reader.at;
            assert_fails(proto_next(&reader, &got, &has_one, &e), ERR_INVALID, e, "message: ");
            assert_false(has_one);
            assert_ptr_equal(reader.at, at);
            free(exact);
        }
        buf_free(&b);
    }
}

static void test_damaged_datagrams_never_crash_or_leave_the_buffer(void **state)
{
    struct rng r = rng_stream(SEED, "damage");
    long n_refused = 0;

    (void)state;
    for (int i = 0; i < 20000; i++) {
        struct buf b = {0};
        struct msg m, got;
        struct err e;
        bool has_one = true;
        fill(&m, (enum msg_type)(1 + rng_below(&r, MSG_TYPE_COUNT - 1)), &r, text);
        proto_add(&b, &m);
        for (uint64_t k = rng_below(&r, 4); k-- > 0;)
            b.data[rng_below(&r, b.len)] = (char)rng_u32(&r);
        char *exact = malloc(b.len);
        memcpy(exact, b.data, b.len);
        struct proto_reader reader = proto_read(exact, b.len);
        while (has_one)
            n_refused += proto_next(&reader, &got, &has_one, &e) != ERR_OK;
        free(exact);
        buf_free(&b);
    }
    assert_in_range(n_refused, 1000, 19000);
}

static void test_a_record_of_an_unknown_type_is_refused(void **state)
{
    static const int types[] = {0, MSG_TYPE_COUNT, 255, 65535};
    struct msg got;
    struct err e;
    bool has_one;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        uint8_t raw[PROTO_HEAD] = {(uint8_t)types[i], (uint8_t)(types[i] >> 8)};
        struct proto_reader reader = proto_read(raw, sizeof raw);
        assert_fails(proto_next(&reader, &got, &has_one, &e), ERR_INVALID, e, "unknown type");
    }
}

static void test_a_text_that_is_too_long_is_cut_and_none_is_empty(void **state)
{
    size_t n = PROTO_STR_MAX + 10;
    char *longest = malloc(n + 1);
    struct msg m = {.type = MSG_PROGRESS}, got;
    struct buf b = {0};
    struct err e;
    bool has_one;

    (void)state;
    memset(longest, 'x', n);
    longest[n] = '\0';
    m.u.PROGRESS.text = longest;
    proto_add(&b, &m);
    m.u.PROGRESS.text = NULL;
    proto_add(&b, &m);
    struct proto_reader reader = proto_read(b.data, b.len);
    assert_ok(proto_next(&reader, &got, &has_one, &e), e);
    assert_int_equal(strlen(got.u.PROGRESS.text), PROTO_STR_MAX);
    assert_ok(proto_next(&reader, &got, &has_one, &e), e);
    assert_string_equal(got.u.PROGRESS.text, "");
    free(longest);
    buf_free(&b);
}

static void test_held_lists_read_back_and_stop_at_nonsense(void **state)
{
    static const struct {
        const char *list;
        int n;
    } row[] = {{"", 0},      {"1:2", 1},      {"1:2 3:4", 2}, {"-1:0  5:6", 2},
               {"1", 0},     {"1:", 0},       {":1", 0},      {"1:2,3:4", 0},
               {"1:2 x", 1}, {"1:2 3:4x", 1}, {"1:2 3", 1},   {"99999999999999999999:1", 1}};
    struct buf b = {0};
    int64_t job, epoch;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(row); i++) {
        const char *at = row[i].list;
        int n = 0;
        while (proto_held_next(&at, &job, &epoch))
            n++;
        if (n != row[i].n)
            fail_msg("\"%s\": %d pairs, wanted %d", row[i].list, n, row[i].n);
    }
    const char *none = NULL;
    assert_false(proto_held_next(&none, &job, &epoch));
    for (int64_t k = 1; k <= 3; k++)
        proto_held_add(&b, k * 1000000007, k);
    assert_string_equal(b.data, "1000000007:1 2000000014:2 3000000021:3");
    buf_free(&b);
}

static void test_messages_print_their_names_and_fields(void **state)
{
    struct msg m = {.type = MSG_ACK};
    struct buf b = {0};

    (void)state;
    m.u.ACK = (struct msg_ACK){7, 3};
    proto_print(&b, &m);
    assert_string_equal(b.data, "ACK job=7 epoch=3");
    assert_string_equal(msg_name(MSG_GRANT), "GRANT");
    assert_string_equal(msg_name(MSG_TYPE_COUNT), "?");
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_message_is_the_same_after_the_wire),
        cmocka_unit_test(test_a_cut_datagram_gives_its_whole_records_then_an_error),
        cmocka_unit_test(test_damaged_datagrams_never_crash_or_leave_the_buffer),
        cmocka_unit_test(test_a_record_of_an_unknown_type_is_refused),
        cmocka_unit_test(test_a_text_that_is_too_long_is_cut_and_none_is_empty),
        cmocka_unit_test(test_held_lists_read_back_and_stop_at_nonsense),
        cmocka_unit_test(test_messages_print_their_names_and_fields),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
