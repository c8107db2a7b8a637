/* The folders of one result. */
#include "tests/lib/check.h"

#include "common/fs.h"
#include "common/rundir.h"
#include "tests/lib/tmpdir.h"

static void test_the_folder_of_a_run_has_a_fixed_place(void **state)
{
    struct buf b = {0};
    (void)state;

    rundir_path(&b, "/r", "phase4c_k", "run_1", false);
    assert_string_equal(b.data, "/r/experiments/phase4c_k/run_1");
    buf_reset(&b);
    rundir_path(&b, "/r", "phase4c_k", "run_1", true);
    assert_string_equal(b.data, "/r/experiments/phase4c_k/run_1.tmp");
    buf_free(&b);
}

static void test_a_folder_is_complete_with_its_result_file(void **state)
{
    char *dir = tmpdir_make(), *file = tmpdir_path(dir, RUN_RESULT_FILE);
    struct err e;
    (void)state;

    assert_false(rundir_is_complete(dir));
    assert_ok(fs_mkdirs(file, &e), e); /* a folder of that name is no result */
    assert_false(rundir_is_complete(dir));
    assert_ok(fs_remove_tree(file, &e), e);
    assert_ok(fs_replace(file, "{}", 2, &e), e);
    assert_true(rundir_is_complete(dir));
    free(file);
    tmpdir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_folder_of_a_run_has_a_fixed_place),
        cmocka_unit_test(test_a_folder_is_complete_with_its_result_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
