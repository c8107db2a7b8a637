/* test_proc.c - child processes: descriptors, groups, ends, environment. */
#include "tests/lib/check.h"
#include "tests/lib/tmpdir.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/proc.h"

static struct proc_opts shell(const char *const argv[])
{
    return (struct proc_opts){.argv = argv,
                              .stdin_fd = -1,
                              .stdout_fd = -1,
                              .stderr_fd = -1,
                              .extra_fd = -1,
                              .own_group = true};
}

/* Runs `sh -c script` to its end; what it wrote to stdout goes to *out. */
static struct proc_end run(const char *script, const char *const *env, struct buf *out)
{
    const char *const argv[] = {"/bin/sh", "-c", script, NULL};
    struct proc_opts o = shell(argv);
    struct proc_end end = {0};
    struct proc p;
    char block[4096];
    struct err e;
    int fd[2];
    ssize_t n;

    assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
    o.stdout_fd = fd[1];
    o.env = env;
    assert_ok(proc_spawn(&p, &o, &e), e);
    close(fd[1]);
    while ((n = read(fd[0], block, sizeof block)) > 0)
        buf_add(out, block, (size_t)n);
    close(fd[0]);
    assert_true(proc_wait(&p, true, &end));
    assert_int_equal(p.pidfd, -1);
    return end;
}

static void test_exit_code_signal_and_usage_are_told(void **state)
{
    struct buf out = {0};
    struct proc_end end = run("echo hello; exit 7", NULL, &out);

    (void)state;
    assert_string_equal(out.data, "hello\n");
    assert_int_equal(end.exit_code, 7);
    assert_int_equal(end.signal, 0);
    assert_true(end.maxrss_kib > 100);
    assert_true(end.user_s >= 0 && end.user_s < 60);
    end = run("kill -TERM $$", NULL, &out);
    assert_int_equal(end.exit_code, -1);
    assert_int_equal(end.signal, SIGTERM);
    buf_free(&out);
}

static void test_a_program_that_is_missing_is_unavailable(void **state)
{
    const char *const argv[] = {"/nonexistent/program", NULL};
    struct proc_opts o = shell(argv);
    struct proc p;
    struct err e;

    (void)state;
    assert_fails(proc_spawn(&p, &o, &e), ERR_UNAVAILABLE, e, "/nonexistent/program");
    assert_int_equal(p.pid, -1);
    proc_signal_group(&p, SIGKILL); /* no-op, and above all not kill(-1) or kill(0) */
}

static void test_child_sees_only_its_descriptors(void **state)
{
    char *dir = tmpdir_make(), *path = tmpdir_path(dir, "leak");
    int leak = open(path, O_RDWR | O_CREAT, 0600); /* without O_CLOEXEC on purpose */
    struct buf out = {0};

    (void)state;
    assert_true(leak >= 3);
    run("ls /proc/$$/fd; readlink /proc/$$/fd/0", NULL, &out);
    assert_string_equal(out.data, "0\n1\n2\n/dev/null\n");
    buf_free(&out);
    close(leak);
    free(path);
    tmpdir_remove(dir);
}

static void test_extra_descriptor_is_3_whatever_the_numbers_were(void **state)
{
    const char *const argv[] = {"/bin/sh", "-c", "echo to-out; echo to-three >&3", NULL};
    struct proc_opts o = shell(argv);
    struct proc_end end;
    struct proc p;
    int a[2], b[2];
    char text[64];
    struct err e;
    ssize_t n;
    int hold = open("/dev/null", O_RDONLY); /* keeps 3 away from the pipes */
    int saved = fcntl(0, F_DUPFD_CLOEXEC, 10);

    (void)state;
    assert_true(hold >= 3 && saved >= 10);
    assert_int_equal(pipe2(a, O_CLOEXEC), 0);
    assert_int_equal(pipe2(b, O_CLOEXEC), 0);
    /* each sits where another one shall come: 1 from 3, 3 from 0, and 0 from /dev/null */
    assert_int_equal(dup2(a[1], 3), 3);
    assert_int_equal(dup2(b[1], 0), 0);
    o.stdout_fd = 3;
    o.extra_fd = 0;
    assert_ok(proc_spawn(&p, &o, &e), e);
    dup2(saved, 0);
    close(saved);
    close(b[1]);
    n = read(b[0], text, sizeof text - 1);
    assert_int_equal(n, 9);
    assert_memory_equal(text, "to-three\n", 9);
    assert_true(proc_wait(&p, true, &end));
    assert_int_equal(end.exit_code, 0);
    n = read(a[0], text, sizeof text - 1);
    assert_int_equal(n, 7);
    assert_memory_equal(text, "to-out\n", 7);
    close(b[0]);
    close(a[0]);
    close(a[1]);
    close(3);
    if (hold != 3)
        close(hold);
}

static void test_group_is_own_and_dies_as_a_whole(void **state)
{
    const char *const argv[] = {"/bin/sh", "-c", "sleep 1000 & echo; wait", NULL};
    struct proc_opts o = shell(argv);
    struct proc_end end;
    struct proc p;
    int fd[2];
    char c;
    struct err e;

    (void)state;
    assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
    o.stdout_fd = fd[1];
    assert_ok(proc_spawn(&p, &o, &e), e);
    close(fd[1]);
    assert_int_equal(getpgid(p.pid), p.pid);
    assert_int_equal(read(fd[0], &c, 1), 1); /* both run */
    assert_false(proc_wait(&p, false, &end));
    proc_signal_group(&p, SIGKILL);
    assert_int_equal(read(fd[0], &c, 1), 0); /* end of file: nobody holds the pipe any more */
    close(fd[0]);
    if (p.pidfd >= 0) {
        struct pollfd w = {p.pidfd, POLLIN, 0};

        assert_int_equal(poll(&w, 1, 10000), 1);
    }
    assert_true(proc_wait(&p, true, &end));
    assert_int_equal(end.signal, SIGKILL);
}

static void test_child_starts_with_default_signals_in_its_folder(void **state)
{
    const char *const argv[] = {"/bin/sh", "-c", "pwd; kill -PIPE $$; echo survived", NULL};
    char *dir = tmpdir_make(), text[4096] = "";
    struct proc_opts o = shell(argv);
    struct proc_end end;
    sigset_t block, old;
    struct proc p;
    int fd[2];
    struct err e;

    (void)state;
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&block);
    sigaddset(&block, SIGPIPE);
    sigprocmask(SIG_BLOCK, &block, &old);
    assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
    o.stdout_fd = fd[1];
    o.cwd = dir;
    assert_ok(proc_spawn(&p, &o, &e), e);
    sigprocmask(SIG_SETMASK, &old, NULL);
    signal(SIGPIPE, SIG_DFL);
    close(fd[1]);
    assert_true(proc_wait(&p, true, &end));
    assert_int_equal(end.signal, SIGPIPE);
    assert_true(read(fd[0], text, sizeof text - 1) > 0);
    assert_has(text, dir);
    close(fd[0]);
    o.cwd = "/nonexistent";
    o.stdout_fd = -1;
    assert_fails(proc_spawn(&p, &o, &e), ERR_UNAVAILABLE, e, "No such file");
    tmpdir_remove(dir);
}

static void test_launcher_variables_are_scrubbed(void **state)
{
    static const char *const names[] = {
        "OMPI_COMM_WORLD_RANK",   "PMIX_RANK", "PMI_SIZE", "ORTE_X", "PRTE_Y", "OMPI_MCA_btl",
        "OMPI_ALLOW_RUN_AS_ROOT", "PMIXED"};
    struct buf out = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        setenv(names[i], "7", 1);
    unsetenv("SAEGRID_KEEP_MCA");
    run("env", NULL, &out);
    for (size_t i = 0; i < 6; i++)
        assert_null(strstr(out.data, names[i]));
    assert_has(out.data, "OMPI_ALLOW_RUN_AS_ROOT=7");
    assert_has(out.data, "PMIXED=7");
    assert_has(out.data, "PATH=");
    setenv("SAEGRID_KEEP_MCA", "1", 1);
    buf_reset(&out);
    run("env", NULL, &out);
    assert_has(out.data, "OMPI_MCA_btl=7");
    assert_null(strstr(out.data, "OMPI_COMM"));
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        unsetenv(names[i]);
    unsetenv("SAEGRID_KEEP_MCA");
    buf_free(&out);
}

static void test_a_given_environment_is_all_there_is(void **state)
{
    const char *const env[] = {"ONLY=this", NULL};
    struct buf out = {0};

    (void)state;
    run("/usr/bin/env | grep -v -e ^PWD -e ^_ -e ^SHLVL", env, &out);
    assert_string_equal(out.data, "ONLY=this\n");
    buf_free(&out);
}

/* parent -> middle -> child; the middle dies, the child must follow. */
static void test_die_with_parent(void **state)
{
    int fd[2];
    char c;

    (void)state;
    assert_int_equal(pipe(fd), 0);
    pid_t middle = fork();
    if (middle == 0) {
        pid_t me = getpid();

        if (fork() == 0) {
            proc_die_with_parent(SIGKILL, me);
            if (write(fd[1], "r", 1) != 1)
                _exit(1);
            for (;;)
                pause();
        }
        for (;;)
            pause();
    }
    close(fd[1]);
    assert_int_equal(read(fd[0], &c, 1), 1);
    kill(middle, SIGKILL);
    waitpid(middle, NULL, 0);
    assert_int_equal(read(fd[0], &c, 1), 0); /* the child is gone too */
    close(fd[0]);
}

static void test_a_parent_that_is_already_gone_ends_the_child_at_once(void **state)
{
    pid_t pid = fork();
    int status;

    (void)state;
    if (pid == 0) {
        proc_die_with_parent(SIGTERM, getppid() + 100000000);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 128 + SIGTERM);
}

static void test_cores_are_between_1_and_the_online_ones(void **state)
{
    (void)state;
    assert_in_range(proc_cores(), 1, sysconf(_SC_NPROCESSORS_ONLN));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exit_code_signal_and_usage_are_told),
        cmocka_unit_test(test_a_program_that_is_missing_is_unavailable),
        cmocka_unit_test(test_child_sees_only_its_descriptors),
        cmocka_unit_test(test_extra_descriptor_is_3_whatever_the_numbers_were),
        cmocka_unit_test(test_group_is_own_and_dies_as_a_whole),
        cmocka_unit_test(test_child_starts_with_default_signals_in_its_folder),
        cmocka_unit_test(test_launcher_variables_are_scrubbed),
        cmocka_unit_test(test_a_given_environment_is_all_there_is),
        cmocka_unit_test(test_die_with_parent),
        cmocka_unit_test(test_a_parent_that_is_already_gone_ends_the_child_at_once),
        cmocka_unit_test(test_cores_are_between_1_and_the_online_ones),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
