/* test_log.c - log lines and the texts of times. */
#include "tests/lib/check.h"
#include "tests/lib/tmpdir.h"

#include <fcntl.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fs.h"
#include "common/log.h"

/* Everything that three calls write to stderr at a level. */
static char *logged(enum log_level level)
{
    char *dir = tmpdir_make(), *path = tmpdir_path(dir, "log");
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600), saved = dup(2);
    struct buf out = {0};
    struct err e;

    log_level_set(level);
    dup2(fd, 2);
    log_debug("a.debug", "n=%d", 1);
    log_info("a.info", "text=%s", "two\nlines");
    log_error("a.error", "n=%d", 3);
    dup2(saved, 2);
    close(saved);
    close(fd);
    assert_ok(fs_read(path, 10000, &out, &e), e);
    free(path);
    tmpdir_remove(dir);
    return buf_steal(&out);
}

static void test_one_event_is_one_line_with_its_time(void **state)
{
    char *text = logged(LOG_INFO);

    (void)state;
    assert_null(strstr(text, "a.debug"));
    assert_has(text, "Z info a.info text=two lines\n");
    assert_has(text, "Z error a.error n=3\n");
    assert_int_equal(text[4], '-');
    assert_int_equal(text[10], 'T');
    free(text);
}

static void test_levels_hide_what_is_below(void **state)
{
    char *text = logged(LOG_OFF);

    (void)state;
    assert_string_equal(text, "");
    free(text);
    setenv("SAEGRID_LOG", "loud", 1);
    log_level_from_env(); /* unknown: unchanged */
    text = logged(LOG_ERROR);
    assert_null(strstr(text, "a.info"));
    assert_has(text, "a.error");
    free(text);
}

static void test_times_as_text(void **state)
{
    char iso[21], day[9];

    (void)state;
    assert_string_equal(clock_iso(iso, 1770891072000), "2026-02-12T10:11:12Z");
    assert_string_equal(clock_day(day, 1770891072000), "20260212");
    assert_string_equal(clock_iso(iso, 0), "1970-01-01T00:00:00Z");
    assert_string_equal(clock_iso(iso, -1), "1969-12-31T23:59:59Z");
    assert_int_equal(strlen(clock_iso(iso, INT64_MAX)), 20);
}

static void test_the_system_clock_goes_forward(void **state)
{
    int64_t from = clock_system.mono_us(&clock_system);

    (void)state;
    clock_system.sleep_us(&clock_system, 1500);
    assert_true(clock_system.mono_us(&clock_system) - from >= 1500);
    assert_true(clock_system.wall_ms(&clock_system) > 1577836800000); /* 2020 */
    assert_true(clock_ms(&clock_system) >= from / 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_event_is_one_line_with_its_time),
        cmocka_unit_test(test_levels_hide_what_is_below),
        cmocka_unit_test(test_times_as_text),
        cmocka_unit_test(test_the_system_clock_goes_forward),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
