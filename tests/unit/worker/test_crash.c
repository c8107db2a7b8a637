/* A dying runner names job, phase, step and stack, and still dies of its signal.
 * The program starts itself to die in the child. */
#include "tests/lib/check.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/proc.h"
#include "worker/runner/crash.h"

static int deep(volatile int n)
{
    volatile char page[256];

    page[0] = (char)n;
    return n > 1 << 30 ? page[0] : deep(n + 1) + page[0];
}

static int die(const char *how)
{
    crash_install();
    crash_job("the_run");
    crash_phase("run");
    crash_step(-42);
    if (strcmp(how, "overflow") == 0)
        return deep(0);
    raise(atoi(how));
    return 0;
}

/* Runs ourselves with `how`; returns the signal, and what was said in text. */
static int child(const char *how, char *text, size_t size)
{
    const char *argv[] = {"/proc/self/exe", "--die", how, NULL};
    int fd = memfd_create("stderr", MFD_CLOEXEC);
    struct proc_opts o = {.argv = argv, .stdin_fd = -1, .stdout_fd = fd, .stderr_fd = fd,
                          .extra_fd = -1};
    struct proc p;
    struct proc_end end;
    struct err e;

    assert_true(fd >= 0);
    assert_ok(proc_spawn(&p, &o, &e), e);
    assert_true(proc_wait(&p, true, &end));
    ssize_t n = pread(fd, text, size - 1, 0);
    text[n > 0 ? n : 0] = '\0';
    close(fd);
    return end.signal;
}

static void test_each_fatal_signal_is_reported_and_kept(void **state)
{
    static const struct {
        int sig;
        const char *name;
    } row[] = {{SIGSEGV, "SIGSEGV"}, {SIGABRT, "SIGABRT"}, {SIGBUS, "SIGBUS"}, {SIGFPE, "SIGFPE"},
               {SIGILL, "SIGILL"}};
    char text[16384], how[16], want[80];
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(row); i++) {
        snprintf(how, sizeof how, "%d", row[i].sig);
        assert_int_equal(child(how, text, sizeof text), row[i].sig);
        snprintf(want, sizeof want, "job the_run: %s in phase run, step -42, stack:\n", row[i].name);
        assert_has(text, want);
        assert_has(text, "self/exe("); /* a frame of the stack */
    }
}

static void test_a_stack_overflow_is_reported_too(void **state)
{
    char text[16384];
    (void)state;

    assert_int_equal(child("overflow", text, sizeof text), SIGSEGV);
    assert_has(text, "job the_run: SIGSEGV in phase run");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_fatal_signal_is_reported_and_kept),
        cmocka_unit_test(test_a_stack_overflow_is_reported_too),
    };

    if (argc == 3 && strcmp(argv[1], "--die") == 0)
        return die(argv[2]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
