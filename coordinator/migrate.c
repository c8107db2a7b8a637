/* migrate.c - see migrate.h. */
#include "coordinator/migrate.h"

#include <string.h>
#include <unistd.h>

#include "coordinator/manifest_internal.h"
#include "coordinator/schema.h"

int migrate_version(void)
{
    return schema_steps[ARRAY_LEN(schema_steps) - 1].version;
}

static enum err_code pragma_i64(sqlite3 *db, const char *sql, int64_t *out, struct err *e)
{
    sqlite3_stmt *st;
    int rc;

    if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK)
        return db_error(db, e, sql);
    rc = sqlite3_step(st);
    *out = rc == SQLITE_ROW ? sqlite3_column_int64(st, 0) : 0;
    sqlite3_finalize(st);
    return rc == SQLITE_ROW ? ERR_OK : db_error(db, e, sql);
}

enum err_code migrate_check(sqlite3 *db, const char *path, int *version, struct err *e)
{
    int64_t app, user, tables;
    enum err_code rc = pragma_i64(db, "PRAGMA application_id", &app, e);

    if (!rc)
        rc = pragma_i64(db, "PRAGMA user_version", &user, e);
    if (!rc)
        rc = pragma_i64(db, "SELECT count(*) FROM sqlite_master", &tables, e);
    if (rc == ERR_CORRUPT)
        return err_set(e, ERR_CORRUPT, "%s: not a SQLite file, or a damaged one; move it away", path);
    if (rc)
        return err_wrap(e, "%s", path);
    if (app != MANIFEST_APPID && (app != 0 || user != 0 || tables != 0))
        return err_set(e, ERR_INVALID,
                       "%s: a SQLite file of another program (application id %lld); choose another "
                       "folder with --results",
                       path, (long long)app);
    if (user > migrate_version())
        return err_set(e, ERR_INVALID,
                       "%s: schema version %lld, but this saegrid knows %d: use a newer saegrid",
                       path, (long long)user, migrate_version());
    *version = (int)user;
    return ERR_OK;
}

static enum err_code backup(sqlite3 *db, const char *path, int version, struct err *e)
{
    struct buf to = {0};
    enum err_code rc = ERR_OK;

    buf_fmt(&to, "%s.v%d.bak", path, version);
    if (access(to.data, F_OK) != 0) {
        char *quoted = sqlite3_mprintf("VACUUM INTO %Q", to.data);

        rc = quoted ? db_script(db, quoted, e) : err_set(e, ERR_NOMEM, "backup: out of memory");
        sqlite3_free(quoted);
    }
    buf_free(&to);
    return rc;
}

static enum err_code run_step(sqlite3 *db, size_t i, struct err *e)
{
    struct buf sql = {0};
    enum err_code rc;

    buf_fmt(&sql, "BEGIN IMMEDIATE;\n%s\nPRAGMA application_id = %d;\nPRAGMA user_version = %d;\nCOMMIT;",
            schema_steps[i].sql, MANIFEST_APPID, schema_steps[i].version);
    rc = db_script(db, sql.data, e);
    if (rc) {
        if (!sqlite3_get_autocommit(db))
            sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
        err_wrap(e, "schema/%s", schema_steps[i].name);
    }
    buf_free(&sql);
    return rc;
}

enum err_code migrate(sqlite3 *db, const char *path, struct err *e)
{
    int version;
    enum err_code rc = migrate_check(db, path, &version, e);

    if (!rc && version > 0 && version < migrate_version())
        rc = backup(db, path, version, e);
    for (size_t i = 0; !rc && i < ARRAY_LEN(schema_steps); i++)
        if (schema_steps[i].version > version)
            rc = run_step(db, i, e);
    return rc;
}
