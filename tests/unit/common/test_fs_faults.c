/* test_fs_faults.c - every single failing system call of a write leaves the old file or the new.
 *
 * The calls below replace those of libc in this program: the n-th one fails, and writes may be
 * cut short.  The rest go to the kernel.
 */
#include "tests/lib/check.h"
#include "tests/lib/tmpdir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/fs.h"
#include "common/rundir.h"

static struct {
    int left; /* calls until one fails; 0 is never */
    int errnum;
    size_t write_max; /* longest write; 0 is any */
    bool has_failed;
} fault;

static bool fails_now(void)
{
    if (fault.left == 0 || --fault.left > 0)
        return false;
    errno = fault.errnum;
    fault.has_failed = true;
    return true;
}

ssize_t write(int fd, const void *data, size_t n)
{
    if (fails_now())
        return -1;
    if (fault.write_max && n > fault.write_max)
        n = fault.write_max;
    return syscall(SYS_write, fd, data, n);
}

int fsync(int fd)
{
    return fails_now() ? -1 : (int)syscall(SYS_fsync, fd);
}

static int n_syncfs;

int syncfs(int fd)
{
    n_syncfs++;
    return fails_now() ? -1 : (int)syscall(SYS_syncfs, fd);
}

int close(int fd)
{
    int rc = (int)syscall(SYS_close, fd); /* a failing close closes all the same */

    return fails_now() ? -1 : rc;
}

int rename(const char *from, const char *to)
{
    return fails_now() ? -1 : (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

struct place {
    char *dir, *file;
    struct buf got;
};

static void place_open(struct place *p)
{
    *p = (struct place){.dir = tmpdir_make()};
    p->file = tmpdir_path(p->dir, "file");
}

static void place_close(struct place *p)
{
    buf_free(&p->got);
    free(p->file);
    tmpdir_remove(p->dir);
}

static const char *content(struct place *p)
{
    struct err e;

    buf_reset(&p->got);
    assert_ok(fs_read(p->file, 100, &p->got, &e), e);
    return p->got.data;
}

static void test_short_writes_are_continued(void **state)
{
    struct place p;
    struct err e;

    (void)state;
    place_open(&p);
    fault.write_max = 3;
    assert_ok(fs_replace(p.file, "0123456789", 10, &e), e);
    assert_string_equal(content(&p), "0123456789");
    assert_ok(fs_append(p.file, "abcdefgh", 8, &e), e);
    assert_string_equal(content(&p), "0123456789abcdefgh");
    fault.write_max = 0;
    place_close(&p);
}

static void test_interrupted_write_is_taken_up_again(void **state)
{
    struct place p;
    struct err e;

    (void)state;
    place_open(&p);
    fault.left = 1;
    fault.errnum = EINTR;
    assert_ok(fs_replace(p.file, "new", 3, &e), e);
    assert_string_equal(content(&p), "new");
    place_close(&p);
}

static void check_no_temporary(const struct place *p)
{
    struct buf path = {0};

    buf_fmt(&path, "%s.tmp.%ld", p->file, (long)getpid());
    assert_false(fs_is_file(path.data));
    buf_free(&path);
}

/* Replaces "old" by "new" with the n-th call failing; false if there was no n-th call. */
static bool replace_with_fault(int n, int errnum, enum err_code want)
{
    struct place p;
    struct err e;

    place_open(&p);
    assert_ok(fs_replace(p.file, "old", 3, &e), e);
    fault.write_max = 1;
    fault.errnum = errnum;
    fault.has_failed = false;
    fault.left = n;
    enum err_code rc = fs_replace(p.file, "new", 3, &e);
    fault.left = 0;
    fault.write_max = 0;
    if (rc) {
        assert_int_equal(rc, want);
        assert_has(e.text, strerror(errnum));
    }
    if (rc == ERR_OK || strcmp(content(&p), "old") != 0)
        assert_string_equal(content(&p), "new");
    check_no_temporary(&p);
    place_close(&p);
    return fault.has_failed;
}

static void check_replace(int errnum, enum err_code want)
{
    int n = 1;

    while (replace_with_fault(n, errnum, want))
        n++;
    assert_int_equal(n - 1, 8); /* 3 writes, fsync, close, rename, fsync and close of the folder */
}

static void test_each_failing_call_of_replace_leaves_old_or_new(void **state)
{
    (void)state;
    check_replace(ENOSPC, ERR_NO_SPACE);
    check_replace(EDQUOT, ERR_NO_SPACE);
    check_replace(EIO, ERR_IO);
}

static void test_each_failing_call_of_append_leaves_old_or_is_reported(void **state)
{
    (void)state;
    for (int n = 1; n <= 5; n++) { /* 3 writes, fsync, close */
        struct place p;
        struct err e;

        place_open(&p);
        assert_ok(fs_append(p.file, "old\n", 4, &e), e);
        fault.write_max = 1;
        fault.errnum = ENOSPC;
        fault.left = n;
        assert_fails(fs_append(p.file, "ab\n", 3, &e), ERR_NO_SPACE, e, p.file);
        fault.left = 0;
        fault.write_max = 0;
        assert_string_equal(content(&p), "old\n");
        place_close(&p);
    }
}

static void test_rename_that_fails_keeps_the_folder(void **state)
{
    struct place p;
    struct err e;
    char *to;

    (void)state;
    place_open(&p);
    to = tmpdir_path(p.dir, "to");
    assert_ok(fs_mkdirs(p.file, &e), e);
    fault.left = 1;
    fault.errnum = EDQUOT;
    assert_fails(fs_rename_dir(p.file, to, &e), ERR_NO_SPACE, e, "rename");
    assert_true(fs_is_dir(p.file));
    free(to);
    place_close(&p);
}

enum { N_FOLDERS = 5 };

static void make_folders(struct place *p, char **tmp, char **final, size_t n)
{
    char name[40];
    struct err e;

    for (size_t i = 0; i < n; i++) {
        snprintf(name, sizeof name, "run%zu", i);
        final[i] = tmpdir_path(p->dir, name);
        snprintf(name, sizeof name, "run%zu.tmp", i);
        tmp[i] = tmpdir_path(p->dir, name);
        char *result = tmpdir_path(tmp[i], RUN_RESULT_FILE);
        assert_ok(fs_mkdirs(tmp[i], &e), e);
        assert_ok(fs_replace(result, "{}", 2, &e), e);
        free(result);
    }
}

/* One folder a way of doing it: file by file, or one syncfs for all. */
static void test_each_failing_call_of_settle_leaves_either_name(void **state)
{
    static const size_t counts[] = {1, N_FOLDERS};

    (void)state;
    for (size_t c = 0; c < ARRAY_LEN(counts); c++) {
        size_t n = counts[c];
        bool has_failed = true;

        for (int left = 1; has_failed; left++) {
            char *tmp[N_FOLDERS], *final[N_FOLDERS];
            struct place p;
            struct err e;

            place_open(&p);
            make_folders(&p, tmp, final, n);
            fault.has_failed = false;
            fault.errnum = EIO;
            fault.left = left;
            (void)!rundir_settle((const char *const *)tmp, n, &e); /* a failing close may pass */
            fault.left = 0;
            has_failed = fault.has_failed;
            for (size_t i = 0; i < n; i++)
                assert_int_equal(rundir_is_complete(tmp[i]) + rundir_is_complete(final[i]), 1);
            assert_ok(rundir_settle((const char *const *)tmp, n, &e), e);
            for (size_t i = 0; i < n; i++) {
                assert_true(rundir_is_complete(final[i]));
                free(tmp[i]);
                free(final[i]);
            }
            place_close(&p);
        }
    }
}

static void test_a_failing_sync_is_an_error_before_any_folder_has_its_name(void **state)
{
    char *tmp[N_FOLDERS], *final[N_FOLDERS];
    struct place p;
    struct err e;

    (void)state;
    place_open(&p);
    make_folders(&p, tmp, final, N_FOLDERS);
    n_syncfs = 0;
    for (int is_disk_bad = 1; is_disk_bad >= 0; is_disk_bad--) {
        bool is_network = fs_network_type(p.dir) != NULL;
        enum err_code rc;

        fault.errnum = EIO;
        fault.left = is_disk_bad && !is_network ? 1 : 0; /* the first of those calls is syncfs */
        rc = rundir_settle((const char *const *)tmp, N_FOLDERS, &e);
        fault.left = 0;
        if (is_network)
            break;
        assert_int_equal(rc, is_disk_bad ? ERR_IO : ERR_OK);
        assert_int_equal(n_syncfs, 2 - is_disk_bad); /* one for all of them */
        for (size_t i = 0; i < N_FOLDERS; i++)
            assert_int_equal(rundir_is_complete(final[i]), !is_disk_bad);
    }
    for (size_t i = 0; i < N_FOLDERS; i++) {
        free(tmp[i]);
        free(final[i]);
    }
    place_close(&p);
}

static void test_settle_refuses_a_folder_without_the_suffix(void **state)
{
    const char *const paths[] = {"/somewhere/run"};
    struct err e;

    (void)state;
    assert_fails(rundir_settle(paths, 1, &e), ERR_BUG, e, "tmp");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_short_writes_are_continued),
        cmocka_unit_test(test_interrupted_write_is_taken_up_again),
        cmocka_unit_test(test_each_failing_call_of_replace_leaves_old_or_new),
        cmocka_unit_test(test_each_failing_call_of_append_leaves_old_or_is_reported),
        cmocka_unit_test(test_rename_that_fails_keeps_the_folder),
        cmocka_unit_test(test_each_failing_call_of_settle_leaves_either_name),
        cmocka_unit_test(test_a_failing_sync_is_an_error_before_any_folder_has_its_name),
        cmocka_unit_test(test_settle_refuses_a_folder_without_the_suffix),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
