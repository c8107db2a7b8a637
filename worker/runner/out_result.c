/* out_result.c - the files that programs read: result.json, metrics.json, series.csv, error.json. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/fs.h"
#include "common/rundir.h"
#include "common/sha256.h"
#include "worker/runner/outputs.h"

enum err_code out_file(struct job *j, const char *name, struct buf *text, struct err *e)
{
    const char *path = job_path(j, name);
    enum err_code rc = ERR_OK;
    FILE *f = fopen(path, "wbe");

    if (!f) {
        rc = err_errno(e, errno, "%s", path);
    } else {
        bool is_short = fwrite(text->data, 1, text->len, f) != text->len;

        if (fclose(f) || is_short)
            rc = err_errno(e, errno, "write %s", path);
    }
    buf_free(text);
    return rc;
}

/* Metrics that the kind promises and the job did not mention are absent, and say so. */
static void fill_promised(struct job *j)
{
    for (const char *const *m = j->kind->metrics; m && *m; m++) {
        const struct metric_row *row = metric_find(*m);
        bool is_there = false;

        for (size_t i = 0; i < j->priv->n_values; i++)
            is_there = is_there || j->priv->values[i].row == row;
        if (!is_there)
            job_metric_absent(j, *m, j->priv->message ? j->priv->message : "not reported");
    }
}

enum err_code out_promised(const struct job *j, struct err *e)
{
    for (const char *const *m = j->kind->metrics; m && *m; m++) {
        const struct metric_row *row = metric_find(*m);
        bool is_there = row->is_volatile || j->priv->message; /* a verdict says why */

        for (size_t i = 0; i < j->priv->n_values; i++)
            is_there = is_there || j->priv->values[i].row == row;
        if (!is_there)
            return err_set(e, ERR_BUG, "metric %s: declared by kind %s, neither reported nor explained", *m,
                           j->kind->name);
    }
    return ERR_OK;
}

static void put_values(struct jsonw *w, const struct job *j, bool absent)
{
    jw_open(w, '{');
    for (size_t i = 0; i < j->priv->n_values; i++) {
        const struct job_value *v = &j->priv->values[i];

        if (!v->absent == absent)
            continue;
        jw_key(w, v->row->name);
        if (absent)
            jw_str(w, v->absent);
        else
            jw_f64(w, v->value);
    }
    jw_close(w, '}');
}

static void put_provenance(struct jsonw *w, const struct job *j)
{
    jw_open(w, '{');
    for (size_t i = 0; i < j->priv->n_provenance; i++) {
        jw_key(w, j->priv->provenance[i].name);
        jw_str(w, j->priv->provenance[i].text);
    }
    jw_close(w, '}');
}

static void put_blobs(struct jsonw *w, const struct job *j)
{
    jw_open(w, '[');
    for (size_t i = 0; i < j->priv->n_blobs; i++) {
        const struct job_text *b = &j->priv->blobs[i];

        jw_open(w, '{');
        jw_key(w, "name"), jw_str(w, b->name);
        jw_key(w, "type"), jw_str(w, b->type);
        jw_key(w, "text"), jw_str(w, b->text);
        jw_close(w, '}');
    }
    jw_close(w, ']');
}

/* A series of times or rates makes series.csv, and its own figure, differ from run to run. */
static bool has_volatile_series(const struct job *j, const char *path)
{
    for (size_t i = 0; i < j->priv->n_names; i++) {
        const struct metric_row *row = metric_find(j->priv->series_names[i]);
        struct buf figure = {0};

        if (!row || !row->is_volatile)
            continue;
        buf_fmt(&figure, "plots/%s.png", row->name);
        const bool is_hit = strcmp(path, RUN_SERIES_FILE) == 0 || strcmp(path, figure.data) == 0;
        buf_free(&figure);
        if (is_hit)
            return true;
    }
    return false;
}

static void put_artifacts(struct jsonw *w, const struct artifact_list *l, const struct job *j)
{
    char hex[65];

    jw_open(w, '[');
    for (size_t i = 0; i < l->n; i++) {
        jw_open(w, '{');
        jw_key(w, "path"), jw_str(w, l->items[i].path);
        jw_key(w, "bytes"), jw_i64(w, (int64_t)l->items[i].bytes);
        jw_key(w, "sha256"), jw_str(w, hex_text(hex, l->items[i].sha256, 32));
        if (l->items[i].is_volatile || has_volatile_series(j, l->items[i].path))
            jw_key(w, "volatile"), jw_bool(w, true);
        jw_close(w, '}');
    }
    jw_close(w, ']');
}

enum err_code out_result(struct job *j, struct err *e)
{
    struct artifact_list list = {0};
    struct buf text = {0};
    struct jsonw w;

    if (artifacts_list(&list, j->dir, e)) {
        artifacts_free(&list);
        return e->code;
    }
    jw_init(&w, &text, true);
    jw_open(&w, '{');
    jw_key(&w, "format"), jw_i64(&w, 1);
    jw_key(&w, "job"), jw_str(&w, j->id);
    jw_key(&w, "kind"), jw_str(&w, j->kind->name);
    jw_key(&w, "version"), jw_i64(&w, j->kind->version);
    jw_key(&w, "epoch"), jw_i64(&w, j->priv->epoch);
    jw_key(&w, "verdict"), jw_str(&w, j->priv->verdict);
    jw_key(&w, "message"), jw_str(&w, j->priv->message);
    jw_key(&w, "metrics"), put_values(&w, j, false);
    jw_key(&w, "absent"), put_values(&w, j, true);
    jw_key(&w, "blobs"), put_blobs(&w, j);
    jw_key(&w, "artifacts"), put_artifacts(&w, &list, j);
    jw_key(&w, "provenance"), put_provenance(&w, j);
    jw_close(&w, '}');
    buf_char(&text, '\n');
    artifacts_free(&list);
    return out_file(j, RUN_RESULT_FILE, &text, e);
}

/* Keys that every metrics.json of the programme has, where the job or an ancestor knows them. */
static const struct {
    const char *key, *knob;
} programme_keys[] = {
    {"seed", "seed"},   {"architecture", "arch"}, {"d_sae", "d_sae"}, {"k", "k"},
    {"task", "task"},   {"layer", "layer"},       {"hook", "hook"},   {"position", "position"},
    {"batch_size", "batch"}, {"d_model", "d_model"},
};

static void put_programme(struct jsonw *w, const struct job *j)
{
    struct buf text = {0};
    bool is_text;

    for (size_t i = 0; i < ARRAY_LEN(programme_keys); i++) {
        buf_reset(&text);
        if (!job_knob_text(j, programme_keys[i].knob, &text, &is_text))
            continue;
        jw_key(w, programme_keys[i].key);
        if (is_text)
            jw_str(w, text.data);
        else
            jw_raw(w, text.data);
    }
    buf_free(&text);
    for (size_t i = 0; i < j->priv->n_provenance; i++) {
        if (strcmp(j->priv->provenance[i].name, "commit") == 0)
            jw_key(w, "commit_hash"), jw_str(w, j->priv->provenance[i].text);
    }
    jw_key(w, "device"), jw_str(w, "cpu");
}

static void put_definitions(struct jsonw *w, const struct job *j)
{
    jw_open(w, '{');
    for (size_t i = 0; i < j->priv->n_values; i++) {
        const struct metric_row *r = j->priv->values[i].row;

        jw_key(w, r->long_name);
        jw_open(w, '{');
        jw_key(w, "name"), jw_str(w, r->name);
        jw_key(w, "unit"), jw_str(w, r->unit);
        jw_key(w, "definition"), jw_str(w, r->help);
        jw_close(w, '}');
    }
    jw_close(w, '}');
}

static void put_long_values(struct jsonw *w, const struct job *j)
{
    for (size_t i = 0; i < j->priv->n_values; i++) {
        jw_key(w, j->priv->values[i].row->long_name);
        if (j->priv->values[i].absent)
            jw_null(w);
        else
            jw_f64(w, j->priv->values[i].value);
    }
    jw_key(w, "absent");
    jw_open(w, '{');
    for (size_t i = 0; i < j->priv->n_values; i++)
        if (j->priv->values[i].absent)
            jw_key(w, j->priv->values[i].row->long_name), jw_str(w, j->priv->values[i].absent);
    jw_close(w, '}');
}

enum err_code out_metrics(struct job *j, struct err *e)
{
    struct buf text = {0};
    struct jsonw w;

    fill_promised(j);
    jw_init(&w, &text, true);
    jw_open(&w, '{');
    jw_key(&w, "run_id"), jw_str(&w, j->run_id);
    jw_key(&w, "job"), jw_str(&w, j->id);
    jw_key(&w, "kind"), jw_str(&w, j->kind->name);
    jw_key(&w, "verdict"), jw_str(&w, j->priv->verdict);
    jw_key(&w, "message"), jw_str(&w, j->priv->message);
    put_programme(&w, j);
    put_long_values(&w, j);
    jw_key(&w, "definitions"), put_definitions(&w, j);
    jw_key(&w, "provenance"), put_provenance(&w, j);
    jw_close(&w, '}');
    buf_char(&text, '\n');
    return out_file(j, "metrics.json", &text, e);
}

/* Non-finite points are left out: a diverged run says so in its verdict. */
enum err_code out_series(struct job *j, struct err *e)
{
    struct buf text = {0};

    buf_str(&text, "name,step,value\n");
    for (size_t i = 0; i < j->priv->n_points; i++) {
        const struct job_point *pt = &j->priv->points[i];

        if (!isfinite(pt->value))
            continue;
        buf_fmt(&text, "%s,%" PRId64 ",", j->priv->series_names[pt->name], pt->step);
        buf_f64(&text, pt->value);
        buf_char(&text, '\n');
    }
    return out_file(j, RUN_SERIES_FILE, &text, e);
}

void out_error(const char *dir, const struct err *why)
{
    struct buf text = {0}, path = {0};
    struct jsonw w;

    buf_fmt(&path, "%s/%s", dir, RUN_ERROR_FILE);
    jw_init(&w, &text, true);
    jw_open(&w, '{');
    jw_key(&w, "code"), jw_str(&w, err_name(why->code));
    jw_key(&w, "class"), jw_str(&w, err_class_name(err_class(why->code)));
    jw_key(&w, "message"), jw_str(&w, why->text);
    jw_close(&w, '}');
    buf_char(&text, '\n');
    if (fs_replace(path.data, text.data, text.len, NULL)) {
        /* the exit code and stderr still tell */
    }
    buf_free(&text);
    buf_free(&path);
}
