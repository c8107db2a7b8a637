/* test_arena.c - the bump allocator. */
#include "tests/lib/check.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/arena.h"

static void test_memory_is_aligned_and_zero_even_when_reused(void **state)
{
    struct arena a;
    struct err e;

    (void)state;
    assert_ok(arena_open(&a, "test", 4096, &e), e);
    for (int round = 0; round < 2; round++) {
        size_t mark = arena_mark(&a);

        for (size_t n = 1; n < 20; n += 3) {
            unsigned char *p = arena_new(&a, unsigned char, n);

            assert_int_equal((uintptr_t)p % 64, 0);
            for (size_t i = 0; i < n; i++)
                assert_int_equal(p[i], 0);
            memset(p, 0xAA, n);
        }
        arena_reset(&a, mark);
    }
    arena_close(&a);
}

static void test_peak_is_what_was_planned(void **state)
{
    size_t plan = arena_need(10, sizeof(double)) + arena_need(3, 1);
    struct arena a;
    struct err e;

    (void)state;
    assert_ok(arena_open(&a, "test", plan, &e), e);
    size_t mark = arena_mark(&a);
    arena_new(&a, double, 10);
    arena_new(&a, char, 3);
    assert_int_equal(a.used, plan);
    arena_reset(&a, mark);
    assert_int_equal(a.used, 0);
    assert_int_equal(a.peak, plan);
    arena_close(&a);
    arena_close(&a); /* no-op */
}

static void test_sizes_that_overflow_never_fit(void **state)
{
    (void)state;
    assert_true(arena_need(SIZE_MAX / 8, 16) >= SIZE_MAX / 2);
    assert_true(arena_need(SIZE_MAX, SIZE_MAX) >= SIZE_MAX / 2);
}

static void test_overflow_of_the_plan_aborts(void **state)
{
    pid_t pid = fork();
    int status;

    (void)state;
    if (pid == 0) {
        struct arena a;

        fclose(stderr);
        signal(SIGABRT, SIG_DFL);
        if (arena_open(&a, "test", 64, NULL))
            _exit(1);
        arena_alloc(&a, 65, 1);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory_is_aligned_and_zero_even_when_reused),
        cmocka_unit_test(test_peak_is_what_was_planned),
        cmocka_unit_test(test_sizes_that_overflow_never_fit),
        cmocka_unit_test(test_overflow_of_the_plan_aborts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
