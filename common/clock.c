/* clock.c - see clock.h. */
#include "common/clock.h"

#include <stdio.h>
#include <time.h>

static int64_t system_mono_us(const struct clock *c)
{
    struct timespec t;

    (void)c;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int64_t system_wall_ms(const struct clock *c)
{
    struct timespec t;

    (void)c;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void system_sleep_us(const struct clock *c, int64_t us)
{
    struct timespec t = {us / 1000000, us % 1000000 * 1000};

    (void)c;
    if (us > 0)
        nanosleep(&t, NULL);
}

const struct clock clock_system = {system_mono_us, system_wall_ms, system_sleep_us, NULL};

/* Broken-down UTC; the year is kept to four digits. */
static struct tm utc(int64_t wall_ms)
{
    time_t t = (time_t)(wall_ms >= 0 ? wall_ms / 1000 : (wall_ms - 999) / 1000);
    struct tm tm = {0};

    gmtime_r(&t, &tm);
    if (tm.tm_year < -1900)
        tm.tm_year = -1900;
    if (tm.tm_year > 8099)
        tm.tm_year = 8099;
    return tm;
}

char *clock_iso(char out[21], int64_t wall_ms)
{
    struct tm tm = utc(wall_ms);

    strftime(out, 21, "%Y-%m-%dT%H:%M:%SZ", &tm);
    return out;
}

char *clock_day(char out[9], int64_t wall_ms)
{
    struct tm tm = utc(wall_ms);

    strftime(out, 9, "%Y%m%d", &tm);
    return out;
}
