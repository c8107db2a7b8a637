/* wandb_export.c - see wandb_export.h.
 *
 * Config: every knob of the job with its value, and its ancestors' ones.  History: the points of
 * series.csv, one row a step, at the times that the event file of TensorBoard has for them.
 * Summary: the metrics of result.json, by their long names.
 */
#define _XOPEN_SOURCE 700
#include "worker/runner/wandb_export.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/fs.h"
#include "common/json.h"
#include "common/kinds/kind.h"
#include "common/metric.h"
#include "common/rundir.h"
#include "common/version.h"
#include "worker/runner/tb.h"
#include "worker/runner/wandb.h"

enum { FILE_MAX = 256 << 20, ID_LEN = 8 };

struct point {
    int64_t step;
    char *name, *value;     /* into the text of series.csv */
    size_t order;
};

struct export {
    struct json *job, *result;
    struct buf series, events;
    struct point *points;
    size_t n_points;
    int64_t started_s, ended_s;
    char id[ID_LEN + 1];
};

static enum err_code read_json(const char *folder, const char *name, struct json **out, struct err *e)
{
    struct buf path = {0};
    enum err_code rc;

    buf_fmt(&path, "%s/%s", folder, name);
    rc = json_read(path.data, FILE_MAX, out, e);
    buf_free(&path);
    return rc;
}

static void read_text(const char *folder, const char *name, struct buf *out)
{
    struct buf path = {0};

    buf_fmt(&path, "%s/%s", folder, name);
    if (!fs_is_file(path.data) || fs_read(path.data, FILE_MAX, out, NULL))
        buf_reset(out);
    buf_free(&path);
}

/* "2026-11-25T04:11:59Z" in seconds; 0 if it is not there. */
static int64_t seconds_of(const struct json *provenance, const char *key)
{
    const char *text = provenance ? json_str(json_get(provenance, key)) : NULL;
    struct tm tm = {0};

    return text && strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm) ? (int64_t)timegm(&tm) : 0;
}

static int by_step(const void *a, const void *b)
{
    const struct point *x = a, *y = b;

    if (x->step != y->step)
        return x->step < y->step ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

/* Lines "name,step,value", below one line of titles. */
static enum err_code read_points(struct export *x, struct err *e)
{
    size_t n = 0;
    char *at = x->series.data ? strchr(x->series.data, '\n') : NULL;

    for (size_t i = 0; i < x->series.len; i++)
        n += x->series.data[i] == '\n';
    x->points = calloc(n + 1, sizeof *x->points);
    if (!x->points)
        return err_set(e, ERR_NOMEM, "%zu points: out of memory", n);
    while (at && *++at) {
        struct point *p = &x->points[x->n_points];
        char *step = strchr(at, ','), *value = step ? strchr(step + 1, ',') : NULL;

        if (!value)
            return err_set(e, ERR_CORRUPT, RUN_SERIES_FILE ": \"%.40s\" is not name,step,value", at);
        *p = (struct point){strtoll(step + 1, NULL, 10), at, value + 1, x->n_points};
        *step = '\0';
        at = strchr(value, '\n');
        if (at)
            *at = '\0';
        x->n_points += isfinite(strtod(p->value, NULL)) ? 1 : 0;
    }
    qsort(x->points, x->n_points, sizeof *x->points, by_step);
    return ERR_OK;
}

static enum err_code open_folder(struct export *x, const char *folder, struct err *e)
{
    const struct json *provenance;
    const char *id;

    if (read_json(folder, RUN_JOB_FILE, &x->job, e) || read_json(folder, RUN_RESULT_FILE, &x->result, e))
        return e->code;
    id = json_str(json_get(x->job, "job"));
    if (!id || strlen(id) < ID_LEN || !json_str(json_get(x->job, "kind")))
        return err_set(e, ERR_INVALID, RUN_JOB_FILE ": job or kind: missing");
    memcpy(x->id, id, ID_LEN);
    provenance = json_get(x->result, "provenance");
    x->started_s = seconds_of(provenance, "started");
    x->ended_s = seconds_of(provenance, "ended");
    read_text(folder, RUN_SERIES_FILE, &x->series);
    read_text(folder, TB_EVENTS_FILE, &x->events);
    return read_points(x, e);
}

static void export_free(struct export *x)
{
    json_free(x->job);
    json_free(x->result);
    buf_free(&x->series);
    buf_free(&x->events);
    free(x->points);
}

/* --- records ---------------------------------------------------------------------------------- */

/* A number, truth value or text as it stands in JSON; false: something else. */
static bool put_value(struct buf *out, const struct json *v)
{
    int64_t i;
    double f;
    bool b;

    if (json_str(v))
        buf_json(out, json_str(v));
    else if (json_bool(v, &b))
        buf_str(out, b ? "true" : "false");
    else if (json_i64(v, &i))
        buf_fmt(out, "%lld", (long long)i);
    else if (json_f64(v, &f))
        buf_f64(out, f);
    else
        return false;
    return true;
}

static void put_members(struct wandb_items *items, const struct json *object)
{
    struct buf value = {0};

    for (const struct json *v = object ? json_first(object) : NULL; v; v = json_next(v)) {
        buf_reset(&value);
        if (put_value(&value, v))
            wandb_item(items, json_key(v), value.data);
    }
    buf_free(&value);
}

/* Knobs that job.json leaves out have their default. */
static void put_defaults(struct wandb_items *items, const struct cfg_field *f, size_t n,
                         const struct json *given)
{
    struct buf value = {0}, canon = {0};

    for (size_t i = 0; i < n; i++) {
        if (given && json_get(given, f[i].name))
            continue;
        buf_reset(&value);
        buf_reset(&canon);
        if (cfg_canon(&f[i], f[i].deflt, &canon, NULL))
            continue;
        cfg_json_value(&f[i], canon.data ? canon.data : "", &value);
        wandb_item(items, f[i].name, value.data);
    }
    buf_free(&value);
    buf_free(&canon);
}

static void put_run(struct wandb_log *log, const struct export *x)
{
    const struct json *knobs = json_get(x->job, "knobs"), *provenance = json_get(x->result, "provenance");
    const struct job_kind *kind = kind_find(json_str(json_get(x->job, "kind")));
    const char *verdict = json_str(json_get(x->result, "verdict"));
    const char *const tags[] = {"saegrid", verdict, NULL};
    struct wandb_items config = {{0}};

    put_members(&config, json_get(x->job, "context"));
    put_members(&config, knobs);
    if (kind)
        put_defaults(&config, kind->fields, kind->n_fields, knobs);
    const struct wandb_run run = {
        .id = x->id,
        .project = json_str(json_get(x->job, "sweep")),
        .group = json_str(json_get(x->job, "stage")),
        .job_type = json_str(json_get(x->job, "kind")),
        .name = json_str(json_get(x->job, "run_id")),
        .notes = json_str(json_get(x->result, "message")),
        .host = provenance ? json_str(json_get(provenance, "host")) : NULL,
        .tags = tags,
        .start_s = x->started_s};
    wandb_run(log, &run, &config);
}

static void put_number(struct wandb_items *row, const char *key, double v)
{
    struct buf text = {0};

    buf_f64(&text, v);
    wandb_item(row, key, text.data);
    buf_free(&text);
}

static void put_history(struct wandb_log *log, const struct export *x)
{
    for (size_t i = 0; i < x->n_points;) {
        struct wandb_items row = {{0}};
        int64_t step = x->points[i].step;
        double at = tb_time_of(&x->events, step, (double)x->started_s);

        for (; i < x->n_points && x->points[i].step == step; i++)
            wandb_item(&row, x->points[i].name, x->points[i].value);
        put_number(&row, "_step", (double)step);
        put_number(&row, "_runtime", fmax(at - (double)x->started_s, 0));
        put_number(&row, "_timestamp", at);
        wandb_history(log, step, &row);
    }
}

static void put_summary(struct wandb_log *log, const struct export *x)
{
    struct wandb_items row = {{0}};
    const struct json *metrics = json_get(x->result, "metrics");

    for (const struct json *v = metrics ? json_first(metrics) : NULL; v; v = json_next(v)) {
        const struct metric_row *m = metric_find(json_key(v));
        double value;

        if (json_f64(v, &value))
            put_number(&row, m ? m->long_name : json_key(v), value);
    }
    wandb_summary(log, &row);
}

static enum err_code write_log(const struct export *x, const char *dest, struct buf *written,
                               struct err *e)
{
    time_t start = (time_t)x->started_s;
    struct wandb_log log;
    struct buf out = {0};
    struct tm tm;
    char when[32];
    enum err_code rc;

    gmtime_r(&start, &tm);
    strftime(when, sizeof when, "%Y%m%d_%H%M%S", &tm);
    wandb_begin(&log, &out, "saegrid " SAEGRID_VERSION);
    put_run(&log, x);
    put_history(&log, x);
    put_summary(&log, x);
    wandb_end(&log, 0, x->ended_s > x->started_s ? x->ended_s - x->started_s : 0);
    buf_fmt(written, "%s/offline-run-%s-%s", dest, when, x->id);
    rc = fs_mkdirs(written->data, e);
    buf_fmt(written, "/run-%s.wandb", x->id);
    if (!rc)
        rc = fs_replace(written->data, out.data, out.len, e);
    buf_free(&out);
    return rc;
}

enum err_code wandb_export(const char *folder, const char *dest, struct buf *written, struct err *e)
{
    struct export x = {0};
    enum err_code rc = ERR_OK;

    if (!rundir_is_complete(folder))
        rc = err_set(e, ERR_INVALID, "%s: not the folder of a finished run", folder);
    if (!rc)
        rc = open_folder(&x, folder, e);
    if (!rc)
        rc = write_log(&x, dest, written, e);
    export_free(&x);
    return rc ? err_wrap(e, "wandb") : ERR_OK;
}
