/* test_fs.c - files and folders that survive crashes, and clear refusals.
 *
 * Failures are real ones: a limit on the size of files, links, FIFOs, devices, folders.
 */
#include "tests/lib/check.h"
#include "tests/lib/tmpdir.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/fs.h"

struct place {
    char *dir, *file;
};

static int set_up(void **state)
{
    struct place *p = malloc(sizeof *p);

    p->dir = tmpdir_make();
    p->file = tmpdir_path(p->dir, "file");
    *state = p;
    return 0;
}

static int tear_down(void **state)
{
    struct place *p = *state;

    free(p->file);
    tmpdir_remove(p->dir);
    free(p);
    return 0;
}

static void check_content(const char *path, const char *want)
{
    struct buf b = {0};
    struct err e;

    assert_ok(fs_read(path, 1 << 20, &b, &e), e);
    assert_int_equal(b.len, strlen(want));
    assert_string_equal(b.data, want);
    buf_free(&b);
}

/* Entries of a folder, without "." and "..". */
static int count_entries(const char *dir)
{
    struct buf cmd = {0};
    int n = 0, c;

    buf_fmt(&cmd, "ls -A '%s'", dir);
    FILE *f = popen(cmd.data, "r");
    assert_non_null(f);
    while ((c = getc(f)) != EOF)
        n += c == '\n';
    pclose(f);
    buf_free(&cmd);
    return n;
}

static void test_replace_writes_the_whole_file_and_nothing_else(void **state)
{
    struct place *p = *state;
    struct err e;

    assert_ok(fs_replace(p->file, "one", 3, &e), e);
    check_content(p->file, "one");
    assert_ok(fs_replace(p->file, "second", 6, &e), e);
    check_content(p->file, "second");
    assert_ok(fs_replace(p->file, "", 0, &e), e);
    check_content(p->file, "");
    assert_int_equal(count_entries(p->dir), 1);
}

static void test_a_failed_replace_keeps_the_old_file(void **state)
{
    const struct rlimit tight = {4096, RLIM_INFINITY};
    struct place *p = *state;
    char *big = calloc(1, 100000);
    struct rlimit old;
    struct err e;

    assert_ok(fs_replace(p->file, "old", 3, &e), e);
    getrlimit(RLIMIT_FSIZE, &old);
    signal(SIGXFSZ, SIG_IGN); /* the write is cut short, then fails: EFBIG */
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    enum err_code rc = fs_replace(p->file, big, 100000, &e);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(rc, ERR_IO);
    assert_has(e.text, "write ");
    check_content(p->file, "old");
    assert_int_equal(count_entries(p->dir), 1);
    free(big);
}

static void test_replace_says_why_it_cannot(void **state)
{
    struct place *p = *state;
    char *below = tmpdir_path(p->file, "x"), *absent = tmpdir_path(p->dir, "no/x");
    struct err e;

    assert_ok(fs_replace(p->file, "x", 1, &e), e);
    assert_fails(fs_replace(below, "y", 1, &e), ERR_NOT_FOUND, e, "Not a directory");
    assert_fails(fs_replace(absent, "y", 1, &e), ERR_NOT_FOUND, e, "no/x");
    assert_fails(fs_replace(p->dir, "y", 1, &e), ERR_IO, e, "rename");
    free(below);
    free(absent);
}

static void test_append_adds_and_takes_back_what_did_not_fit(void **state)
{
    const struct rlimit tight = {8, RLIM_INFINITY};
    struct place *p = *state;
    struct rlimit old;
    struct err e;

    assert_ok(fs_append(p->file, "one\n", 4, &e), e);
    assert_ok(fs_append(p->file, "two\n", 4, &e), e);
    check_content(p->file, "one\ntwo\n");
    getrlimit(RLIMIT_FSIZE, &old);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(truncate(p->file, 4), 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    enum err_code rc = fs_append(p->file, "second\n", 7, &e);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(rc, ERR_IO);
    check_content(p->file, "one\n");
    assert_fails(fs_append("/dev/full", "x", 1, &e), ERR_INVALID, e, "regular");
}

static void test_read_refuses_folders_fifos_and_large_files(void **state)
{
    struct place *p = *state;
    char *fifo = tmpdir_path(p->dir, "fifo"), *absent = tmpdir_path(p->dir, "absent");
    struct buf b = {0};
    struct err e;

    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_fails(fs_read(p->dir, 100, &b, &e), ERR_INVALID, e, "is a folder");
    assert_fails(fs_read(fifo, 100, &b, &e), ERR_INVALID, e, "not a regular file");
    assert_fails(fs_read("/dev/zero", 100, &b, &e), ERR_INVALID, e, "not a regular file");
    assert_fails(fs_read(absent, 100, &b, &e), ERR_NOT_FOUND, e, "absent");
    assert_ok(fs_replace(p->file, "12345", 5, &e), e);
    assert_fails(fs_read(p->file, 4, &b, &e), ERR_INVALID, e, "limit of 4");
    assert_ok(fs_read(p->file, 5, &b, &e), e);
    /* files of /proc say size 0 and are read to their end all the same */
    assert_fails(fs_read("/proc/self/status", 10, &b, &e), ERR_INVALID, e, "limit of 10");
    buf_free(&b);
    free(fifo);
    free(absent);
}

static void test_mkdirs_makes_every_level_and_is_content_with_what_is_there(void **state)
{
    struct place *p = *state;
    char *deep = tmpdir_path(p->dir, "a//b/c/"), *blocked = tmpdir_path(p->file, "x/y");
    struct err e;

    assert_ok(fs_mkdirs(deep, &e), e);
    assert_true(fs_is_dir(deep));
    assert_ok(fs_mkdirs(deep, &e), e);
    assert_ok(fs_mkdirs("/", &e), e);
    assert_ok(fs_replace(p->file, "", 0, &e), e);
    assert_fails(fs_mkdirs(p->file, &e), ERR_INVALID, e, "a file is in the way");
    assert_fails(fs_mkdirs(blocked, &e), ERR_INVALID, e, "a file is in the way");
    assert_fails(fs_mkdirs("", &e), ERR_INVALID, e, "empty");
    free(deep);
    free(blocked);
}

static void test_remove_tree_never_follows_links(void **state)
{
    struct place *p = *state;
    char *tree = tmpdir_path(p->dir, "tree"), *sub = tmpdir_path(tree, "a/b"),
         *in_tree = tmpdir_path(sub, "f"), *link = tmpdir_path(tree, "link"),
         *outside = tmpdir_path(p->dir, "outside"), *kept = tmpdir_path(outside, "kept");
    struct err e;

    assert_ok(fs_mkdirs(sub, &e), e);
    assert_ok(fs_mkdirs(outside, &e), e);
    assert_ok(fs_replace(in_tree, "x", 1, &e), e);
    assert_ok(fs_replace(kept, "x", 1, &e), e);
    assert_int_equal(symlink(outside, link), 0);
    assert_ok(fs_sync_tree(tree, &e), e);
    assert_ok(fs_remove_tree(tree, &e), e);
    assert_int_equal(access(tree, F_OK), -1);
    assert_true(fs_is_file(kept));
    assert_ok(fs_remove_tree(tree, &e), e); /* absent is fine */
    free(link);
    link = tmpdir_path(p->dir, "link");
    assert_int_equal(symlink(outside, link), 0);
    assert_ok(fs_remove_tree(link, &e), e); /* the link goes, its target stays */
    assert_int_equal(access(link, F_OK), -1);
    assert_true(fs_is_file(kept));
    assert_fails(fs_sync_tree(tree, &e), ERR_NOT_FOUND, e, "tree");
    free(tree);
    free(sub);
    free(in_tree);
    free(link);
    free(outside);
    free(kept);
}

static void test_rename_dir_moves_and_refuses_a_full_target(void **state)
{
    struct place *p = *state;
    char *from = tmpdir_path(p->dir, "run.tmp"), *to = tmpdir_path(p->dir, "run"),
         *f = tmpdir_path(from, "f"), *moved = tmpdir_path(to, "f");
    struct err e;

    assert_ok(fs_mkdirs(from, &e), e);
    assert_ok(fs_replace(f, "x", 1, &e), e);
    assert_ok(fs_rename_dir(from, to, &e), e);
    check_content(moved, "x");
    assert_fails(fs_rename_dir(from, to, &e), ERR_NOT_FOUND, e, "run.tmp");
    assert_ok(fs_mkdirs(from, &e), e);
    assert_fails(fs_rename_dir(from, to, &e), ERR_IO, e, "not empty");
    check_content(moved, "x");
    free(from);
    free(to);
    free(f);
    free(moved);
}

static void test_relative_paths(void **state)
{
    const struct {
        const char *from, *to, *want;
    } row[] = {
        {"results/a/b", "results/a/c", "../c"},
        {"results/a", "results/a/c/d", "c/d"},
        {"results/a/b", "results", "../.."},
        {"results/a", "results/a", "."},
        {"a", "b", "../b"},
        {"", "b", "b"},
        {"/x/y", "/x/yy/z", "../yy/z"},
        {"./a//b/", "a/./c", "../c"},
    };
    struct buf b = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(row); i++) {
        buf_reset(&b);
        buf_str(&b, "<");
        fs_relative(&b, row[i].from, row[i].to);
        assert_string_equal(b.data + 1, row[i].want);
    }
    buf_free(&b);
}

static void test_names_that_could_leave_the_folder_are_unsafe(void **state)
{
    static const char *const good[] = {"a", "k4_l1", "2026.run-7", "A_"};
    static const char *const bad[] = {"",    ".",   "..",  ".hidden",  "-rf",
                                      "a/b", "a b", "a\n", "\xc3\xa9", "a\\b"};
    char longest[202];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        assert_true(fs_name_is_safe(good[i]));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(fs_name_is_safe(bad[i]));
    memset(longest, 'a', 201);
    longest[201] = '\0';
    assert_false(fs_name_is_safe(longest));
    assert_true(fs_name_is_safe(longest + 1));
}

static void test_questions_about_a_path(void **state)
{
    struct place *p = *state;
    char *exe;
    struct buf b = {0};
    uint64_t n = 0;
    struct err e;

    assert_ok(fs_free_bytes(p->dir, &n, &e), e);
    assert_true(n > 0);
    assert_fails(fs_free_bytes(p->file, &n, &e), ERR_NOT_FOUND, e, "file");
    assert_null(fs_network_type("/proc"));
    assert_null(fs_network_type(p->file));
    assert_ok(fs_exe_dir(&b, &e), e);
    assert_int_equal(b.data[0], '/');
    exe = tmpdir_path(b.data, "unit.common.test_fs");
    assert_true(fs_is_file(exe));
    assert_false(fs_is_dir(exe) || fs_is_file(b.data));
    free(exe);
    buf_free(&b);
}

static void test_no_descriptor_is_left_open(void **state)
{
    struct place *p = *state;
    char *tree = tmpdir_path(p->dir, "t/u");
    struct buf b = {0};
    struct err e;
    int before = open("/dev/null", O_RDONLY), after;

    close(before);
    assert_ok(fs_mkdirs(tree, &e), e);
    assert_ok(fs_replace(p->file, "x", 1, &e), e);
    assert_ok(fs_append(p->file, "x", 1, &e), e);
    assert_ok(fs_read(p->file, 9, &b, &e), e);
    assert_ok(fs_sync_tree(p->dir, &e), e);
    assert_int_equal(fs_read(p->dir, 9, &b, NULL), ERR_INVALID);
    assert_int_equal(fs_append(p->dir, "x", 1, NULL), ERR_IO);
    assert_ok(fs_remove_tree(tree, &e), e);
    after = open("/dev/null", O_RDONLY);
    close(after);
    assert_int_equal(after, before);
    buf_free(&b);
    free(tree);
}

/* What NFS does to a file that somebody has open: it goes with him, here after 100 ms. */
static void test_a_ghost_of_nfs_is_passed_over_and_waited_for(void **state)
{
    struct place *p = *state;
    char *tree = tmpdir_path(p->dir, "tree"), *ghost = tmpdir_path(tree, ".nfs0000000000c0ffee00000001");
    const struct timespec wait = {0, 100000000};
    struct err e = {0};
    int status = 0;

    assert_ok(fs_mkdirs(tree, &e), e);
    assert_int_equal(symlink("/nowhere", ghost), 0);
    pid_t pid = fork();
    if (pid == 0) {
        nanosleep(&wait, NULL);
        _exit(unlink(ghost) != 0); /* it is still there */
    }
    assert_ok(fs_remove_tree(tree, &e), e);
    assert_false(fs_is_dir(tree));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    free(ghost);
    free(tree);
}

#define FS_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FS_TEST(test_replace_writes_the_whole_file_and_nothing_else),
        FS_TEST(test_a_failed_replace_keeps_the_old_file),
        FS_TEST(test_replace_says_why_it_cannot),
        FS_TEST(test_append_adds_and_takes_back_what_did_not_fit),
        FS_TEST(test_read_refuses_folders_fifos_and_large_files),
        FS_TEST(test_mkdirs_makes_every_level_and_is_content_with_what_is_there),
        FS_TEST(test_remove_tree_never_follows_links),
        FS_TEST(test_rename_dir_moves_and_refuses_a_full_target),
        cmocka_unit_test(test_relative_paths),
        cmocka_unit_test(test_names_that_could_leave_the_folder_are_unsafe),
        FS_TEST(test_questions_about_a_path),
        FS_TEST(test_no_descriptor_is_left_open),
        FS_TEST(test_a_ghost_of_nfs_is_passed_over_and_waited_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
