/* Event files: published check values of the checksum, and records byte by byte. */
#include "tests/lib/check.h"

#include "worker/runner/tb.h"

static void test_checksum_is_castagnoli(void **state)
{
    (void)state;
    assert_int_equal(tb_crc32c("123456789", 9), 0xE3069283u);
    assert_int_equal(tb_crc32c("", 0), 0);
}

static void test_first_record_is_the_published_example(void **state)
{
    static const uint8_t want[] = {0x18, 0, 0, 0, 0, 0, 0, 0, 0xa3, 0x7f, 0x4b, 0x22, 0x09, 0, 0, 0,
                                   0x40, 0xfc, 0x54, 0xd9, 0x41, 0x1a, 0x0d, 'b', 'r', 'a', 'i', 'n',
                                   '.', 'E', 'v', 'e', 'n', 't', ':', '2', 0xec, 0xed, 0x8f, 0x9d};
    struct buf b = {0};
    (void)state;

    tb_begin(&b, 1700000000);
    assert_int_equal(b.len, sizeof want);
    assert_memory_equal(b.data, want, sizeof want);
    buf_free(&b);
}

static void test_a_scalar_is_one_event_with_step_tag_and_value(void **state)
{
    static const uint8_t want[] = {0x09, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f, /* wall_time 1 */
                                   0x10, 0xac, 0x02,                   /* step 300 */
                                   0x2a, 0x0d, 0x0a, 0x0b,             /* summary, value */
                                   0x0a, 0x04, 'l', 'o', 's', 's',     /* tag */
                                   0x15, 0, 0, 0, 0x3f};               /* simple_value 0.5 */
    struct buf b = {0};
    (void)state;

    tb_scalar(&b, 1, 300, "loss", 0.5);
    assert_int_equal(b.len, 12 + sizeof want + 4);
    assert_int_equal(b.data[0], sizeof want);
    assert_memory_equal(b.data + 12, want, sizeof want);
    buf_free(&b);
}

static void test_a_histogram_has_as_many_limits_as_counts(void **state)
{
    static const double limits[2] = {1, 2}, counts[2] = {3, 4};
    const struct tb_histogram h = {7, 0, 2, 9, 13, limits, counts, 2};
    struct buf b = {0};
    (void)state;

    tb_histogram(&b, 1, 0, "h", &h);
    const uint8_t *p = (const uint8_t *)b.data + b.len - 4 - 2 * (2 + 16);
    assert_int_equal(p[0], 0x32); /* bucket_limit, packed */
    assert_int_equal(p[1], 16);
    assert_memory_equal(p + 2, limits, sizeof limits);
    assert_int_equal(p[18], 0x3a); /* bucket, packed */
    assert_memory_equal(p + 20, counts, sizeof counts);
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_checksum_is_castagnoli),
        cmocka_unit_test(test_first_record_is_the_published_example),
        cmocka_unit_test(test_a_scalar_is_one_event_with_step_tag_and_value),
        cmocka_unit_test(test_a_histogram_has_as_many_limits_as_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
