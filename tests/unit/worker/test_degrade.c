/* test_degrade.c - degradation curves and the rule that picks k_sharp. */
#include "tests/lib/check.h"

#include "worker/eval/degrade.h"

static struct degrade_curve curve(const double *pct, size_t n)
{
    struct degrade_curve c = {.n = n};

    for (size_t i = 0; i < n; i++)
        c.point[i] = (struct degrade_point){(int64_t)(1 << i), 30 * (1 + pct[i] / 100), pct[i]};
    return c;
}

static void the_smallest_safe_k_is_picked(void **state)
{
    const double falling[] = {80, 22, 9.9, 3, 1}, bumpy[] = {80, 8, 15, 3, 1}, bad[] = {80, 40, 10};
    struct degrade_curve c = curve(falling, 5);
    int64_t k = 0;

    (void)state;
    assert_true(degrade_pick(&c, 10, true, &k));
    assert_int_equal(k, 4);
    assert_true(degrade_is_monotone(&c));
    c = curve(bumpy, 5);
    assert_true(degrade_pick(&c, 10, true, &k)); /* 2 passes, but 4 fails */
    assert_int_equal(k, 8);
    assert_true(degrade_pick(&c, 10, false, &k)); /* the reference's rule */
    assert_int_equal(k, 2);
    assert_false(degrade_is_monotone(&c));
    c = curve(bad, 3); /* 10 is not below 10 */
    assert_false(degrade_pick(&c, 10, true, &k));
    assert_false(degrade_pick(&c, 10, false, &k));
    c.n = 0;
    assert_false(degrade_pick(&c, 10, true, &k));
}

static void a_curve_reads_back_bit_for_bit(void **state)
{
    const double pct[] = {1.0 / 3, -0.25, 1e-17};
    struct degrade_curve c = curve(pct, 3), back;
    struct buf text = {0};
    struct err e;

    (void)state;
    degrade_text(&text, &c);
    assert_ok(degrade_parse(&back, text.data, &e), e);
    assert_int_equal(back.n, 3);
    assert_memory_equal(back.point, c.point, 3 * sizeof c.point[0]);
    buf_free(&text);
}

static void what_is_not_a_curve_is_refused(void **state)
{
    static const char *const rows[][2] = {
        {"", "no header"},
        {"k,ppl\n1,2\n", "no header"},
        {DEGRADE_HEADER "\n1,2\n", "point 0"},
        {DEGRADE_HEADER "\n1,2,3\n1,2,3\n", "point 1: k does not rise"},
        {DEGRADE_HEADER "\n1,nan,3\n", "point 0: not three finite"},
        {DEGRADE_HEADER "\n1,2,3", "point 0: not three finite"}};
    struct degrade_curve c;
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_fails(degrade_parse(&c, rows[i][0], &e), ERR_CORRUPT, e, rows[i][1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_smallest_safe_k_is_picked),
        cmocka_unit_test(a_curve_reads_back_bit_for_bit),
        cmocka_unit_test(what_is_not_a_curve_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
