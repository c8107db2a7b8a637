/* gz.h - reads files that may be gzip'd. */
#pragma once
#include "common/buf.h"

/* The whole content, at most `max` bytes of it, appended to out; a plain file as it is. */
MUST_CHECK enum err_code gz_read(const char *path, size_t max, struct buf *out, struct err *e);
