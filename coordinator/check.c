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
        " i.job = j.id JOIN job p ON p.id = i.input WHERE j.state = 'done' AND p.state <> 'done'",
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

static void check_marker(struct check_report *r, const char *dir, const char *where, const char *hex)
{
    struct buf path = {0};
    struct json *root = NULL;
    struct err e = {0};
    const char *job;

    buf_fmt(&path, "%s/%s", dir, RUN_RESULT_FILE);
    if (!fs_is_dir(dir)) {
        found(r, where, "the folder of a finished job is not there");
    } else if (json_read(path.data, 256 << 20, &root, &e)) {
        found(r, where, "%s", e.text);
    } else {
        job = json_str(json_get(root, "job"));
        if (!job || strcmp(job, hex) != 0)
            found(r, where, "%s is of job %.12s, not of %.12s", RUN_RESULT_FILE, job ? job : "(none)", hex);
    }
    json_free(root);
    buf_free(&path);
}

static enum err_code check_folders(struct query *q, const char *results, struct check_report *r, struct err *e)
{
    struct table t = {0};
    struct buf dir = {0}, where = {0};
    enum err_code rc = query_table(q, &t, e,
                                   "SELECT s.name, j.run_name, lower(hex(j.digest)) FROM job j JOIN sweep s ON s.id = j.sweep"
                                   " WHERE j.state = 'done' AND NOT j.in_agent ORDER BY j.id", "");

    for (size_t i = 0; !rc && i < t.n_rows; i++) {
        const char *sweep = table_cell(&t, i, 0)->text, *run = table_cell(&t, i, 1)->text;

        buf_reset(&dir);
        buf_reset(&where);
        rundir_path(&dir, results, sweep, run, false);
        buf_fmt(&where, "experiments/%s/%s", sweep, run);
        check_marker(r, dir.data, where.data, table_cell(&t, i, 2)->text);
        r->n_jobs++;
    }
    buf_free(&dir);
    buf_free(&where);
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

/* Folders that no job owns: results that were copied in, or whose rows are lost. */
static void check_strays(const char *results, const char *sweep, const struct map *known, struct check_report *r)
{
    struct buf dir = {0}, where = {0}, path = {0};
    struct dirent *d;
    struct stat st;
    DIR *h;

    buf_fmt(&dir, "%s/experiments/%s", results, sweep);
    h = opendir(dir.data);
    while (h && (d = readdir(h))) {
        size_t n = strlen(d->d_name);

        buf_reset(&where);
        buf_reset(&path);
        buf_fmt(&where, "experiments/%s/%s", sweep, d->d_name);
        buf_fmt(&path, "%s/%s", results, where.data);
        if (d->d_name[0] == '.' || lstat(path.data, &st) != 0)
            continue;
        r->n_folders++;
        if (S_ISLNK(st.st_mode) && stat(path.data, &st) != 0)
            found(r, where.data, "a link that leads nowhere");
        if (n > 4 && strcmp(d->d_name + n - 4, ".tmp") == 0)
            n -= 4;
        if (S_ISDIR(st.st_mode) && !map_get(known, d->d_name, n) && !strstr(d->d_name, ".bad"))
            found(r, where.data, "a folder that no job of the manifest owns");
    }
    if (h)
        closedir(h);
    buf_free(&dir);
    buf_free(&where);
    buf_free(&path);
}

static enum err_code check_all_strays(struct query *q, const char *results, struct check_report *r, struct err *e)
{
    struct table names = {0}, sweeps = {0};
    struct map known = {0};
    enum err_code rc = query_table(q, &names, e, "SELECT run_name FROM job WHERE NOT in_agent", "");
    bool is_new;

    if (!rc)
        rc = query_table(q, &sweeps, e, "SELECT name FROM sweep ORDER BY id", "");
    for (size_t i = 0; !rc && i < names.n_rows; i++)
        map_put(&known, names.cells[i].text, strlen(names.cells[i].text), &is_new);
    for (size_t i = 0; !rc && i < sweeps.n_rows; i++)
        check_strays(results, sweeps.cells[i].text, &known, r);
    map_free(&known);
    table_free(&names);
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
        rc = check_artifacts(q, results, digests, out, e);
    if (!rc)
        rc = check_all_strays(q, results, out, e);
    return rc;
}

void check_free(struct check_report *r)
{
    table_free(&r->found);
}
