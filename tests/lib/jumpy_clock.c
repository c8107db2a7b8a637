/* jumpy_clock.c - preloaded by tests/e2e/clock.sh: the wall clock leaps by a day, forth and back, five times
 * a second.  CLOCK_MONOTONIC stays what it is.  Not part of testlib. */
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t id, struct timespec *t)
{
    struct timespec mono;
    long rc = syscall(SYS_clock_gettime, id, t);

    syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &mono);
    if (rc == 0 && id == CLOCK_REALTIME)
        t->tv_sec += (mono.tv_nsec / 100000000 % 2 ? 1 : -1) * 86400L;
    return (int)rc;
}

int gettimeofday(struct timeval *restrict t, void *restrict zone)
{
    struct timespec now;
    int rc = clock_gettime(CLOCK_REALTIME, &now);

    (void)zone;
    *t = (struct timeval){now.tv_sec, now.tv_nsec / 1000};
    return rc;
}

time_t time(time_t *out)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    if (out)
        *out = now.tv_sec;
    return now.tv_sec;
}
