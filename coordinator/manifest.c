/* manifest.c - opening and closing the manifest as its only writer.
 *
 * Order matters: the lock first, then a look at the file (nothing is touched if it is not ours),
 * then the journal mode that its file system can hold, then migrations, views and statements.
 */
#include "coordinator/manifest_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fs.h"
#include "common/log.h"
#include "common/stats.h"
#include "common/version.h"
#include "coordinator/migrate.h"
#include "coordinator/views.h"

enum { STUDENT_MAX = 101 };

static enum err_code fill_names(struct manifest *m, struct err *e)
{
    static const char *const better[] = {
        [BETTER_NONE] = "none", [BETTER_HIGH] = "high", [BETTER_LOW] = "low"};
    enum err_code rc = ERR_OK;

    for (size_t i = 0; i < metric_count() && !rc; i++) {
        const struct metric_row *r = metric_at(i);

        rc = db_run(m, ST_METRIC_NAME_SET, e, "ttttit", r->name, r->long_name, r->unit,
                    better[r->better], (int64_t)r->is_volatile, r->help);
    }
    return rc;
}

static enum err_code fill_student(sqlite3 *db, struct err *e)
{
    struct buf sql = {0};
    enum err_code rc;

    buf_str(&sql, "INSERT OR IGNORE INTO student_t (n, q) VALUES ");
    for (int n = 2; n <= STUDENT_MAX; n++) {
        buf_fmt(&sql, "%s(%d, ", n > 2 ? "," : "", n);
        buf_f64(&sql, stats_t_quantile(0.975, n - 1));
        buf_char(&sql, ')');
    }
    rc = db_script(db, sql.data, e);
    buf_free(&sql);
    return rc;
}

/* Views of this program's knobs and metrics; made anew only when their text has changed. */
static enum err_code make_views(struct manifest *m, struct err *e)
{
    struct buf sql = {0};
    bool same = false;
    int64_t *ids = calloc(metric_count(), sizeof *ids);
    enum err_code rc = ids ? db_metric_ids(m->db, ids, e) : err_set(e, ERR_NOMEM, "views: out of memory");

    if (!rc) {
        views_sql(&sql, ids);
        rc = db_views_are(m->db, sql.data, &same, e);
    }
    free(ids);
    if (!rc && !same) {
        char *keep = sqlite3_mprintf("BEGIN IMMEDIATE; %s INSERT OR REPLACE INTO meta VALUES "
                                     "('views', %Q); COMMIT;", sql.data, sql.data);

        rc = db_script(m->db, keep, e);
        sqlite3_free(keep);
        db_rollback(m);
    }
    buf_free(&sql);
    return rc;
}

static enum err_code set_journal(struct manifest *m, const char *path, struct err *e)
{
    struct buf sql = {0};
    enum err_code rc;

    buf_fmt(&sql, "PRAGMA journal_mode = %s; PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 67108864;"
                  "PRAGMA wal_autocheckpoint = 4000; PRAGMA cache_size = -65536; PRAGMA secure_delete = OFF;",
            fs_network_type(path) ? "TRUNCATE" : "WAL");
    rc = db_script(m->db, sql.data, e);
    buf_free(&sql);
    return rc;
}

static enum err_code quick_check(struct manifest *m, const char *path, struct err *e)
{
    sqlite3_stmt *st;
    enum err_code rc = ERR_OK;
    bool was_closed;

    if (sqlite3_prepare_v2(m->db, "SELECT ended_ms IS NOT NULL FROM session ORDER BY id DESC LIMIT 1", -1,
                           &st, NULL))
        return db_error(m->db, e, path);
    was_closed = sqlite3_step(st) != SQLITE_ROW || sqlite3_column_int(st, 0);
    sqlite3_finalize(st);
    if (was_closed)
        return ERR_OK;
    if (sqlite3_prepare_v2(m->db, "PRAGMA quick_check(1)", -1, &st, NULL))
        return db_error(m->db, e, path);
    if (sqlite3_step(st) != SQLITE_ROW || strcmp(db_text(st, 0), "ok") != 0)
        rc = err_set(e, ERR_CORRUPT,
                     "%s: damaged (%s); restore a copy, or recover it with: sqlite3 %s .recover", path,
                     db_text(st, 0), path);
    sqlite3_finalize(st);
    return rc;
}

static enum err_code open_session(struct manifest *m, struct err *e)
{
    char host[256] = "unknown";
    enum err_code rc;

    gethostname(host, sizeof host - 1);
    rc = db_run(m, ST_SESSION_ADD, e, "titti", host, (int64_t)getpid(), SAEGRID_VERSION, SAEGRID_COMMIT,
                clock_system.wall_ms(&clock_system));
    m->session = sqlite3_last_insert_rowid(m->db);
    return rc;
}

static enum err_code open_db(struct manifest *m, const char *path, struct err *e)
{
    int version;
    enum err_code rc = ERR_OK;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;

    if (sqlite3_libversion_number() < 3037000)
        return err_set(e, ERR_UNAVAILABLE, "SQLite %s: 3.37 or newer is needed", sqlite3_libversion());
    /* One thread, and nobody reads the counters: refused without harm if SQLite is in use already. */
    (void)sqlite3_config(SQLITE_CONFIG_SINGLETHREAD);
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    if (sqlite3_open_v2(path, &m->db, flags, NULL) != SQLITE_OK)
        return db_error(m->db, e, path);
    sqlite3_busy_timeout(m->db, 5000);
    rc = migrate_check(m->db, path, &version, e);
    if (!rc)
        rc = db_script(m->db, "PRAGMA foreign_keys = ON; PRAGMA cell_size_check = ON", e);
    if (!rc)
        rc = set_journal(m, path, e);
    if (!rc && version > 0)
        rc = quick_check(m, path, e);
    if (!rc)
        rc = migrate(m->db, path, e);
    if (!rc && version == 0)
        rc = fill_student(m->db, e);
    if (!rc)
        rc = db_prepare_all(m, e);
    if (!rc)
        rc = db_begin(m, e);
    if (!rc)
        rc = fill_names(m, e);
    if (!rc)
        rc = open_session(m, e);
    if (!rc)
        rc = db_commit(m, e);
    if (!rc)
        rc = make_views(m, e);
    if (!rc)
        rc = manifest_note_gates(m, e);
    if (!rc)
        rc = explog_write(m, true, e);
    return rc;
}

enum err_code manifest_open(const char *results, int64_t wait_ms, struct manifest **out, struct err *e)
{
    struct manifest *m = calloc(1, sizeof *m);
    struct buf path = {0};
    enum err_code rc;

    *out = NULL;
    if (!m)
        return err_set(e, ERR_NOMEM, "manifest: out of memory");
    m->lock_fd = -1;
    rc = fs_mkdirs(results, e);
    if (!rc && !(m->results = realpath(results, NULL)))
        rc = err_errno(e, errno, "%s", results);
    if (!rc)
        rc = manifest_lock(m->results, wait_ms, &m->lock_fd, e);
    if (!rc) {
        buf_fmt(&path, "%s/%s", m->results, MANIFEST_FILE);
        rc = open_db(m, path.data, e);
    }
    buf_free(&path);
    if (rc)
        manifest_close(m);
    else
        *out = m;
    return rc;
}

void manifest_close(struct manifest *m)
{
    struct err e = {0};

    if (!m)
        return;
    if (m->db) {
        db_rollback(m);
        if (m->sweep && manifest_links(m, m->sweep, &e))
            log_warn("manifest.links", "%s", e.text);
        if (m->session)
            (void)!db_run(m, ST_SESSION_END, NULL, "ii", m->session, clock_system.wall_ms(&clock_system));
        for (int i = 0; i < ST_COUNT; i++)
            sqlite3_finalize(m->st[i]);
        if (m->session)
            sqlite3_wal_checkpoint_v2(m->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
        sqlite3_close(m->db);
    }
    manifest_unlock(m->lock_fd);
    map_free(&m->metrics);
    free(m->results);
    free(m);
}

int64_t manifest_bad_job(const struct manifest *m)
{
    return m->bad_job;
}
