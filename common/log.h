/* log.h - levelled key=value lines on stderr, one event a line.
 *
 *   log_info("lease.grant", "job=%" PRId64 " rank=%d", job, rank);
 *   -> 2026-02-12T10:11:12Z info lease.grant job=12 rank=3
 *
 * The level is the program's only global (SAEGRID_LOG=debug|info|warn|error|off; first: warn).
 */
#pragma once
#include "common/err.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_OFF };

void log_level_set(enum log_level level);
void log_level_from_env(void);
void log_line(enum log_level level, const char *event, const char *fmt, ...) PRINTF_LIKE(3, 4);

#define log_debug(event, ...) log_line(LOG_DEBUG, event, __VA_ARGS__)
#define log_info(event, ...)  log_line(LOG_INFO, event, __VA_ARGS__)
#define log_warn(event, ...)  log_line(LOG_WARN, event, __VA_ARGS__)
#define log_error(event, ...) log_line(LOG_ERROR, event, __VA_ARGS__)
