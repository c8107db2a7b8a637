/* job.c - what job.h offers to the code of a kind: collected in memory, written by outputs.c. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/fs.h"
#include "worker/runner/crash.h"
#include "worker/runner/job_private.h"

static char *vtext(const char *fmt, va_list ap)
{
    struct buf b = {0};

    buf_vfmt(&b, fmt, ap);
    return buf_steal(&b);
}

const struct job_input *job_input_at(const struct job *j, const char *name, size_t i)
{
    for (size_t n = 0; n < j->n_inputs; n++)
        if (strcmp(j->inputs[n].name, name) == 0 && i-- == 0)
            return &j->inputs[n];
    return NULL;
}

const struct job_input *job_input(const struct job *j, const char *name)
{
    return job_input_at(j, name, 0);
}

bool job_input_metric(const struct job_input *in, const char *metric, double *out)
{
    const struct json *metrics = in->result ? json_get(in->result, "metrics") : NULL;
    const struct json *v = metrics ? json_get(metrics, metric) : NULL;

    return v && json_f64(v, out);
}

void job_progress(struct job *j, int64_t step, int64_t total, const char *fmt, ...)
{
    char text[PROGRESS_LINE_MAX];
    va_list ap;

    crash_step(step);
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    progress_line(&j->priv->progress, clock_ms(j->clock), step, total, text);
}

bool job_stop_wanted(const struct job *j)
{
    return j->priv->stop && *j->priv->stop;
}

int64_t job_attempt(const struct job *j)
{
    return j->priv->epoch;
}

bool job_checkpoint_due(struct job *j)
{
    int64_t now = clock_ms(j->clock);

    if (now < j->priv->checkpoint_ms)
        return false;
    j->priv->checkpoint_ms = now + (int64_t)(j->common.checkpoint_every * 1000);
    return true;
}

static struct job_value *value_of(struct job *j, const char *name)
{
    const struct metric_row *row = metric_find(name);
    struct job_private *p = j->priv;

    if (!row) {
        fprintf(stderr, "job_metric: %s: not a row of metric.def\n", name);
        abort();
    }
    for (size_t i = 0; i < p->n_values; i++) {
        if (p->values[i].row == row) {
            free(p->values[i].absent);
            p->values[i].absent = NULL;
            return &p->values[i];
        }
    }
    p->values = array_room(p->values, p->n_values, &p->cap_values, sizeof *p->values);
    p->values[p->n_values] = (struct job_value){.row = row};
    return &p->values[p->n_values++];
}

void job_metric(struct job *j, const char *name, double value)
{
    struct job_value *v = value_of(j, name);

    v->value = value;
    if (!isfinite(value))
        v->absent = text_copy(isnan(value) ? "not a number" : value > 0 ? "infinite" : "minus infinite");
}

void job_metric_absent(struct job *j, const char *name, const char *why)
{
    value_of(j, name)->absent = text_copy(why);
}

static size_t series_index(struct job_private *p, const char *name)
{
    for (size_t i = 0; i < p->n_names; i++)
        if (strcmp(p->series_names[i], name) == 0)
            return i;
    p->series_names = array_room(p->series_names, p->n_names, &p->cap_names, sizeof *p->series_names);
    p->series_names[p->n_names] = text_copy(name);
    return p->n_names++;
}

void job_series(struct job *j, const char *name, int64_t step, double value)
{
    struct job_private *p = j->priv;
    size_t i = series_index(p, name);

    p->points = array_room(p->points, p->n_points, &p->cap_points, sizeof *p->points);
    p->points[p->n_points++] = (struct job_point){i, step, value, j->clock->wall_ms(j->clock)};
}

size_t job_series_copy(const struct job *j, const char *name, int64_t *step, double *value)
{
    const struct job_private *p = j->priv;
    size_t n = 0;

    for (size_t i = 0; i < p->n_points; i++) {
        if (strcmp(p->series_names[p->points[i].name], name) != 0)
            continue;
        if (step)
            step[n] = p->points[i].step;
        if (value)
            value[n] = p->points[i].value;
        n++;
    }
    return n;
}

static void text_set(struct job_text **list, size_t *n, size_t *cap, struct job_text item)
{
    for (size_t i = 0; i < *n; i++) {
        if (strcmp((*list)[i].name, item.name) == 0) {
            free((*list)[i].name);
            free((*list)[i].type);
            free((*list)[i].text);
            (*list)[i] = item;
            return;
        }
    }
    *list = array_room(*list, *n, cap, sizeof **list);
    (*list)[(*n)++] = item;
}

void job_blob(struct job *j, const char *name, const char *media_type, const char *text)
{
    struct job_private *p = j->priv;

    text_set(&p->blobs, &p->n_blobs, &p->cap_blobs,
             (struct job_text){text_copy(name), text_copy(media_type), text_copy(text)});
}

void job_provenance(struct job *j, const char *key, const char *fmt, ...)
{
    struct job_private *p = j->priv;
    va_list ap;

    va_start(ap, fmt);
    char *text = vtext(fmt, ap);
    va_end(ap);
    text_set(&p->provenance, &p->n_provenance, &p->cap_provenance,
             (struct job_text){text_copy(key), NULL, text});
}

void job_verdict(struct job *j, const char *verdict, const char *message)
{
    free(j->priv->verdict);
    free(j->priv->message);
    j->priv->verdict = text_copy(verdict);
    j->priv->message = message ? text_copy(message) : NULL;
}

void job_summary(struct job *j, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    buf_vfmt(&j->priv->summary, fmt, ap);
    va_end(ap);
    buf_char(&j->priv->summary, '\n');
}

const char *job_path(struct job *j, const char *relative)
{
    struct buf *b = &j->priv->path;
    struct err e;

    buf_reset(b);
    buf_fmt(b, "%s/%s", j->dir, relative);
    char *slash = strrchr(b->data, '/');
    *slash = '\0';
    if (!fs_is_dir(b->data) && fs_mkdirs(b->data, &e) && !j->priv->path_err.code)
        j->priv->path_err = e; /* whoever opens the file finds only that it is not there */
    *slash = '/';
    return b->data;
}
