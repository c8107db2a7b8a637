/* test_oom.c - the end for want of memory has its exit code, and names a limit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/oom.h"

static int end_under(rlim_t space, char *said, size_t size)
{
    int fd[2], status = 0;
    ssize_t n;

    assert_int_equal(pipe(fd), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct rlimit limit = {space, RLIM_INFINITY};

        dup2(fd[1], STDERR_FILENO);
        if (space != RLIM_INFINITY && setrlimit(RLIMIT_AS, &limit))
            _exit(1);
        oom_exit("%d of %s", 7, "them");
    }
    close(fd[1]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    for (size_t at = 0; (n = read(fd[0], said + at, size - 1 - at)) > 0; at += (size_t)n)
        said[at + (size_t)n] = '\0';
    close(fd[0]);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_it_says_what_and_ends(void **state)
{
    char said[600] = "";

    (void)state;
    assert_int_equal(end_under(RLIM_INFINITY, said, sizeof said), 71);
    assert_string_equal(said, "out of memory: 7 of them\n");
}

static void test_a_limit_is_named(void **state)
{
    char said[600] = "";

    (void)state;
    assert_int_equal(end_under(5 << 20, said, sizeof said), 71); /* less than it has: nothing more is to be had */
    assert_string_equal(said, "out of memory: 7 of them; the address space is limited to 5 MiB (ulimit -v)\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_says_what_and_ends),
        cmocka_unit_test(test_a_limit_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
