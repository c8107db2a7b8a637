/* manifest_internal.h - what the files of the manifest share: the connection, its prepared
 * statements and small wrappers.  Nobody else includes it.
 *
 * Binding by letters: i int64_t, t const char * (NULL allowed), f double (NaN and infinities
 * become NULL), b const void * and int (a blob), n nothing (NULL), z int64_t that is NULL when 0.
 */
#pragma once
#include <sqlite3.h>
#include <stdarg.h>

#include "common/map.h"
#include "coordinator/manifest.h"

#define MANIFEST_FILE  "manifest.sqlite"
#define MANIFEST_APPID 0x53616547 /* "SaeG" */

enum statement {
#define STATEMENT(name, sql) ST_##name,
#include "coordinator/manifest_sql.def"
#undef STATEMENT
    ST_COUNT
};

struct manifest {
    sqlite3 *db;
    sqlite3_stmt *st[ST_COUNT];
    char *results;
    int lock_fd;
    int64_t session, bad_job, sweep; /* sweep: the last one added */
    struct map metrics; /* name as reported -> row of metric_name */
    bool has_log_entries;
    bool has_gates;   /* some stage has a gate */
};

/* --- manifest_db.c --- */
enum err_code db_error(sqlite3 *db, struct err *e, const char *what);
enum err_code db_script(sqlite3 *db, const char *sql, struct err *e);
/* Whether the views of the file were made from this text. */
enum err_code db_views_are(sqlite3 *db, const char *sql, bool *same, struct err *e);
/* ids[i]: row of metric_at(i), 0: the file has none. */
enum err_code db_metric_ids(sqlite3 *db, int64_t *ids, struct err *e);
enum err_code db_prepare_all(struct manifest *m, struct err *e);
void db_bind_list(sqlite3_stmt *st, const char *fmt, va_list ap);
/* Runs a statement that returns nothing; *changes may be NULL. */
enum err_code db_run(struct manifest *m, enum statement id, struct err *e, const char *fmt, ...);
int db_changes(const struct manifest *m);
/* Binds and takes the first row: ERR_OK with *row = the statement, or NULL if there is none.
 * The caller resets it with db_done. */
enum err_code db_row(struct manifest *m, enum statement id, sqlite3_stmt **row, struct err *e,
                     const char *fmt, ...);
enum err_code db_next(struct manifest *m, sqlite3_stmt **row, struct err *e);
void db_done(sqlite3_stmt *st);
/* First column of the first row; `other` if there is none. */
enum err_code db_i64(struct manifest *m, enum statement id, int64_t other, int64_t *out,
                     struct err *e, const char *fmt, ...);
const char *db_text(sqlite3_stmt *st, int col); /* "" for NULL */
enum err_code db_begin(struct manifest *m, struct err *e);
enum err_code db_commit(struct manifest *m, struct err *e);
void db_rollback(struct manifest *m);
/* Id of a row found or made by name. */
enum err_code db_intern(struct manifest *m, enum statement find, enum statement add,
                        const char *name, int64_t *id, struct err *e);

/* --- manifest_lock.c --- */
enum err_code manifest_lock(const char *results, int64_t wait_ms, int *fd, struct err *e);
void manifest_unlock(int fd);

/* --- manifest_ingest.c, manifest_gate.c --- */
enum err_code manifest_ingest(struct manifest *m, const struct event *ev, bool in_agent, struct err *e);
/* Metrics of a finished job from its folder, if that is as it was taken in and the rows differ. */
enum err_code manifest_mend_metrics(struct manifest *m, int64_t job, bool *is_mended, struct err *e);
enum err_code manifest_note_gates(struct manifest *m, struct err *e); /* sets has_gates */
enum err_code manifest_gates(struct manifest *m, int64_t job, int64_t wall_ms, struct err *e);
/* --- manifest_explog.c --- */
enum err_code explog_note(struct manifest *m, int64_t job, int64_t epoch, const char *tag, int64_t wall_ms,
                          struct err *e);
enum err_code explog_write(struct manifest *m, bool after_crash, struct err *e);
/* --- manifest_jobs.c --- "experiments/<sweep>/<run_name>" of a job */
enum job_state manifest_state(const char *name);
enum err_code manifest_job_dir(struct manifest *m, int64_t job, struct buf *out, struct err *e);
