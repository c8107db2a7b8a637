/* Progress lines: at most five a second, the last never lost. */
#include "tests/lib/check.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "worker/runner/progress.h"

static int ends[2];

static void open_pipe(void)
{
    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
}

/* What has come through so far, as text. */
static const char *drain(void)
{
    static char text[8192];
    ssize_t n = read(ends[0], text, sizeof text - 1);

    text[n > 0 ? n : 0] = '\0';
    return text;
}

static void test_lines_are_throttled_and_the_last_is_sent(void **state)
{
    struct progress p;
    (void)state;

    open_pipe();
    p = (struct progress){.fd = ends[1]};
    for (int ms = 0; ms < 1000; ms += 10)
        progress_line(&p, ms, ms / 10, 100, "working");
    const char *text = drain();
    int n = 0;
    for (const char *c = text; *c; c++)
        n += *c == '\n';
    assert_int_equal(n, 5);
    assert_has(text, "0 100 working\n");
    assert_has(text, "80 100 working\n");
    progress_flush(&p);
    assert_string_equal(drain(), "99 100 working\n");
    progress_flush(&p);
    assert_string_equal(drain(), "");
    close(ends[0]);
    close(ends[1]);
}

static void test_a_line_is_one_line_of_bounded_length(void **state)
{
    char text[3000];
    struct progress p;
    (void)state;

    open_pipe();
    p = (struct progress){.fd = ends[1]};
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    text[10] = '\n';
    progress_line(&p, 0, 1, 2, text);
    const char *got = drain();
    assert_int_equal(strlen(got), PROGRESS_LINE_MAX - 1);
    assert_ptr_equal(strchr(got, '\n'), got + strlen(got) - 1);
    close(ends[0]);
    close(ends[1]);
}

static void test_nobody_listening_is_no_error(void **state)
{
    struct progress p = {.fd = -1};
    (void)state;

    progress_line(&p, 0, 1, 2, "x");
    open_pipe();
    close(ends[1]);
    p.fd = ends[0]; /* not writable: as good as closed */
    progress_line(&p, 1000, 1, 2, "x");
    assert_int_equal(p.fd, -1);
    progress_flush(&p);
    close(ends[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_are_throttled_and_the_last_is_sent),
        cmocka_unit_test(test_a_line_is_one_line_of_bounded_length),
        cmocka_unit_test(test_nobody_listening_is_no_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
