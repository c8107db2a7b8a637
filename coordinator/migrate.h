/* migrate.h - the schema of a manifest: steps of schema/NNN_*.sql, forward only.
 *
 * The steps are part of the program.  PRAGMA user_version is the last one done.
 */
#pragma once
#include "common/buf.h"
#include "common/err.h"

struct sqlite3;

int migrate_version(void); /* the newest step */

/* ERR_INVALID for a file that is not a manifest, ERR_INVALID for one made by a newer saegrid,
 * ERR_CORRUPT for a file that SQLite cannot read.  *version is 0 for an empty file. */
MUST_CHECK enum err_code migrate_check(struct sqlite3 *db, const char *path, int *version,
                                       struct err *e);
/* Does the missing steps, each in one transaction.  An older manifest is first copied to
 * <path>.v<version>.bak. */
MUST_CHECK enum err_code migrate(struct sqlite3 *db, const char *path, struct err *e);
