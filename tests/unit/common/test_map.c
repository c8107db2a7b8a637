/* test_map.c - the hash map. */
#include "tests/lib/check.h"

#include <stdio.h>

#include "common/map.h"

static void test_100000_keys_are_found_in_insertion_order(void **state)
{
    enum { N = 100000 };
    struct map m = {0};
    char key[32];
    size_t len;
    bool is_new;

    (void)state;
    for (int i = 0; i < N; i++) {
        int n = snprintf(key, sizeof key, "key %d", i * 7);

        *map_put(&m, key, (size_t)n, &is_new) = i;
        assert_true(is_new);
    }
    assert_int_equal(m.n, N);
    for (int i = 0; i < N; i++) {
        int n = snprintf(key, sizeof key, "key %d", i * 7);
        int64_t *v = map_get(&m, key, (size_t)n);

        assert_non_null(v);
        assert_int_equal(*v, i);
        assert_memory_equal(map_key(&m, (size_t)i, &len), key, (size_t)n);
        assert_int_equal(len, n);
    }
    assert_null(map_get(&m, "key 1", 5));
    map_free(&m);
    assert_int_equal(m.n, 0);
    assert_null(map_get(&m, "key 0", 5));
}

static void test_a_second_put_keeps_the_value(void **state)
{
    struct map m = {0};
    bool is_new;

    (void)state;
    *map_put(&m, "a", 1, &is_new) = 5;
    assert_int_equal(*map_put(&m, "a", 1, &is_new), 5);
    assert_false(is_new);
    assert_int_equal(m.n, 1);
    map_free(&m);
}

static void test_keys_are_bytes_of_any_length(void **state)
{
    const char zeros[40] = {0};
    struct map m = {0};
    bool is_new;

    (void)state;
    for (size_t len = 0; len <= sizeof zeros; len++) {
        *map_put(&m, zeros, len, &is_new) = (int64_t)len;
        assert_true(is_new);
    }
    for (size_t len = 0; len <= sizeof zeros; len++)
        assert_int_equal(*map_get(&m, zeros, len), len);
    map_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_100000_keys_are_found_in_insertion_order),
        cmocka_unit_test(test_a_second_put_keeps_the_value),
        cmocka_unit_test(test_keys_are_bytes_of_any_length),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
