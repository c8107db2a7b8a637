/* load.c - from job.json to a struct job: kind, knobs, inputs. */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/fs.h"
#include "common/oom.h"
#include "common/rundir.h"
#include "common/sha256.h"
#include "worker/runner/job_private.h"

enum { JOB_FILE_MAX = 64 << 20, RESULT_FILE_MAX = 1 << 30 };

char *text_copy(const char *s)
{
    struct buf b = {0};

    buf_str(&b, s);
    return buf_steal(&b);
}

void *array_room(void *items, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return items;
    *cap = *cap ? 2 * *cap : 16;
    items = *cap <= SIZE_MAX / size ? realloc(items, *cap * size) : NULL;
    if (!items)
        oom_exit("%zu items of %zu bytes", *cap, size);
    return items;
}

static void *zeroed(size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size);

    if (!p)
        oom_exit("%zu items of %zu bytes", n, size);
    return p;
}

static enum err_code get_text(const struct json *doc, const char *key, const char **out,
                              struct err *e)
{
    *out = json_str(json_get(doc, key));
    if (!*out)
        return err_set(e, ERR_INVALID, "%s: missing, or not a string", key);
    return ERR_OK;
}

static size_t cfg_struct_size(const struct job_kind *kind)
{
    size_t end = 0;

    for (size_t i = 0; i < kind->n_fields; i++)
        if (kind->fields[i].offset + 8 > end) /* no member is larger than 8 bytes */
            end = kind->fields[i].offset + 8;
    return end;
}

static enum err_code load_kind(struct job *j, const struct json *doc, struct err *e)
{
    const char *name;
    int64_t version;

    if (get_text(doc, "kind", &name, e))
        return e->code;
    j->kind = kind_find(name);
    if (!j->kind)
        return err_set(e, ERR_INVALID, "kind: %s: unknown", name);
    j->priv->impl = job_impl_find(name);
    if (!j->priv->impl)
        return err_set(e, ERR_BUG, "kind: %s: this program has no code for it", name);
    if (json_i64(json_get(doc, "version"), &version) && version != j->kind->version)
        return err_set(e, ERR_INVALID, "version: %s %" PRId64 " is asked for, this program has %d",
                       name, version, j->kind->version);
    return ERR_OK;
}

static enum err_code load_knobs(struct job *j, const struct json *doc, struct err *e)
{
    struct job_private *p = j->priv;

    p->cfg = zeroed(cfg_struct_size(j->kind), 1);
    j->cfg = p->cfg;
    if (cfg_from_json(j->kind->fields, j->kind->n_fields, p->cfg, json_get(doc, "knobs"), &p->keep,
                      e))
        return err_wrap(e, "knobs");
    if (cfg_from_json(job_fields, job_fields_n, &j->common, json_get(doc, "common"), &p->keep, e))
        return err_wrap(e, "common");
    return ERR_OK;
}

static bool is_data(const char *path)
{
    static const char *const suffixes[] = {".pt", ".safetensors"};

    for (size_t i = 0; path && i < ARRAY_LEN(suffixes); i++) {
        size_t n = strlen(path), k = strlen(suffixes[i]);
        if (n > k && strcmp(path + n - k, suffixes[i]) == 0)
            return true;
    }
    return false;
}

/* What we compute with must be what the input's job wrote: its weights and activations, by the
 * digests in its result.json.  It warms the cache for the reading that follows. */
static enum err_code check_digests(const struct job_input *in, struct err *e)
{
    struct buf path = {0};
    enum err_code rc = ERR_OK;

    for (const struct json *a = json_first(json_get(in->result, "artifacts")); a && !rc; a = json_next(a)) {
        const char *rel = json_str(json_get(a, "path")), *want = json_str(json_get(a, "sha256"));
        uint8_t digest[32];
        uint64_t size;
        char hex[65];

        if (!is_data(rel) || !want)
            continue;
        buf_reset(&path);
        buf_fmt(&path, "%s/%s", in->dir, rel);
        rc = sha256_file(path.data, digest, &size, e);
        if (!rc && strcmp(hex_text(hex, digest, 32), want) != 0)
            rc = err_set(e, ERR_CORRUPT, "%s: %s: altered or damaged: its SHA-256 is not the one in "
                         RUN_RESULT_FILE "; restore it from a copy",
                         in->name, path.data);
    }
    buf_free(&path);
    return rc;
}

static enum err_code load_input(struct job *j, size_t i, const struct json *item, struct err *e)
{
    struct job_input *in = &j->priv->inputs[i];
    const char *path = json_str(json_get(item, "path")), *id;
    struct buf dir = {0};
    enum err_code rc = ERR_OK;

    if (get_text(item, "name", &in->name, e) || get_text(item, "job", &in->job, e))
        return err_wrap(e, "input %zu", i);
    const struct kind_input *row = kind_input_find(j->kind, in->name);
    if (!row)
        return err_set(e, ERR_INVALID, "%s: %s takes no such input", in->name, j->kind->name);
    if (row->is_like && !path) /* knobs only: there is no folder to read */
        return ERR_OK;
    if (!path)
        return err_set(e, ERR_INVALID, "%s: path: missing", in->name);
    buf_fmt(&dir, path[0] == '/' ? "%.0s%s" : "%s/%s", j->results, path);
    in->dir = buf_steal(&dir);
    buf_fmt(&dir, "%s/%s", in->dir, RUN_RESULT_FILE);
    rc = json_read(dir.data, RESULT_FILE_MAX, &j->priv->input_docs[i], e);
    if (rc)
        rc = err_wrap(e, "%s", in->name);
    in->result = j->priv->input_docs[i];
    id = rc ? NULL : json_str(json_get(in->result, "job"));
    if (!rc && (!id || strcmp(id, in->job) != 0))
        rc = err_set(e, ERR_CORRUPT, "%s: %s: it is the result of job %s, not of %s", in->name,
                     dir.data, id ? id : "?", in->job);
    if (!rc)
        rc = check_digests(in, e);
    buf_free(&dir);
    return rc;
}

static enum err_code check_inputs(const struct job *j, struct err *e)
{
    for (size_t i = 0; i < j->kind->n_inputs; i++) {
        const struct kind_input *row = &j->kind->inputs[i];

        if (row->is_like || row->form == INPUT_OPT || row->form == INPUT_MANY_OPT)
            continue;
        if (!job_input(j, row->name))
            return err_set(e, ERR_INVALID, "%s: missing, %s needs it", row->name, j->kind->name);
    }
    return ERR_OK;
}

static enum err_code load_inputs(struct job *j, const struct json *doc, struct err *e)
{
    const struct json *list = json_get(doc, "inputs");
    size_t n = list ? json_len(list) : 0;

    j->priv->inputs = zeroed(n, sizeof *j->priv->inputs);
    j->priv->input_docs = zeroed(n, sizeof *j->priv->input_docs);
    j->inputs = j->priv->inputs;
    for (const struct json *item = n ? json_first(list) : NULL; item; item = json_next(item)) {
        j->n_inputs++; /* before the load: what it leaves behind is released */
        if (load_input(j, j->n_inputs - 1, item, e))
            return err_wrap(e, "inputs");
    }
    if (check_inputs(j, e))
        return err_wrap(e, "inputs");
    return ERR_OK;
}

static enum err_code load_doc(struct job *j, const struct json *doc, struct err *e)
{
    if (!json_is_object(doc))
        return err_set(e, ERR_INVALID, "not an object");
    if (get_text(doc, "job", &j->id, e) || get_text(doc, "run_id", &j->run_id, e) ||
        get_text(doc, "results", &j->results, e))
        return e->code;
    j->sweep = json_str(json_get(doc, "sweep"));
    j->stage = json_str(json_get(doc, "stage"));
    j->context = json_get(doc, "context");
    json_i64(json_get(doc, "epoch"), &j->priv->epoch);
    if (load_kind(j, doc, e) || load_knobs(j, doc, e) || load_inputs(j, doc, e))
        return e->code;
    return ERR_OK;
}

enum err_code job_load(struct job **out, const char *dir, const struct clock *clock, struct err *e)
{
    struct job *j = zeroed(1, sizeof *j);
    struct buf path = {0};
    enum err_code rc;

    *out = j;
    j->priv = zeroed(1, sizeof *j->priv);
    j->priv->progress.fd = -1;
    j->priv->dir = text_copy(dir);
    j->priv->final = text_copy(dir);
    j->priv->final[strlen(dir) - strlen(".tmp")] = '\0';
    j->dir = j->priv->dir;
    j->clock = clock;
    j->arena = &j->priv->arena;
    j->priv->started_us = clock->mono_us(clock);
    j->priv->started_wall_ms = clock->wall_ms(clock);
    buf_fmt(&path, "%s/%s", dir, RUN_JOB_FILE);
    rc = json_read(path.data, JOB_FILE_MAX, &j->priv->doc, e);
    if (!rc)
        rc = load_doc(j, j->priv->doc, e);
    if (rc)
        rc = err_wrap(e, "%s", path.data);
    buf_free(&path);
    j->priv->checkpoint_ms = clock_ms(clock) + (int64_t)(j->common.checkpoint_every * 1000);
    return rc;
}

static void texts_free(struct job_text *t, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(t[i].name);
        free(t[i].type);
        free(t[i].text);
    }
    free(t);
}

static void figures_free(struct job_figure *f, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t l = 0; l < f[i].plot.n_lines; l++) {
            const struct plot_line *line = &f[i].plot.lines[l];

            free((void *)line->title);
            free((void *)line->x);
            free((void *)line->y);
            free((void *)line->y_low);
            free((void *)line->y_high);
        }
        free((void *)f[i].plot.lines);
        free((void *)f[i].plot.title);
        free((void *)f[i].plot.x_label);
        free((void *)f[i].plot.y_label);
        free(f[i].name);
    }
    free(f);
}

static void private_free(struct job_private *p)
{
    texts_free(p->blobs, p->n_blobs);
    texts_free(p->provenance, p->n_provenance);
    figures_free(p->figures, p->n_figures);
    for (size_t i = 0; i < p->n_values; i++)
        free(p->values[i].absent);
    for (size_t i = 0; i < p->n_names; i++)
        free(p->series_names[i]);
    for (size_t i = 0; i < p->n_histograms; i++)
        free(p->histograms[i].name);
    free(p->histograms);
    free(p->values);
    free(p->series_names);
    free(p->points);
    buf_free(&p->summary);
    buf_free(&p->path);
    free(p->verdict);
    free(p->message);
    free(p->series_unit);
    free(p->dir);
    free(p->final);
    free(p->cfg);
    cfg_free(&p->keep);
    arena_close(&p->arena);
    free(p);
}

void job_unload(struct job *j)
{
    if (!j)
        return;
    for (size_t i = 0; i < j->n_inputs; i++) {
        free((void *)j->priv->inputs[i].dir);
        json_free(j->priv->input_docs[i]);
    }
    free(j->priv->inputs);
    free(j->priv->input_docs);
    json_free(j->priv->doc);
    private_free(j->priv);
    free(j);
}

static bool context_text(const struct json *v, struct buf *out, bool *is_text)
{
    int64_t i;
    double f;
    bool b;

    *is_text = false;
    if (json_str(v)) {
        *is_text = true;
        buf_str(out, json_str(v));
    } else if (json_i64(v, &i))
        buf_fmt(out, "%" PRId64, i);
    else if (json_f64(v, &f))
        buf_f64(out, f);
    else if (json_bool(v, &b))
        buf_str(out, b ? "true" : "false");
    else
        return false;
    return true;
}

bool job_knob_text(const struct job *j, const char *name, struct buf *out, bool *is_text)
{
    const struct cfg_field *f = cfg_find(j->kind->fields, j->kind->n_fields, name);

    if (f) {
        cfg_text(f, j->cfg, out);
        *is_text = cfg_is_text(f->type);
        return true;
    }
    const struct json *v = j->context ? json_get(j->context, name) : NULL;
    return v && context_text(v, out, is_text);
}
