/* manifest_db.c - wrappers over SQLite: errors with context, binding by letters, transactions. */
#include "coordinator/manifest_internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "common/oom.h"

static const struct {
    const char *name, *sql;
} statements[ST_COUNT] = {
#define STATEMENT(name, sql) {#name, sql},
#include "coordinator/manifest_sql.def"
#undef STATEMENT
};

/* SQLite keeps no errno of a write to its journal. */
static bool is_size_limited(void)
{
    struct rlimit size;

    return !getrlimit(RLIMIT_FSIZE, &size) && size.rlim_cur != RLIM_INFINITY;
}

enum err_code db_error(sqlite3 *db, struct err *e, const char *what)
{
    int rc = sqlite3_extended_errcode(db), base = rc & 0xff;
    enum err_code code = ERR_BUG;

    if (base == SQLITE_FULL || rc == SQLITE_IOERR_WRITE)
        code = base == SQLITE_FULL ? ERR_NO_SPACE : ERR_IO;
    else if (base == SQLITE_CORRUPT || base == SQLITE_NOTADB)
        code = ERR_CORRUPT;
    else if (base == SQLITE_BUSY || base == SQLITE_LOCKED)
        code = ERR_BUSY;
    else if (base == SQLITE_IOERR || base == SQLITE_CANTOPEN || base == SQLITE_READONLY ||
             base == SQLITE_PERM || base == SQLITE_PROTOCOL)
        code = ERR_IO;
    else if (base == SQLITE_NOMEM)
        code = ERR_NOMEM;
    return err_set(e, code, "manifest: %s: %s (%d)%s", what, sqlite3_errmsg(db), rc,
                   rc == SQLITE_IOERR_WRITE && is_size_limited() ? "; file size is limited (ulimit -f), raise it" : "");
}

enum err_code db_script(sqlite3 *db, const char *sql, struct err *e)
{
    char what[64];

    if (sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK)
        return ERR_OK;
    snprintf(what, sizeof what, "%.50s", sql);
    return db_error(db, e, what);
}

enum err_code db_views_are(sqlite3 *db, const char *sql, bool *same, struct err *e)
{
    sqlite3_stmt *st;

    *same = false;
    if (sqlite3_prepare_v2(db, "SELECT value = ?1 FROM meta WHERE name = 'views'", -1, &st, NULL))
        return db_error(db, e, "views");
    sqlite3_bind_text(st, 1, sql, -1, SQLITE_STATIC);
    *same = sqlite3_step(st) == SQLITE_ROW && sqlite3_column_int(st, 0);
    sqlite3_finalize(st);
    return ERR_OK;
}

enum err_code db_metric_ids(sqlite3 *db, int64_t *ids, struct err *e)
{
    sqlite3_stmt *st;

    if (sqlite3_prepare_v2(db, "SELECT id FROM metric_name WHERE name = ?1", -1, &st, NULL))
        return db_error(db, e, "metrics");
    for (size_t i = 0; i < metric_count(); i++) {
        sqlite3_bind_text(st, 1, metric_at(i)->name, -1, SQLITE_STATIC);
        ids[i] = sqlite3_step(st) == SQLITE_ROW ? sqlite3_column_int64(st, 0) : 0;
        sqlite3_reset(st);
    }
    sqlite3_finalize(st);
    return ERR_OK;
}

enum err_code db_prepare_all(struct manifest *m, struct err *e)
{
    for (int i = 0; i < ST_COUNT; i++)
        if (sqlite3_prepare_v3(m->db, statements[i].sql, -1, SQLITE_PREPARE_PERSISTENT, &m->st[i],
                               NULL) != SQLITE_OK)
            return db_error(m->db, e, statements[i].name);
    return ERR_OK;
}

void db_bind_list(sqlite3_stmt *st, const char *fmt, va_list ap)
{
    sqlite3_clear_bindings(st);
    for (int i = 1; *fmt; fmt++, i++) {
        if (*fmt == 'i' || *fmt == 'z') {
            int64_t v = va_arg(ap, int64_t);

            if (v || *fmt == 'i')
                sqlite3_bind_int64(st, i, v);
        } else if (*fmt == 't') {
            const char *text = va_arg(ap, const char *);

            if (text)
                sqlite3_bind_text(st, i, text, -1, SQLITE_STATIC);
        } else if (*fmt == 'f') {
            double v = va_arg(ap, double);

            if (isfinite(v))
                sqlite3_bind_double(st, i, v);
        } else if (*fmt == 'b') {
            const void *data = va_arg(ap, const void *);
            int n = va_arg(ap, int);

            sqlite3_bind_blob(st, i, data, n, SQLITE_STATIC);
        }
    }
}

static enum err_code step(struct manifest *m, enum statement id, int *rc, struct err *e)
{
    *rc = sqlite3_step(m->st[id]);
    if (*rc == SQLITE_DONE || *rc == SQLITE_ROW)
        return ERR_OK;
    enum err_code code = db_error(m->db, e, statements[id].name);
    db_done(m->st[id]);
    return code;
}

enum err_code db_run(struct manifest *m, enum statement id, struct err *e, const char *fmt, ...)
{
    enum err_code code;
    va_list ap;
    int rc;

    va_start(ap, fmt);
    db_bind_list(m->st[id], fmt, ap);
    va_end(ap);
    code = step(m, id, &rc, e);
    if (!code)
        db_done(m->st[id]);
    return code;
}

int db_changes(const struct manifest *m)
{
    return sqlite3_changes(m->db);
}

static enum err_code row_list(struct manifest *m, enum statement id, sqlite3_stmt **row,
                              struct err *e, const char *fmt, va_list ap)
{
    enum err_code code;
    int rc;

    *row = NULL;
    db_bind_list(m->st[id], fmt, ap);
    code = step(m, id, &rc, e);
    if (code)
        return code;
    if (rc == SQLITE_ROW)
        *row = m->st[id];
    else
        db_done(m->st[id]);
    return ERR_OK;
}

enum err_code db_row(struct manifest *m, enum statement id, sqlite3_stmt **row, struct err *e,
                     const char *fmt, ...)
{
    enum err_code code;
    va_list ap;

    va_start(ap, fmt);
    code = row_list(m, id, row, e, fmt, ap);
    va_end(ap);
    return code;
}

enum err_code db_next(struct manifest *m, sqlite3_stmt **row, struct err *e)
{
    int rc = sqlite3_step(*row);

    if (rc == SQLITE_ROW)
        return ERR_OK;
    enum err_code code = rc == SQLITE_DONE ? ERR_OK : db_error(m->db, e, "read");
    db_done(*row);
    *row = NULL;
    return code;
}

void db_done(sqlite3_stmt *st)
{
    sqlite3_reset(st);
}

enum err_code db_i64(struct manifest *m, enum statement id, int64_t other, int64_t *out,
                     struct err *e, const char *fmt, ...)
{
    sqlite3_stmt *row;
    enum err_code code;
    va_list ap;

    va_start(ap, fmt);
    code = row_list(m, id, &row, e, fmt, ap);
    va_end(ap);
    *out = other;
    if (code || !row)
        return code;
    *out = sqlite3_column_int64(row, 0);
    db_done(row);
    return ERR_OK;
}

const char *db_text(sqlite3_stmt *st, int col)
{
    const char *text = (const char *)sqlite3_column_text(st, col);

    if (!text && sqlite3_errcode(sqlite3_db_handle(st)) == SQLITE_NOMEM) /* not NULL: it had no room for the zero */
        oom_exit("a text of the manifest");
    return text ? text : "";
}

enum err_code db_begin(struct manifest *m, struct err *e)
{
    return db_run(m, ST_BEGIN, e, "");
}

enum err_code db_commit(struct manifest *m, struct err *e)
{
    enum err_code rc = db_run(m, ST_COMMIT, e, "");

    if (rc)
        db_rollback(m);
    return rc;
}

void db_rollback(struct manifest *m)
{
    if (!sqlite3_get_autocommit(m->db))
        sqlite3_exec(m->db, "ROLLBACK", NULL, NULL, NULL);
}

enum err_code db_intern(struct manifest *m, enum statement find, enum statement add,
                        const char *name, int64_t *id, struct err *e)
{
    enum err_code rc = db_i64(m, find, 0, id, e, "t", name);

    if (rc || *id)
        return rc;
    rc = db_run(m, add, e, "t", name);
    *id = sqlite3_last_insert_rowid(m->db);
    return rc;
}
