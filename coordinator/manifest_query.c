/* manifest_query.c - see manifest_query.h. */
#include "coordinator/manifest_query.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/oom.h"
#include "coordinator/manifest_internal.h"
#include "coordinator/migrate.h"
#include "coordinator/opts.h"
#include "coordinator/views.h"

struct query {
    sqlite3 *db;
};

const char *manifest_sqlite_version(void)
{
    return sqlite3_libversion();
}

static bool has_wal(const char *path)
{
    struct buf wal = {0};
    struct stat st;
    bool any;

    buf_fmt(&wal, "%s-wal", path);
    any = stat(wal.data, &st) == 0 && st.st_size > 0;
    buf_free(&wal);
    return any;
}

/* A folder that we cannot write and nobody else is writing: WAL's side files cannot be made, and
 * need not be. */
static enum err_code open_still(struct query *q, const char *path, struct err *e)
{
    struct buf uri = {0};
    int rc;

    buf_str(&uri, "file:");
    for (const char *p = path; *p; p++) {
        if (*p == '?' || *p == '#' || *p == '%')
            buf_fmt(&uri, "%%%02x", (unsigned)*p);
        else
            buf_char(&uri, *p);
    }
    buf_str(&uri, "?immutable=1");
    sqlite3_close(q->db);
    rc = sqlite3_open_v2(uri.data, &q->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_EXRESCODE, NULL);
    buf_free(&uri);
    return rc == SQLITE_OK ? ERR_OK : db_error(q->db, e, path);
}

/* Views that another version of this program left are covered by ours. */
static enum err_code own_views(struct query *q, struct err *e)
{
    struct buf sql = {0}, temp = {0};
    bool same = true;
    int64_t *ids = calloc(metric_count(), sizeof *ids);
    enum err_code rc = ids ? db_metric_ids(q->db, ids, e) : err_set(e, ERR_NOMEM, "views: out of memory");

    if (!rc) {
        views_sql(&sql, ids);
        rc = db_views_are(q->db, sql.data, &same, e);
    }
    if (!rc && !same) {
        buf_str(&temp, "PRAGMA temp_store = MEMORY;\n");
        views_temp_sql(&temp, ids);
        rc = db_script(q->db, temp.data, e);
    }
    free(ids);
    buf_free(&sql);
    buf_free(&temp);
    return rc;
}

static enum err_code open_file(struct query *q, const char *results, const char *path, struct err *e)
{
    int version, flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    enum err_code rc;

    if (sqlite3_open_v2(path, &q->db, flags, NULL) != SQLITE_OK)
        return db_error(q->db, e, path);
    sqlite3_busy_timeout(q->db, 5000);
    rc = migrate_check(q->db, path, &version, e);
    if (rc == ERR_IO && access(results, W_OK) != 0 && !has_wal(path)) {
        rc = open_still(q, path, e);
        if (!rc)
            rc = migrate_check(q->db, path, &version, e);
    }
    if (!rc && version < migrate_version())
        rc = err_set(e, ERR_INVALID, "%s: schema version %d, this saegrid reads %d: run a sweep to bring it up to date",
                     path, version, migrate_version());
    if (!rc)
        rc = own_views(q, e);
    if (!rc)
        rc = db_script(q->db, "PRAGMA query_only = ON; PRAGMA cache_size = -65536", e);
    return rc;
}

enum err_code query_open(const char *results, struct query **out, struct err *e)
{
    struct query *q = calloc(1, sizeof *q);
    struct buf path = {0};
    struct stat st;
    enum err_code rc;

    *out = NULL;
    if (!q)
        return err_set(e, ERR_NOMEM, "manifest: out of memory");
    buf_fmt(&path, "%s/%s", results, MANIFEST_FILE);
    if (stat(path.data, &st) != 0 && errno == ENOENT)
        rc = err_set(e, ERR_NOT_FOUND, "no manifest in %s: run a sweep first, or name its folder with --results",
                     results);
    else if (stat(path.data, &st) != 0)
        rc = err_errno(e, errno, "%s", path.data);
    else if (!S_ISREG(st.st_mode))
        rc = err_set(e, ERR_INVALID, "%s: not a file", path.data);
    else
        rc = open_file(q, results, path.data, e);
    buf_free(&path);
    if (rc)
        query_close(q);
    else
        *out = q;
    return rc;
}

void query_close(struct query *q)
{
    if (!q)
        return;
    sqlite3_close(q->db);
    free(q);
}

static void take_cell(sqlite3_stmt *st, int i, struct cell *c)
{
    switch (sqlite3_column_type(st, i)) {
    case SQLITE_INTEGER:
        cell_set_i64(c, sqlite3_column_int64(st, i));
        break;
    case SQLITE_FLOAT:
        cell_set_f64(c, sqlite3_column_double(st, i));
        break;
    case SQLITE_NULL:
        break;
    default:
        if (!sqlite3_column_text(st, i))
            oom_exit("a text of the manifest");
        cell_set_text(c, (const char *)sqlite3_column_text(st, i));
    }
}

static enum err_code table_list(struct query *q, struct table *out, struct err *e, const char *sql,
                                const char *fmt, va_list ap)
{
    sqlite3_stmt *st;
    int rc;

    if (sqlite3_prepare_v2(q->db, sql, -1, &st, NULL) != SQLITE_OK)
        return err_set(e, ERR_INVALID, "%s", sqlite3_errmsg(q->db));
    db_bind_list(st, fmt, ap);
    for (int i = 0; i < sqlite3_column_count(st); i++)
        table_add_col(out, sqlite3_column_name(st, i));
    while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
        struct cell *row = table_add_row(out);

        for (int i = 0; i < sqlite3_column_count(st); i++)
            take_cell(st, i, &row[i]);
    }
    enum err_code code = rc == SQLITE_DONE ? ERR_OK : db_error(q->db, e, "read");
    sqlite3_finalize(st);
    return code;
}

enum err_code query_table(struct query *q, struct table *out, struct err *e, const char *sql, const char *fmt, ...)
{
    enum err_code rc;
    va_list ap;

    va_start(ap, fmt);
    rc = table_list(q, out, e, sql, fmt, ap);
    va_end(ap);
    return rc;
}

enum err_code query_i64(struct query *q, int64_t *out, struct err *e, const char *sql, const char *fmt, ...)
{
    struct table t = {0};
    enum err_code rc;
    va_list ap;

    va_start(ap, fmt);
    rc = table_list(q, &t, e, sql, fmt, ap);
    va_end(ap);
    *out = !rc && t.n_rows && t.cells[0].type == CELL_I64 ? t.cells[0].i : 0;
    table_free(&t);
    return rc;
}

enum err_code query_job(struct query *q, const char *text, int64_t *job, struct err *e)
{
    struct table t = {0};
    struct buf list = {0};
    enum err_code rc;

    if (!*text)
        return err_set(e, ERR_USAGE, "JOB is empty: give the beginning of an id or of a run name");
    rc = query_table(q, &t, e,
                     "SELECT id, run_name FROM job WHERE run_name = ?1"
                     " OR length(?1) >= 4 AND lower(substr(hex(digest), 1, length(?1))) = lower(?1)"
                     " OR substr(run_name, 1, length(?1)) = ?1 ORDER BY run_name <> ?1, id LIMIT 6",
                     "t", text);
    if (!rc && t.n_rows == 0)
        rc = err_set(e, ERR_NOT_FOUND, "%s: no job has this id or run name; saegrid jobs lists them", text);
    if (!rc && t.n_rows > 1 && strcmp(t.cells[1].text, text) != 0) {
        for (size_t i = 0; i < t.n_rows && i < 5; i++)
            buf_fmt(&list, "%s%s", i ? ", " : "", table_cell(&t, i, 1)->text);
        rc = err_set(e, ERR_INVALID, "%s: several jobs begin so: %s%s", text, list.data,
                     t.n_rows > 5 ? ", ..." : "");
    }
    if (!rc)
        *job = t.cells[0].i;
    buf_free(&list);
    table_free(&t);
    return rc;
}

enum err_code query_sweep(struct query *q, const char *name, int64_t *sweep, struct err *e)
{
    const char *names[64], *near;
    struct table t = {0};
    size_t n = 0;
    enum err_code rc = query_i64(q, sweep, e, "SELECT id FROM sweep WHERE name = ?", "t", name);

    if (rc || *sweep)
        return rc;
    rc = query_table(q, &t, e, "SELECT name FROM sweep ORDER BY id DESC LIMIT 64", "");
    if (rc)
        return rc;
    for (; n < t.n_rows; n++)
        names[n] = t.cells[n].text;
    near = opts_nearest(names, n, name);
    if (near)
        rc = err_set(e, ERR_NOT_FOUND, "%s: no such sweep (did you mean %s?)", name, near);
    else
        rc = err_set(e, ERR_NOT_FOUND, "%s: no such sweep; saegrid status lists them", name);
    table_free(&t);
    return rc;
}

enum err_code query_integrity(struct query *q, struct buf *out, struct err *e)
{
    struct table t = {0};
    enum err_code rc = query_table(q, &t, e, "PRAGMA integrity_check(1)", "");

    if (!rc && t.n_rows && strcmp(t.cells[0].text, "ok") != 0)
        buf_str(out, t.cells[0].text);
    table_free(&t);
    if (rc)
        return rc;
    rc = query_table(q, &t, e, "PRAGMA foreign_key_check", "");
    if (!rc && t.n_rows)
        buf_fmt(out, "table %s has rows that refer to nothing", t.cells[0].text);
    table_free(&t);
    return rc;
}
