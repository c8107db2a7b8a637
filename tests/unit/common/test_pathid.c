/* A path as a knob: identity is the content; a change is noticed; a folder is the set of its files. */
#include "tests/lib/check.h"

#include <stdio.h>

#include "common/fs.h"
#include "common/pathid.h"
#include "tests/lib/tmpdir.h"

static char *id_of(const char *path)
{
    struct buf b = {0};
    struct err e;

    assert_ok(pathid_make(&b, path, &e), e);
    return buf_steal(&b);
}

static void put(const char *path, const char *text)
{
    struct err e;

    assert_ok(fs_replace(path, text, strlen(text), &e), e);
}

static void test_the_same_bytes_elsewhere_are_the_same_thing(void **state)
{
    char *dir = tmpdir_make(), *a = tmpdir_path(dir, "a"), *b = tmpdir_path(dir, "b");
    (void)state;

    put(a, "abc");
    put(b, "abc");
    char *x = id_of(a), *y = id_of(b);
    assert_int_equal(pathid_len(x), 71);
    assert_memory_equal(x, y, 71);
    assert_memory_equal(x, "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", 71);
    assert_string_equal(pathid_path(x), a);
    assert_string_equal(pathid_path("plain/path"), "plain/path");
    free(x);
    free(y);
    free(a);
    free(b);
    tmpdir_remove(dir);
}

static void test_a_change_is_noticed_and_named(void **state)
{
    char *dir = tmpdir_make(), *a = tmpdir_path(dir, "a");
    struct err e;
    (void)state;

    put(a, "abc");
    char *id = id_of(a);
    assert_ok(pathid_verify(id, &e), e);
    put(a, "abd");
    assert_fails(pathid_verify(id, &e), ERR_INVALID, e, "has changed");
    assert_ok(pathid_verify("no/digest", &e), e);
    free(id);
    free(a);
    tmpdir_remove(dir);
}

static void test_a_folder_is_its_files_names_and_contents(void **state)
{
    char *dir = tmpdir_make(), *sub = tmpdir_path(dir, "f/s"), *f = tmpdir_path(dir, "f");
    char *a = tmpdir_path(dir, "f/a"), *b = tmpdir_path(dir, "f/s/b"), *empty = tmpdir_path(dir, "g");
    struct buf out = {0};
    struct err e;
    (void)state;

    assert_ok(fs_mkdirs(sub, &e), e);
    assert_ok(fs_mkdirs(empty, &e), e);
    put(a, "1");
    put(b, "2");
    char *first = id_of(f);
    put(b, "3");
    char *second = id_of(f);
    assert_memory_not_equal(first, second, 71);
    put(b, "2");
    char *third = id_of(f);
    assert_string_equal(first, third);
    assert_fails(pathid_make(&out, empty, &e), ERR_INVALID, e, "empty");
    assert_fails(pathid_make(&out, "/nonexistent", &e), ERR_NOT_FOUND, e, "/nonexistent");
    buf_free(&out);
    free(first);
    free(second);
    free(third);
    free(sub);
    free(f);
    free(a);
    free(b);
    free(empty);
    tmpdir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_same_bytes_elsewhere_are_the_same_thing),
        cmocka_unit_test(test_a_change_is_noticed_and_named),
        cmocka_unit_test(test_a_folder_is_its_files_names_and_contents),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
