/* tb_export.c - see tb_export.h. */
#define _XOPEN_SOURCE 700
#include "worker/runner/tb_export.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/fs.h"
#include "common/json.h"
#include "common/rundir.h"
#include "worker/runner/tb.h"

enum { FILE_MAX = 256 << 20 };

struct source {
    struct json *job, *result;
    struct buf series;
    double started_s, ended_s;
    int64_t last;          /* step */
};

static enum err_code read_doc(const char *folder, const char *name, struct json **out, struct err *e)
{
    struct buf path = {0};

    buf_fmt(&path, "%s/%s", folder, name);
    enum err_code rc = json_read(path.data, FILE_MAX, out, e);
    buf_free(&path);
    return rc;
}

static double seconds_of(const struct json *result, const char *key)
{
    const char *text = json_str(json_get(json_get(result, "provenance"), key));
    struct tm tm = {0};

    return text && strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm) ? (double)timegm(&tm) : 0;
}

static enum err_code open_source(struct source *s, const char *folder, struct err *e)
{
    struct buf path = {0};

    if (read_doc(folder, RUN_JOB_FILE, &s->job, e) || read_doc(folder, RUN_RESULT_FILE, &s->result, e))
        return e->code;
    if (!json_str(json_get(s->job, "run_id")))
        return err_set(e, ERR_INVALID, RUN_JOB_FILE ": run_id: missing");
    buf_fmt(&path, "%s/" RUN_SERIES_FILE, folder);
    enum err_code rc = fs_read(path.data, FILE_MAX, &s->series, e);
    buf_free(&path);
    s->started_s = seconds_of(s->result, "started");
    s->ended_s = fmax(seconds_of(s->result, "ended"), s->started_s);
    return rc;
}

static void close_source(struct source *s)
{
    json_free(s->job);
    json_free(s->result);
    buf_free(&s->series);
}

/* Calls `on` for each line name,step,value below the head. */
static enum err_code each_point(struct source *s, struct buf *out,
                                void (*on)(struct source *s, struct buf *out, const char *name, int64_t step, double v),
                                struct err *e)
{
    char *text = strdup(s->series.data ? s->series.data : ""), *save, *line;

    if (!text)
        return err_set(e, ERR_NOMEM, "a series of %zu bytes", s->series.len);
    enum err_code rc = ERR_OK;
    line = strtok_r(text, "\n", &save);
    while (!rc && line && (line = strtok_r(NULL, "\n", &save)) != NULL) {
        char *step = strchr(line, ','), *value = step ? strchr(step + 1, ',') : NULL;

        if (!value) {
            rc = err_set(e, ERR_CORRUPT, RUN_SERIES_FILE ": \"%.40s\" is not name,step,value", line);
            break;
        }
        *step = '\0';
        on(s, out, line, strtoll(step + 1, NULL, 10), strtod(value + 1, NULL));
    }
    free(text);
    return rc;
}

static void find_last(struct source *s, struct buf *out, const char *name, int64_t step, double v)
{
    (void)out, (void)name, (void)v;
    s->last = step > s->last ? step : s->last;
}

static void put_point(struct source *s, struct buf *out, const char *name, int64_t step, double v)
{
    const double share = s->last > 0 ? (double)step / (double)s->last : 1;

    if (isfinite(v))
        tb_scalar(out, s->started_s + share * (s->ended_s - s->started_s), step, name, v);
}

static void put_metrics(const struct source *s, struct buf *out)
{
    struct buf tag = {0};
    double value;

    for (const struct json *m = json_first(json_get(s->result, "metrics")); m; m = json_next(m))
        if (json_f64(m, &value)) {
            buf_reset(&tag);
            buf_fmt(&tag, "metric/%s", json_key(m));
            tb_scalar(out, s->ended_s, s->last, tag.data, value);
        }
    buf_free(&tag);
}

static enum err_code write_events(struct source *s, const char *dest, struct buf *written, struct err *e)
{
    const char *file = strrchr(TB_EVENTS_FILE, '/');
    struct buf out = {0};
    enum err_code rc = each_point(s, NULL, find_last, e);

    tb_begin(&out, s->started_s);
    if (!rc)
        rc = each_point(s, &out, put_point, e);
    put_metrics(s, &out);
    buf_fmt(written, "%s/%s", dest, json_str(json_get(s->job, "run_id")));
    if (!rc)
        rc = fs_mkdirs(written->data, e);
    buf_str(written, file);
    if (!rc)
        rc = fs_replace(written->data, out.data, out.len, e);
    buf_free(&out);
    return rc;
}

enum err_code tb_export(const char *folder, const char *dest, struct buf *written, struct err *e)
{
    struct source s = {0};
    enum err_code rc = ERR_OK;

    if (!rundir_is_complete(folder))
        rc = err_set(e, ERR_INVALID, "%s: not the folder of a finished run", folder);
    if (!rc)
        rc = open_source(&s, folder, e);
    if (!rc)
        rc = write_events(&s, dest, written, e);
    close_source(&s);
    return rc ? err_wrap(e, "tensorboard") : ERR_OK;
}
