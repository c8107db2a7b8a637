/* check.c - see check.h. */
#include "coordinator/check.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/fs.h"
#include "common/json.h"
#include "common/map.h"
#include "common/rundir.h"
#include "common/sha256.h"
#include "coordinator/check_metrics.h"

static void found(struct check_report *r, const char *where, const char *fmt, ...) PRINTF_LIKE(3, 4);
static void found(struct check_report *r, const char *where, const char *fmt, ...)
{
    struct cell *row = table_add_row(&r->found);
    struct buf what = {0};
    va_list ap;

    va_start(ap, fmt);
    buf_vfmt(&what, fmt, ap);
    va_end(ap);
    cell_set_text(&row[0], where);
    cell_set_text(&row[1], what.data);
    buf_free(&what);
}

static enum err_code check_rows(struct query *q, struct check_report *r, struct err *e)
{
    static const char *const questions[] = {
        /* replay: the last event that moved a job gives its state */
        "SELECT j.run_name, 'the manifest says ' || j.state || ', its events say ' || x.state FROM job j JOIN"
        " (SELECT k.id, CASE v.type WHEN 'ready' THEN 'ready' WHEN 'grant' THEN 'leased' WHEN 'done' THEN 'done'"
        " WHEN 'retry' THEN 'ready' WHEN 'fail' THEN 'failed' WHEN 'quarantine' THEN 'quarantined'"
        " WHEN 'skip' THEN 'skipped' WHEN 'cancel' THEN 'cancelled' ELSE 'waiting' END AS state FROM job k LEFT JOIN"
        " (SELECT job, type, max(id) FROM event WHERE job IS NOT NULL AND type <> 'stale' GROUP BY job) v"
        " ON v.job = k.id) x ON x.id = j.id WHERE x.state <> j.state",
        "SELECT j.run_name, 'done, but its input ' || p.run_name || ' is ' || p.state FROM job j JOIN job_input i ON"
        " i.job = j.id JOIN job p ON p.id = i.input WHERE j.state = 'done' AND p.state <> 'done' AND i.must_pass <> 2",
        "SELECT j.run_name, 'attempt ' || a.epoch || ' is said to run, the job is ' || j.state FROM attempt a JOIN job j"
        " ON j.id = a.job WHERE a.outcome = 'running' AND j.state <> 'leased'",
        "SELECT s.name, 'was recorded in part only: run it again' FROM sweep s WHERE NOT s.is_whole",
    };
    struct buf text = {0};
    enum err_code rc = query_integrity(q, &text, e);

    if (!rc && text.len)
        found(r, "manifest.sqlite", "%s", text.data);
    buf_free(&text);
    for (size_t i = 0; i < ARRAY_LEN(questions) && !rc; i++) {
        struct table t = {0};

        rc = query_table(q, &t, e, questions[i], "");
        for (size_t k = 0; !rc && k < t.n_rows; k++)
            found(r, table_cell(&t, k, 0)->text, "%s", table_cell(&t, k, 1)->text);
        table_free(&t);
    }
    return rc;
}

/* The result of a finished job, and the rows that were made of it. */
static enum err_code check_marker(struct query *q, struct check_report *r, const char *dir, const char *where,
                                  const struct cell *job, struct err *e)
{
    struct buf path = {0}, what = {0};
    struct json *root = NULL;
    struct err bad = {0};
    const char *hex = job[1].text, *said;
    enum err_code rc = ERR_OK;

    buf_fmt(&path, "%s/%s", dir, RUN_RESULT_FILE);
    if (!fs_is_dir(dir)) {
        found(r, where, "the folder of a finished job is not there");
    } else if (json_read(path.data, 256 << 20, &root, &bad)) {
        found(r, where, "%s", bad.text);
    } else {
        said = json_str(json_get(root, "job"));
        if (!said || strcmp(said, hex) != 0)
            found(r, where, "%s is of job %.12s, not of %.12s", RUN_RESULT_FILE, said ? said : "(none)", hex);
        rc = check_metrics(q, job[0].i, root, &what, e);
        if (what.len)
            found(r, where, "%s", what.data);
    }
    json_free(root);
    buf_free(&path);
    buf_free(&what);
    return rc;
}

static enum err_code check_folders(struct query *q, const char *results, struct check_report *r, struct err *e)
{
    struct table t = {0};
    struct buf dir = {0}, where = {0};
    enum err_code rc = query_table(q, &t, e,
                                   "SELECT j.id, lower(hex(j.digest)), s.name, j.run_name FROM job j JOIN sweep s"
                                   " ON s.id = j.sweep WHERE j.state = 'done' AND NOT j.in_agent ORDER BY j.id", "");

    for (size_t i = 0; !rc && i < t.n_rows; i++) {
        const char *sweep = table_cell(&t, i, 2)->text, *run = table_cell(&t, i, 3)->text;

        buf_reset(&dir);
        buf_reset(&where);
        rundir_path(&dir, results, sweep, run, false);
        buf_fmt(&where, "experiments/%s/%s", sweep, run);
        rc = check_marker(q, r, dir.data, where.data, table_cell(&t, i, 0), e);
        r->n_jobs++;
    }
    buf_free(&dir);
    buf_free(&where);
    table_free(&t);
    return rc;
}

/* Jobs without a folder: their event has what they reported. */
static enum err_code check_inline(struct query *q, struct check_report *r, struct err *e)
{
    struct table t = {0};
    struct buf what = {0};
    enum err_code rc = query_table(q, &t, e,
                                   "SELECT j.id, j.run_name, v.metrics FROM job j JOIN (SELECT job, metrics, max(id)"
                                   " FROM event WHERE type = 'done' GROUP BY job) v ON v.job = j.id"
                                   " WHERE j.state = 'done' AND j.in_agent ORDER BY j.id", "");

    for (size_t i = 0; !rc && i < t.n_rows; i++) {
        const struct cell *job = table_cell(&t, i, 0);

        buf_reset(&what);
        rc = check_metrics_inline(q, job[0].i, job[2].text ? job[2].text : "", &what, e);
        if (what.len)
            found(r, job[1].text, "%s", what.data);
    }
    buf_free(&what);
    table_free(&t);
    return rc;
}

static void check_artifact(struct check_report *r, const char *path, const char *where, int64_t bytes,
                           const char *want)
{
    uint8_t digest[32];
    uint64_t size;
    struct err e = {0};
    struct stat st;
    char hex[65];

    r->n_artifacts++;
    if (stat(path, &st) != 0) {
        found(r, where, "%s", strerror(errno));
        return;
    }
    r->bytes += st.st_size;
    if (st.st_size != bytes)
        found(r, where, "%lld bytes, the manifest says %lld", (long long)st.st_size, (long long)bytes);
    else if (want && sha256_file(path, digest, &size, &e))
        found(r, where, "%s", e.text);
    else if (want && strcmp(hex_text(hex, digest, 32), want) != 0)
        found(r, where, "SHA-256 is %.16s..., the manifest says %.16s...", hex, want);
}

static enum err_code check_artifacts(struct query *q, const char *results, bool digests, struct check_report *r,
                                     struct err *e)
{
    struct table t = {0};
    struct buf path = {0};
    enum err_code rc = query_table(q, &t, e,
                                   "SELECT 'experiments/' || s.name || '/' || j.run_name || '/' || a.path, a.bytes,"
                                   " lower(hex(a.sha256)) FROM artifact a JOIN job j ON j.id = a.job"
                                   " JOIN sweep s ON s.id = j.sweep ORDER BY j.id, a.path", "");

    for (size_t i = 0; !rc && i < t.n_rows; i++) {
        const char *where = table_cell(&t, i, 0)->text;

        buf_reset(&path);
        buf_fmt(&path, "%s/%s", results, where);
        check_artifact(r, path.data, where, table_cell(&t, i, 1)->i, digests ? table_cell(&t, i, 2)->text : NULL);
    }
    buf_free(&path);
    table_free(&t);
    return rc;
}

/* Names of one sweep: IS_LINK for those that another sweep's job has here. */
enum { IS_HOME = 1, IS_LINK };

static void check_entry(struct check_report *r, const char *path, const char *where, const struct map *known)
{
    const char *name = strrchr(where, '/') + 1;
    size_t n = strlen(name);
    struct stat st;

    if (lstat(path, &st) != 0)
        return;
    bool is_link = S_ISLNK(st.st_mode);
    r->n_folders++;
    if (is_link && stat(path, &st) != 0)
        found(r, where, "a link that leads nowhere");
    if (!S_ISDIR(st.st_mode) || strstr(name, ".bad"))
        return;
    if (n > 4 && strcmp(name + n - 4, ".tmp") == 0)
        n -= 4;
    const int64_t *what = map_get(known, name, n);
    if (!what || (*what == IS_LINK && !is_link))
        found(r, where, "a folder that no job of the manifest owns");
}

/* Folders that no job of the sweep owns: results that were copied in, or whose rows are lost. */
static void check_strays(const char *results, const char *sweep, const struct map *known, struct check_report *r)
{
    struct buf dir = {0}, where = {0}, path = {0};
    struct dirent *d;
    DIR *h;

    buf_fmt(&dir, "%s/experiments/%s", results, sweep);
    h = opendir(dir.data);
    while (h && (d = readdir(h))) {
        if (d->d_name[0] == '.')
            continue;
        buf_reset(&where);
        buf_reset(&path);
        buf_fmt(&where, "experiments/%s/%s", sweep, d->d_name);
        buf_fmt(&path, "%s/%s", results, where.data);
        check_entry(r, path.data, where.data, known);
    }
    if (h)
        closedir(h);
    buf_free(&dir);
    buf_free(&where);
    buf_free(&path);
}

static enum err_code check_all_strays(struct query *q, const char *results, struct check_report *r, struct err *e)
{
    struct table sweeps = {0};
    enum err_code rc = query_table(q, &sweeps, e, "SELECT id, name FROM sweep ORDER BY id", "");

    for (size_t i = 0; !rc && i < sweeps.n_rows; i++) {
        const struct cell *sweep = table_cell(&sweeps, i, 0);
        struct table names = {0};
        struct map known = {0};
        bool is_new;

        rc = query_table(q, &names, e,
                         "SELECT run_name, iif(sweep = ?1, 1, 2) FROM job WHERE NOT in_agent AND (sweep = ?1"
                         " OR id IN (SELECT job FROM sweep_job WHERE sweep = ?1))", "i", sweep[0].i);
        for (size_t k = 0; !rc && k < names.n_rows; k++) {
            const struct cell *job = table_cell(&names, k, 0);

            *map_put(&known, job[0].text, strlen(job[0].text), &is_new) = job[1].i == IS_HOME ? IS_HOME : IS_LINK;
        }
        if (!rc)
            check_strays(results, sweep[1].text, &known, r);
        map_free(&known);
        table_free(&names);
    }
    table_free(&sweeps);
    return rc;
}

enum err_code check_run(struct query *q, const char *results, bool digests, struct check_report *out, struct err *e)
{
    enum err_code rc;

    *out = (struct check_report){0};
    table_add_col(&out->found, "where");
    table_add_col(&out->found, "what");
    rc = check_rows(q, out, e);
    if (!rc)
        rc = check_folders(q, results, out, e);
    if (!rc)
        rc = check_inline(q, out, e);
    if (!rc)
        rc = check_artifacts(q, results, digests, out, e);
    if (!rc)
        rc = check_all_strays(q, results, out, e);
    return rc;
}

void check_free(struct check_report *r)
{
    table_free(&r->found);
}
