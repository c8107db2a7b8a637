/* clock.h - time as an argument.  Nobody else calls time() or clock_gettime().
 *
 * Leases, deadlines and rates use mono_ms (never jumps); wall_ms is for people.
 */
#pragma once
#include <stdint.h>

struct clock {
    int64_t (*mono_us)(const struct clock *c); /* microseconds, monotonic */
    int64_t (*wall_ms)(const struct clock *c); /* milliseconds since 1970, UTC */
    void (*sleep_us)(const struct clock *c, int64_t us); /* a signal ends it early */
    void *user;
};

extern const struct clock clock_system;

static inline int64_t clock_ms(const struct clock *c)
{
    return c->mono_us(c) / 1000;
}

/* "2026-02-12T10:11:12Z" into out (>= 21 bytes); "20260212" into out (>= 9 bytes). */
char *clock_iso(char out[21], int64_t wall_ms);
char *clock_day(char out[9], int64_t wall_ms);
