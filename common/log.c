/* log.c - see log.h. */
#include "common/log.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/clock.h"

static const char *const names[] = {"debug", "info", "warn", "error", "off"};
static enum log_level level_now = LOG_WARN;

void log_level_set(enum log_level level)
{
    level_now = level;
}

void log_level_from_env(void)
{
    const char *text = getenv("SAEGRID_LOG");

    for (size_t i = 0; text && i < ARRAY_LEN(names); i++) {
        if (strcmp(text, names[i]) == 0)
            level_now = (enum log_level)i;
    }
}

void log_line(enum log_level level, const char *event, const char *fmt, ...)
{
    struct buf b = {0};
    char now[21];
    va_list ap;
    ssize_t written;
    size_t from;

    if (level < level_now || level >= LOG_OFF)
        return;
    buf_fmt(&b, "%s %s %s ", clock_iso(now, clock_system.wall_ms(&clock_system)), names[level],
            event);
    from = b.len;
    va_start(ap, fmt);
    buf_vfmt(&b, fmt, ap);
    va_end(ap);
    for (size_t i = from; i < b.len; i++) { /* one event a line, whatever the values hold */
        if (b.data[i] == '\n' || b.data[i] == '\r')
            b.data[i] = ' ';
    }
    buf_char(&b, '\n');
    /* One write, so that lines of several processes do not mix.  A log that cannot be written
     * has nowhere to say so. */
    written = write(STDERR_FILENO, b.data, b.len);
    (void)written;
    buf_free(&b);
}
