/* Activation matrices: mapped in place, and never with a NaN in them. */
#include "tests/lib/check.h"

#include <unistd.h>

#include "tests/lib/tmpdir.h"
#include "worker/data/acts.h"
#include "worker/nn/pt.h"

static void test_a_matrix_reads_back_in_place(void **state)
{
    char *dir = tmpdir_make(), *path = tmpdir_path(dir, ACTS_FILE);
    float x[5 * 3];
    struct acts a;
    struct err e;
    (void)state;

    for (int i = 0; i < 15; i++)
        x[i] = (float)i - 7.25f;
    assert_ok(acts_write(path, x, 5, 3, &e), e);
    assert_ok(acts_open(&a, dir, &e), e);
    assert_int_equal(a.n, 5);
    assert_int_equal(a.d, 3);
    assert_memory_equal(a.x, x, sizeof x);
    assert_int_equal((uintptr_t)a.x % 64, 0);
    acts_close(&a);
    acts_close(&a); /* no-op */
    free(path);
    tmpdir_remove(dir);
}

static void test_non_finite_rows_are_not_written(void **state)
{
    char *dir = tmpdir_make(), *path = tmpdir_path(dir, ACTS_FILE);
    float x[6] = {0};
    struct err e;
    (void)state;

    x[4] = NAN;
    assert_fails(acts_write(path, x, 2, 3, &e), ERR_INVALID, e, "row 1, column 1: NaN");
    x[4] = -INFINITY;
    assert_fails(acts_write(path, x, 2, 3, &e), ERR_INVALID, e, "infinity");
    assert_int_equal(access(path, F_OK), -1);
    free(path);
    tmpdir_remove(dir);
}

static void test_what_is_no_float_matrix_is_refused(void **state)
{
    char *dir = tmpdir_make(), *path = tmpdir_path(dir, ACTS_FILE);
    const double x[4] = {1, 2, 3, 4};
    const struct {
        struct pt_tensor t;
        const char *why;
    } row[] = {{{"", PT_F64, 2, {2, 2}, x}, "not a float32 matrix"},
               {{"", PT_F32, 1, {4}, x}, "not a float32 matrix"},
               {{"", PT_F32, 2, {0, 4}, x}, "empty"}};
    struct acts a;
    struct err e;
    (void)state;

    assert_fails(acts_open(&a, dir, &e), ERR_NOT_FOUND, e, ACTS_FILE);
    for (size_t i = 0; i < ARRAY_LEN(row); i++) {
        assert_ok(pt_write_tensor(path, &row[i].t, &e), e);
        assert_fails(acts_open(&a, dir, &e), ERR_INVALID, e, row[i].why);
    }
    struct pt_tensor named = {"x", PT_F32, 2, {2, 2}, x};
    assert_ok(pt_write(path, &named, 1, NULL, 0, &e), e);
    assert_fails(acts_open(&a, dir, &e), ERR_INVALID, e, "bare tensor");
    free(path);
    tmpdir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_matrix_reads_back_in_place),
        cmocka_unit_test(test_non_finite_rows_are_not_written),
        cmocka_unit_test(test_what_is_no_float_matrix_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
