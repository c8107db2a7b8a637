/* fix.h - the commit that mends a failure must exist. */
#pragma once
#include "common/buf.h"
#include "common/err.h"

/* The full hash of a commit of the git repository around the current folder. */
MUST_CHECK enum err_code fix_commit(const char *text, struct buf *hash, struct err *e);
