/* caplog.h - a log of bounded size: the first half and the last half of what came.
 *
 * The first half goes to the file at once; the last is kept in memory and written at the end,
 * behind a line that says how much is missing.
 */
#pragma once
#include <stdint.h>

#include "common/buf.h"

enum { CAPLOG_LINE_MAX = 400 };

struct caplog {
    int fd;
    size_t half;            /* bytes of each half */
    uint64_t n_head, n_rest;
    char *ring;             /* last `half` bytes of the rest */
    size_t n_line;
    char line[CAPLOG_LINE_MAX + 1];      /* being read */
    char last_line[CAPLOG_LINE_MAX + 1]; /* last of the runner's own, else last that was not blank */
};

/* Appends to `path`. */
MUST_CHECK enum err_code caplog_open(struct caplog *l, const char *path, size_t cap, struct err *e);
void caplog_add(struct caplog *l, const char *data, size_t n); /* a full disk loses text only */
void caplog_close(struct caplog *l);                           /* no-op if not open */
const char *caplog_last(struct caplog *l);                     /* last line, ended or not */
