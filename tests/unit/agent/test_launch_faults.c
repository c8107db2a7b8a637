/* test_launch_faults.c - the n-th failing call while an agent starts a runner, for n = 1, 2, ... until
 * none fails; and a spawn that the system refuses.
 *
 * Each time: an error whose class is not the job's fault, no descriptor and no process left, and the
 * next start works.
 */
#include "tests/lib/check.h"
#include "tests/lib/faults.h"
#include "tests/lib/tmpdir.h"

#include <dirent.h>
#include <dlfcn.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <time.h>

#include "common/fs.h"
#include "worker/agent/launch.h"

static int spawn_error; /* what posix_spawn says; 0: it works */

int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attr,
                char *const argv[], char *const envp[])
{
    static int (*real)(pid_t *, const char *, const posix_spawn_file_actions_t *, const posix_spawnattr_t *,
                       char *const[], char *const[]);

    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "posix_spawn");
    return spawn_error ? spawn_error : real(pid, path, actions, attr, argv, envp);
}

static int count_fds(void)
{
    DIR *d = opendir("/proc/self/fd");
    int n = 0;

    assert_non_null(d);
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

static void check_no_child(void)
{
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

struct start {
    char *results;
    struct warm none;        /* every job is spawned */
    struct launch_spec spec;
    struct launch l;
};

static void open_start(struct start *s)
{
    *s = (struct start){.results = tmpdir_make()};
    warm_init(&s->none, NULL);
    s->spec = (struct launch_spec){.warm = &s->none, .runner = "/bin/true", .results = s->results, .dir = "experiments/s/run", .payload = "{}", .threads = 1};
}

static void close_start(struct start *s)
{
    tmpdir_remove(s->results);
}

/* Waits for the process, which ends by itself; it wrote no result. */
static void await(struct launch *l)
{
    const struct timespec ms = {0, 1000000};
    struct launch_end end;
    int turns = 0;

    while (!launch_poll(l, 1, &end)) {
        assert_true(++turns < 20000);
        nanosleep(&ms, NULL);
    }
    assert_int_equal(end.outcome.class, ERR_CLASS_INFRA);
    buf_free(&end.message);
}

static bool start_with_fault(unsigned kinds, int errnum, long n, bool *was_refused)
{
    struct start s;
    struct err e = {0};
    int before;

    open_start(&s);
    before = count_fds();
    fault_arm(kinds, n, errnum);
    enum err_code rc = launch_start(&s.l, &s.spec, 1, &e);
    bool has_failed = fault_disarm();
    *was_refused = rc != ERR_OK;
    if (rc && (err_class(rc) == ERR_CLASS_CONFIG || err_class(rc) == ERR_CLASS_CODE || !*e.text))
        fail_msg("call %ld: %s: %s", n, err_name(rc), e.text);
    if (!rc)
        await(&s.l);
    if (count_fds() != before)
        fail_msg("call %ld: %d descriptors, %d before", n, count_fds(), before);
    check_no_child();
    assert_ok(launch_start(&s.l, &s.spec, 1, &e), e);
    await(&s.l);
    close_start(&s);
    return has_failed;
}

static void walk(unsigned kinds, int errnum, long at_least)
{
    long n = 1, n_refused = 0;
    bool was_refused;

    while (start_with_fault(kinds, errnum, n, &was_refused)) {
        n_refused += was_refused;
        n++;
    }
    if (n_refused < at_least)
        fail_msg("%ld starts were refused, wanted %ld", n_refused, at_least);
}

static void test_each_failing_call_of_a_start_leaves_nothing_behind(void **state)
{
    (void)state;
    walk(FAULT_WRITE, ENOSPC, 1);
    walk(FAULT_NAME, ENOSPC, 1);
    walk(FAULT_OPEN, EMFILE, 4);
}

static void test_a_refused_spawn_is_infra_and_a_missing_program_is_told(void **state)
{
    static const int refusals[] = {EAGAIN, ENOMEM, ENOENT, EACCES};
    struct start s;
    struct err e = {0};

    (void)state;
    open_start(&s);
    int before = count_fds();
    for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
        spawn_error = refusals[i];
        enum err_code rc = launch_start(&s.l, &s.spec, 1, &e);
        spawn_error = 0;
        assert_int_not_equal(rc, ERR_OK);
        assert_has(e.text, "/bin/true");
        if (i < 2 && err_class(rc) != ERR_CLASS_INFRA)
            fail_msg("%s is of class %s", strerror(refusals[i]), err_class_name(err_class(rc)));
        assert_int_equal(count_fds(), before);
        check_no_child();
    }
    assert_ok(launch_start(&s.l, &s.spec, 1, &e), e);
    await(&s.l);
    close_start(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_failing_call_of_a_start_leaves_nothing_behind),
        cmocka_unit_test(test_a_refused_spawn_is_infra_and_a_missing_program_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
