/* manifest_ingest.c - what a finished job brings, into the tables, inside the caller's transaction. */
#include "coordinator/manifest_internal.h"

#include <stdio.h>
#include <string.h>

#include "common/rundir.h"
#include "common/sha256.h"
#include "coordinator/ingest.h"

struct target {
    struct manifest *m;
    int64_t job, name;     /* name: id of the last series */
    char last[64];         /* and its text */
};

/* *id is 0 for an unknown one.  Rows of metric_name never change under an open manifest. */
static enum err_code find_metric(struct manifest *m, const char *name, int64_t *id, struct err *e)
{
    const int64_t *known = map_get(&m->metrics, name, strlen(name));
    bool is_new;

    if (known) {
        *id = *known;
        return ERR_OK;
    }
    enum err_code rc = db_i64(m, ST_METRIC_NAME_FIND, 0, id, e, "t", name);
    if (!rc && *id)
        *map_put(&m->metrics, name, strlen(name), &is_new) = *id;
    return rc;
}

static enum err_code set_metric(void *ctx, const char *name, double value, struct err *e)
{
    struct target *t = ctx;
    int64_t id;
    enum err_code rc = find_metric(t->m, name, &id, e);

    if (!rc && id == 0)
        return err_set(e, ERR_CORRUPT, "metrics: %s: not a metric that saegrid knows", name);
    return rc ? rc : db_run(t->m, ST_METRIC_SET, e, "iif", t->job, id, value);
}

static enum err_code set_point(void *ctx, const struct ingest_point *p, struct err *e)
{
    struct target *t = ctx;
    enum err_code rc = ERR_OK;

    if (strcmp(t->last, p->name) != 0) {
        rc = db_intern(t->m, ST_SERIES_FIND, ST_SERIES_ADD, p->name, &t->name, e);
        snprintf(t->last, sizeof t->last, "%s", p->name);
    }
    return rc ? rc : db_run(t->m, ST_POINT_SET, e, "iiif", t->job, t->name, p->step, p->value);
}

static enum err_code set_pair(void *ctx, const struct ingest_pair *p, struct err *e)
{
    struct target *t = ctx;
    const double *v = p->value;

    return db_run(t->m, ST_PAIR_SET, e, "iiiffffff", t->job, p->seed_a, p->seed_b, v[0], v[1], v[2], v[3],
                  v[4], v[5]);
}

static enum err_code take_metrics(struct target *t, const struct json *root, struct err *e)
{
    enum err_code rc = ingest_metrics(root, set_metric, t, e);

    for (const struct json *v = json_first(json_get(root, "absent")); v && !rc; v = json_next(v))
        if (json_str(v))
            rc = db_run(t->m, ST_ABSENT_SET, e, "itt", t->job, json_key(v), json_str(v));
    return rc;
}

static enum err_code take_blobs(struct target *t, const struct json *root, struct err *e)
{
    enum err_code rc = ERR_OK;

    for (const struct json *b = json_first(json_get(root, "blobs")); b && !rc; b = json_next(b)) {
        const char *name = json_str(json_get(b, "name")), *type = json_str(json_get(b, "type"));
        const char *text = json_str(json_get(b, "text"));

        if (!name || !type || !text)
            return err_set(e, ERR_CORRUPT, "blobs: name, type or text is missing");
        rc = db_run(t->m, ST_BLOB_SET, e, "ittb", t->job, name, type, (const void *)text,
                    (int)strlen(text));
        if (!rc && strcmp(name, "pairs") == 0)
            rc = ingest_pairs(text, set_pair, t, e);
    }
    return rc;
}

/* The files that result.json names, and result.json itself. */
static enum err_code take_artifacts(struct target *t, const struct ingest *in, struct err *e)
{
    enum err_code rc = db_run(t->m, ST_ARTIFACT_SET, e, "itib", t->job, RUN_RESULT_FILE, in->bytes,
                              (const void *)in->digest, 32);

    for (const struct json *a = json_first(json_get(in->root, "artifacts")); a && !rc; a = json_next(a)) {
        uint8_t digest[32];
        int64_t bytes = 0;

        if (!hex_parse(digest, 32, json_str(json_get(a, "sha256"))) ||
            !json_i64(json_get(a, "bytes"), &bytes))
            return err_set(e, ERR_CORRUPT, "artifacts: malformed");
        rc = db_run(t->m, ST_ARTIFACT_SET, e, "itib", t->job, json_str(json_get(a, "path")), bytes,
                    (const void *)digest, 32);
    }
    return rc;
}

static enum err_code take_provenance(struct target *t, const struct ingest *in, int64_t epoch,
                                     struct err *e)
{
    uint8_t digest[32];
    int64_t id;
    enum err_code rc;

    sha256_of(in->provenance.data, in->provenance.len, digest);
    rc = db_i64(t->m, ST_PROVENANCE_FIND, 0, &id, e, "b", (const void *)digest, 32);
    if (!rc && id == 0) {
        rc = db_run(t->m, ST_PROVENANCE_ADD, e, "bt", (const void *)digest, 32, in->provenance.data);
        id = sqlite3_last_insert_rowid(t->m->db);
    }
    return rc ? rc : db_run(t->m, ST_ATTEMPT_PROVENANCE, e, "iiit", t->job, epoch, id, in->command);
}

static enum err_code take_folder(struct target *t, const struct ingest *in, int64_t epoch, struct err *e)
{
    enum err_code rc = take_metrics(t, in->root, e);

    if (!rc)
        rc = take_blobs(t, in->root, e);
    if (!rc)
        rc = take_artifacts(t, in, e);
    if (!rc)
        rc = take_provenance(t, in, epoch, e);
    if (!rc)
        rc = db_run(t->m, ST_JOB_VERDICT, e, "itt", t->job, in->verdict,
                    in->message && *in->message ? in->message : NULL);
    if (!rc)
        rc = ingest_series(in, set_point, t, e);
    return rc ? err_wrap(e, "%s/%s", in->dir.data, RUN_RESULT_FILE) : ERR_OK;
}

static enum err_code folder_path(struct manifest *m, int64_t job, struct buf *path, char hex[65],
                                 struct err *e)
{
    sqlite3_stmt *row;
    enum err_code rc;

    buf_fmt(path, "%s/", m->results);
    rc = manifest_job_dir(m, job, path, e);
    if (!rc)
        rc = db_row(m, ST_JOB_HEX, &row, e, "i", job);
    if (rc)
        return rc;
    snprintf(hex, 65, "%s", db_text(row, 0));
    db_done(row);
    return ERR_OK;
}

static enum err_code take_inline(struct target *t, const struct event *ev, struct err *e)
{
    enum err_code rc = ERR_OK;

    if (ev->class == ERR_CLASS_SCIENCE)
        rc = db_run(t->m, ST_JOB_VERDICT, e, "itt", t->job, "negative", ev->message);
    if (!rc && ev->metrics)
        rc = ingest_inline(ev->metrics, set_metric, t, e);
    return rc;
}

enum err_code manifest_ingest(struct manifest *m, const struct event *ev, bool in_agent, struct err *e)
{
    struct target t = {.m = m, .job = ev->job};
    struct ingest in = {0};
    struct buf path = {0};
    char hex[65];

    if (in_agent)
        return take_inline(&t, ev, e);
    enum err_code rc = folder_path(m, ev->job, &path, hex, e);
    if (!rc)
        rc = ingest_open(&in, path.data, hex, e);
    if (!rc)
        rc = take_folder(&t, &in, ev->epoch, e);
    ingest_close(&in);
    buf_free(&path);
    return rc;
}

/* --- mending --- */

struct metric_count {
    struct target t;
    int64_t n, n_same;      /* reported; of these, in the manifest to the bit */
};

static enum err_code count_same(void *ctx, const char *name, double value, struct err *e)
{
    struct metric_count *c = ctx;
    int64_t id, is_same = 0;
    enum err_code rc = find_metric(c->t.m, name, &id, e);

    if (!rc)
        rc = db_i64(c->t.m, ST_METRIC_IS, 0, &is_same, e, "iif", c->t.job, id, value);
    c->n++;
    c->n_same += is_same;
    return rc;
}

/* Only a result.json that is what was taken in counts. */
static enum err_code mend_from(struct target *t, const struct ingest *in, bool *is_mended, struct err *e)
{
    struct metric_count c = {.t = *t};
    int64_t is_intact, n_rows = 0;
    enum err_code rc = db_i64(t->m, ST_ARTIFACT_IS, 0, &is_intact, e, "itib", t->job, RUN_RESULT_FILE, in->bytes,
                              (const void *)in->digest, 32);

    if (rc || !is_intact)
        return rc;
    rc = ingest_metrics(in->root, count_same, &c, e);
    if (!rc)
        rc = db_i64(t->m, ST_METRIC_COUNT, 0, &n_rows, e, "i", t->job);
    if (rc || (c.n == c.n_same && c.n == n_rows))
        return rc;
    rc = db_begin(t->m, e);
    if (!rc)
        rc = db_run(t->m, ST_METRIC_DROP, e, "i", t->job);
    if (!rc)
        rc = ingest_metrics(in->root, set_metric, t, e);
    *is_mended = !rc;
    if (!rc)
        return db_commit(t->m, e);
    db_rollback(t->m);
    return rc;
}

enum err_code manifest_mend_metrics(struct manifest *m, int64_t job, bool *is_mended, struct err *e)
{
    struct target t = {.m = m, .job = job};
    struct ingest in = {0};
    struct buf path = {0};
    char hex[65];
    enum err_code rc = folder_path(m, job, &path, hex, e);

    *is_mended = false;
    if (!rc && !ingest_open(&in, path.data, hex, NULL)) /* a bad folder is for `check` to tell */
        rc = mend_from(&t, &in, is_mended, e);
    ingest_close(&in);
    buf_free(&path);
    return rc;
}
