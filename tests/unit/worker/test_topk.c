/* test_topk.c - selection against a sort, for every size, ties and odd values. */
#include "tests/lib/check.h"

#include "common/rng.h"
#include "worker/num/topk.h"

enum { F_MAX = 3000, SEED = 5 };

static real z[F_MAX + TOPK_SLACK], bias[F_MAX], val[F_MAX];
static uint32_t idx[F_MAX];
static real bound[F_MAX];
static topk_key key[F_MAX + TOPK_SLACK];
static uint32_t cand[F_MAX + TOPK_SLACK], name[F_MAX + TOPK_SLACK];
static const struct topk_scratch scratch = {bound, key, cand};

static int by_value(const void *a, const void *b)
{
    uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;

    if (z[i] != z[j])
        return z[i] > z[j] ? -1 : 1;
    return i < j ? -1 : 1;
}

static int by_index(const void *a, const void *b)
{
    uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;

    return (i > j) - (i < j);
}

/* The slow way: sort all by (value, index), take k, drop what is not positive. */
static void check(size_t f, size_t k, bool positive, size_t n)
{
    static uint32_t all[F_MAX];
    size_t want = 0;

    for (size_t i = 0; i < f; i++)
        all[i] = (uint32_t)i;
    qsort(all, f, sizeof *all, by_value);
    for (size_t i = 0; i < k; i++)
        if (!positive || z[all[i]] > 0)
            all[want++] = all[i];
    qsort(all, want, sizeof *all, by_index);
    if (n != want)
        fail_msg("f %zu k %zu: %zu found, %zu wanted", f, k, n, want);
    for (size_t i = 0; i < n; i++)
        if (idx[i] != all[i] || val[i] != z[idx[i]])
            fail_msg("f %zu k %zu: place %zu: %u, wanted %u", f, k, i, idx[i], all[i]);
}

/* The same of a list whose entries have names of their own. */
static void check_pick(size_t f, size_t k, bool positive)
{
    for (size_t i = 0; i < f; i++)
        name[i] = (uint32_t)(7 * i + 3);
    size_t n = topk_pick(idx, val, name, z, f, k, positive, &scratch);

    for (size_t j = 0; j < n; j++)
        idx[j] = (idx[j] - 3) / 7;
    check(f, k, positive, n);
}

static void selection_equals_a_sort_for_all_shapes_and_ties(void **state)
{
    static const size_t fs[] = {1, 2, 15, 16, 17, 64, 255, 1024, 3000};
    struct rng r = rng_stream(SEED, "topk");

    (void)state;
    for (int round = 0; round < 600; round++) {
        size_t f = fs[rng_below(&r, ARRAY_LEN(fs))], k = 1 + rng_below(&r, f < 80 ? f : 80);
        int style = (int)rng_below(&r, 4);
        bool positive = rng_below(&r, 2);

        for (size_t i = 0; i < f; i++) {
            double x = rng_normal(&r);

            z[i] = (real)(style == 0   ? x
                          : style == 1 ? floor(2 * x) / 2 /* many ties */
                          : style == 2 ? x - 3            /* few are positive */
                                       : 1);              /* all equal */
        }
        check(f, k, positive, topk_row(idx, val, z, NULL, f, k, positive, &scratch));
        check_pick(f, k, positive);
    }
}

/* k = f, k = 1, all negative, denormals, both zeros, huge values, one bit apart. */
static void odd_values_and_edges_of_k_equal_a_sort(void **state)
{
    static const size_t fs[] = {1, 16, 33, 1024, 3000};
    struct rng r = rng_stream(SEED, "odd");

    (void)state;
    for (int round = 0; round < 300; round++) {
        size_t f = fs[rng_below(&r, ARRAY_LEN(fs))];
        size_t k = round % 3 == 0 ? 1 : round % 3 == 1 ? f : 1 + rng_below(&r, f);
        int style = (int)rng_below(&r, 5);

        for (size_t i = 0; i < f; i++) {
            double x = rng_normal(&r);

            z[i] = (real)(style == 0   ? -fabs(x) - 1
                          : style == 1 ? x * 1e-41 /* denormal */
                          : style == 2 ? (double)rng_below(&r, 3) - 1
                          : style == 3 ? (x > 0 ? 3e38 : -3e38)
                                       : 1);
            if (style == 2 && rng_below(&r, 2))
                z[i] = z[i] == 0 ? z[i] : nextafterf(z[i], 2);
        }
        for (int positive = 0; positive < 2; positive++) {
            check(f, k, positive, topk_row(idx, val, z, NULL, f, k, positive, &scratch));
            check_pick(f, k, positive);
        }
    }
}

/* Moving the entries moves the choice with them; scaling by a power of two changes nothing. */
static void order_and_scale_of_the_entries_do_not_matter(void **state)
{
    enum { F = 1024, K = 32 };
    static real first[F_MAX];
    static uint32_t before[K];
    struct rng r = rng_stream(SEED, "metamorphic");

    (void)state;
    for (int round = 0; round < 100; round++) {
        for (size_t i = 0; i < F; i++)
            first[i] = z[i] = (real)rng_normal(&r);
        assert_int_equal(topk_row(before, val, z, NULL, F, K, true, &scratch), K);
        for (size_t i = 0; i < F; i++)
            z[i] = 4 * first[F - 1 - i];
        assert_int_equal(topk_row(idx, val, z, NULL, F, K, true, &scratch), K);
        for (size_t j = 0; j < K; j++) {
            assert_int_equal(idx[j], F - 1 - before[K - 1 - j]);
            assert_true(val[j] == 4 * first[before[K - 1 - j]]);
        }
    }
}

static void bias_is_added_before_the_choice(void **state)
{
    (void)state;
    for (size_t i = 0; i < 100; i++) {
        z[i] = (real)i;
        bias[i] = i == 3 ? 1000 : 0;
    }
    assert_int_equal(topk_row(idx, val, z, bias, 100, 2, true, &scratch), 2);
    assert_int_equal(idx[0], 3);
    assert_int_equal(idx[1], 99);
    assert_true(val[0] == 1003);
}

static void what_is_not_finite_is_reported(void **state)
{
    const real bad[] = {NAN, INFINITY, -INFINITY};

    (void)state;
    for (size_t b = 0; b < ARRAY_LEN(bad); b++)
        for (size_t f = 1; f <= 1024; f *= 4) {
            for (size_t i = 0; i < f; i++)
                z[i] = (real)i;
            z[f / 2] = bad[b];
            assert_true(topk_row(idx, val, z, NULL, f, 1, true, &scratch) == SIZE_MAX);
            assert_true(topk_pick(idx, val, name, z, f, 1, true, &scratch) == SIZE_MAX);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(selection_equals_a_sort_for_all_shapes_and_ties),
        cmocka_unit_test(odd_values_and_edges_of_k_equal_a_sort),
        cmocka_unit_test(order_and_scale_of_the_entries_do_not_matter),
        cmocka_unit_test(bias_is_added_before_the_choice),
        cmocka_unit_test(what_is_not_finite_is_reported),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
