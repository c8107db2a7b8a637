/* test_rng.c - the counter-based generator and what is drawn from it. */
#include "tests/lib/check.h"

#include "common/rng.h"

/* Known answers published with Random123 (kat_vectors, philox4x32 10). */
static void test_philox_known_answers(void **state)
{
    const struct {
        uint32_t counter[4], key[2], want[4];
    } row[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    uint32_t out[4];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(row); i++) {
        rng_philox(out, row[i].counter, row[i].key);
        assert_memory_equal(out, row[i].want, sizeof out);
    }
}

static void test_streams_depend_on_seed_and_name_alone(void **state)
{
    struct rng a = rng_stream(7, "sae.init"), b = rng_stream(7, "sae.init");
    struct rng name = rng_stream(7, "sae.order"), seed = rng_stream(8, "sae.init");
    int same_name = 0, same_seed = 0;

    (void)state;
    for (int i = 0; i < 100; i++) {
        uint32_t v = rng_u32(&a);

        assert_int_equal(v, rng_u32(&b));
        same_name += v == rng_u32(&name);
        same_seed += v == rng_u32(&seed);
    }
    assert_true(same_name < 3 && same_seed < 3);
}

static void test_a_copy_goes_on_from_the_exact_state(void **state)
{
    struct rng r = rng_stream(3, "x");

    (void)state;
    for (int skip = 0; skip < 9; skip++) {
        struct rng copy;

        rng_u32(&r);
        rng_normal(&r);
        copy = r;
        for (int i = 0; i < 20; i++)
            assert_near(rng_normal(&copy), rng_normal(&r), 0);
    }
}

static void test_first_values_never_change(void **state)
{
    struct rng r = rng_stream(42, "sae.init");

    (void)state;
    assert_int_equal(rng_u32(&r), 0x55d1fc25);
    assert_near(rng_f64(&r), 0.81051159412569396, 0);
}

static void test_moments_of_uniform_and_normal(void **state)
{
    enum { N = 200000 };
    struct rng r = rng_stream(1, "moments");
    double u1 = 0, u2 = 0, n1 = 0, n2 = 0, n3 = 0, n4 = 0;

    (void)state;
    for (int i = 0; i < N; i++) {
        double u = rng_f64(&r), z = rng_normal(&r);

        assert_true(u >= 0 && u < 1);
        u1 += u / N;
        u2 += u * u / N;
        n1 += z / N;
        n2 += z * z / N;
        n3 += z * z * z / N;
        n4 += z * z * z * z / N;
    }
    assert_near(u1, 0.5, 0.004); /* about six standard errors each */
    assert_near(u2, 1.0 / 3, 0.004);
    assert_near(n1, 0, 0.014);
    assert_near(n2, 1, 0.02);
    assert_near(n3, 0, 0.06);
    assert_near(n4, 3, 0.14);
}

static void test_below_is_unbiased_and_stays_below(void **state)
{
    const uint64_t big = 3ull << 62;
    struct rng r = rng_stream(5, "below");
    int count[7] = {0}, thirds = 0;

    (void)state;
    for (int i = 0; i < 70000; i++)
        count[rng_below(&r, 7)]++;
    for (int i = 0; i < 7; i++)
        assert_near(count[i], 10000, 600);
    /* without redraws half of the values, not a third, would be multiples of 3 */
    for (int i = 0; i < 10000; i++) {
        uint64_t v = rng_below(&r, big);

        assert_true(v < big);
        thirds += v % 3 == 0;
    }
    assert_near(thirds, 3333, 300);
    assert_int_equal(rng_below(&r, 1), 0);
}

static void test_permutation_holds_every_index_once(void **state)
{
    enum { N = 1000 };
    struct rng r = rng_stream(5, "perm");
    uint32_t out[N];
    char seen[N] = {0};
    int fixed = 0;

    (void)state;
    rng_perm(&r, out, N);
    for (uint32_t i = 0; i < N; i++) {
        assert_true(out[i] < N && !seen[out[i]]);
        seen[out[i]] = 1;
        fixed += out[i] == i;
    }
    assert_true(fixed < 10);
    rng_perm(&r, out, 0);
    rng_perm(&r, out, 1);
    assert_int_equal(out[0], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_philox_known_answers),
        cmocka_unit_test(test_streams_depend_on_seed_and_name_alone),
        cmocka_unit_test(test_a_copy_goes_on_from_the_exact_state),
        cmocka_unit_test(test_first_values_never_change),
        cmocka_unit_test(test_moments_of_uniform_and_normal),
        cmocka_unit_test(test_below_is_unbiased_and_stays_below),
        cmocka_unit_test(test_permutation_holds_every_index_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
