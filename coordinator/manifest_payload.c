/* manifest_payload.c - job.json of a job about to be granted (format: common/rundir.h).
 *
 * Values that other jobs decide are read from their metrics here, checked like any knob, and from
 * then on are part of the job's knobs, so views show what really ran.
 */
#include "coordinator/manifest_internal.h"

#include <string.h>

#include "common/json.h"

/* A metric's value as the knob's JSON value. */
static enum err_code knob_json(const struct job_kind *kind, const char *knob, double value, struct buf *out,
                               struct err *e)
{
    const struct cfg_field *f = kind ? cfg_find(kind->fields, kind->n_fields, knob) : NULL;
    struct buf canon = {0};
    char text[32];
    enum err_code rc;

    if (!f)
        return err_set(e, ERR_INVALID, "%s: not a knob of %s", knob, kind ? kind->name : "this kind");
    rc = cfg_canon(f, f64_text(text, value), &canon, e);
    if (!rc)
        cfg_json_value(f, canon.data, out);
    buf_free(&canon);
    return rc ? err_wrap(e, "%s", knob) : ERR_OK;
}

/* `knobs` without the member `name`, reopened for one more member. */
static void put_knob(struct buf *knobs, const char *name, const char *value)
{
    struct json *root = NULL;
    struct buf out = {0};
    struct jsonw w;

    if (json_parse(knobs->data, knobs->len, &root, NULL))
        return;
    jw_init(&w, &out, false);
    jw_open(&w, '{');
    for (const struct json *v = json_first(root); v; v = json_next(v)) {
        double f;
        int64_t i;
        bool b;

        if (strcmp(json_key(v), name) == 0)
            continue;
        jw_key(&w, json_key(v));
        if (json_str(v))
            jw_str(&w, json_str(v));
        else if (json_bool(v, &b))
            jw_bool(&w, b);
        else if (json_i64(v, &i))
            jw_i64(&w, i);
        else if (json_f64(v, &f))
            jw_f64(&w, f);
        else
            jw_null(&w);
    }
    jw_key(&w, name);
    jw_raw(&w, value);
    jw_close(&w, '}');
    json_free(root);
    buf_free(knobs);
    *knobs = out;
}

static enum err_code resolve_values(struct manifest *m, int64_t job, const struct job_kind *kind,
                                    struct buf *knobs, bool *any, struct err *e)
{
    struct buf value = {0};
    sqlite3_stmt *row;
    enum err_code rc = db_row(m, ST_PAYLOAD_VALUES, &row, e, "i", job);

    *any = false;
    while (!rc && row) {
        const char *knob = db_text(row, 0);

        buf_reset(&value);
        if (sqlite3_column_type(row, 3) == SQLITE_NULL)
            rc = err_set(e, ERR_INVALID, "%s: %s has no metric %s", knob, db_text(row, 2), db_text(row, 1));
        else
            rc = knob_json(kind, knob, sqlite3_column_double(row, 3), &value, e);
        if (!rc)
            put_knob(knobs, knob, value.data);
        *any = true;
        if (rc)
            db_done(row);
        else
            rc = db_next(m, &row, e);
    }
    buf_free(&value);
    return rc;
}

static enum err_code put_inputs(struct manifest *m, int64_t job, struct jsonw *w, struct err *e)
{
    struct buf path = {0};
    sqlite3_stmt *row;
    enum err_code rc = db_row(m, ST_PAYLOAD_INPUTS, &row, e, "i", job);

    jw_key(w, "inputs");
    jw_open(w, '[');
    for (; !rc && row; rc = db_next(m, &row, e)) {
        buf_reset(&path);
        buf_fmt(&path, "experiments/%s/%s", db_text(row, 2), db_text(row, 3));
        jw_open(w, '{');
        jw_key(w, "name");
        jw_str(w, db_text(row, 0));
        jw_key(w, "job");
        jw_str(w, db_text(row, 1));
        jw_key(w, "path");
        jw_str(w, path.data);
        jw_close(w, '}');
    }
    jw_close(w, ']');
    buf_free(&path);
    return rc;
}

static void put_common(struct jsonw *w, sqlite3_stmt *row)
{
    jw_key(w, "common");
    jw_open(w, '{');
    jw_key(w, "threads");
    jw_i64(w, sqlite3_column_int64(row, 8));
    jw_key(w, "isa");
    jw_str(w, db_text(row, 14));
    jw_key(w, "timeout");
    jw_f64(w, sqlite3_column_double(row, 9));
    jw_key(w, "retries");
    jw_i64(w, sqlite3_column_int64(row, 10));
    jw_key(w, "priority");
    jw_i64(w, sqlite3_column_int64(row, 11));
    jw_key(w, "checkpoint_every");
    jw_f64(w, sqlite3_column_double(row, 12));
    jw_key(w, "memory");
    jw_i64(w, sqlite3_column_int64(row, 13));
    jw_close(w, '}');
}

static void put_head(struct jsonw *w, sqlite3_stmt *row, int64_t epoch)
{
    static const char *const keys[] = {"job", "kind", NULL, "run_id", "sweep", "stage"};

    for (int i = 0; i < 6; i++) {
        jw_key(w, keys[i] ? keys[i] : "version");
        if (keys[i])
            jw_str(w, db_text(row, i));
        else
            jw_i64(w, sqlite3_column_int64(row, i));
    }
    jw_key(w, "epoch");
    jw_i64(w, epoch);
}

static enum err_code write_payload(struct manifest *m, int64_t job, int64_t epoch, sqlite3_stmt *row,
                                   struct buf *payload, struct err *e)
{
    struct buf knobs = {0};
    struct jsonw w;
    bool any;
    enum err_code rc;

    buf_str(&knobs, db_text(row, 6));
    rc = resolve_values(m, job, kind_find(db_text(row, 1)), &knobs, &any, e);
    if (!rc && any)
        rc = db_run(m, ST_JOB_KNOBS, e, "it", job, knobs.data);
    if (!rc) {
        jw_init(&w, payload, false);
        jw_open(&w, '{');
        put_head(&w, row, epoch);
        jw_key(&w, "knobs");
        jw_raw(&w, knobs.data);
        put_common(&w, row);
        jw_key(&w, "context");
        jw_raw(&w, db_text(row, 7));
        rc = put_inputs(m, job, &w, e);
        jw_key(&w, "results");
        jw_str(&w, m->results);
        jw_close(&w, '}');
    }
    buf_free(&knobs);
    return rc;
}

enum err_code manifest_payload(struct manifest *m, int64_t job, int64_t epoch, struct buf *payload,
                               struct buf *dir, struct err *e)
{
    sqlite3_stmt *row;
    enum err_code rc = manifest_job_dir(m, job, dir, e);

    if (!rc)
        rc = db_row(m, ST_JOB_PAYLOAD, &row, e, "i", job);
    if (rc)
        return rc;
    rc = write_payload(m, job, epoch, row, payload, e);
    db_done(row);
    return rc ? err_wrap(e, "job %s", dir->data) : ERR_OK;
}

enum err_code manifest_payload_inline(struct manifest *m, int64_t job, struct buf *payload,
                                      struct buf *dir, struct err *e)
{
    sqlite3_stmt *row;
    enum err_code rc = db_row(m, ST_PAYLOAD_INLINE, &row, e, "i", job);

    if (rc)
        return rc;
    if (!row)
        return err_set(e, ERR_BUG, "job %lld: not in the manifest", (long long)job);
    buf_str(payload, "{\"knobs\":");
    buf_str(payload, db_text(row, 0));
    buf_char(payload, '}');
    buf_str(dir, db_text(row, 1));
    db_done(row);
    return ERR_OK;
}

enum err_code manifest_read_begin(struct manifest *m, struct err *e)
{
    return db_run(m, ST_BEGIN_READ, e, "");
}

enum err_code manifest_read_end(struct manifest *m, struct err *e)
{
    return db_commit(m, e);
}
