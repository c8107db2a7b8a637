/* spec.c - a sweep as a whole: its errors, its top-level keys, what others ask about it. */
#include "coordinator/spec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/fs.h"
#include "common/sha256.h"
#include "coordinator/exports.h"
#include "coordinator/spec_internal.h"

enum { ERRORS_SHOWN = 100 };

void spec_error(struct spec *s, const struct ynode *at, const char *where, const char *fmt, ...)
{
    struct buf *out = s->detail->errors;
    size_t start;
    va_list ap;

    if (s->detail->n_errors++ >= ERRORS_SHOWN)
        return;
    if (at && at->line)
        buf_fmt(out, "%s:%d:%d: ", at->file, at->line, at->col);
    else
        buf_fmt(out, "%s: ", at ? at->file : s->path);
    start = out->len;
    if (where)
        buf_fmt(out, "%s: ", where);
    va_start(ap, fmt);
    buf_vfmt(out, fmt, ap);
    va_end(ap);
    for (size_t i = start; i < out->len; i++) /* an error is a line */
        if ((unsigned char)out->data[i] < 0x20)
            out->data[i] = ' ';
    buf_char(out, '\n');
}

const char *spec_hint(struct spec *s, const char *near)
{
    char *text;

    if (!near)
        return "";
    text = pool_alloc(&s->detail->pool, strlen(near) + 32, 1);
    sprintf(text, " (did you mean %s?)", near);
    return text;
}

int spec_find_stage(const struct spec *s, const char *name)
{
    for (size_t i = 0; i < s->n_stages; i++)
        if (strcmp(s->stages[i].name, name) == 0)
            return (int)i;
    return -1;
}

const char *spec_nearest_stage(const struct spec *s, const char *name)
{
    const char *best = NULL;
    size_t best_d = strlen(name) <= 2 ? 2 : 3;

    for (size_t i = 0; i < s->n_stages; i++) {
        size_t d = text_distance(s->stages[i].name, name);

        if (d < best_d) {
            best_d = d;
            best = s->stages[i].name;
        }
    }
    return best;
}

/* --- top-level keys ------------------------------------------------------------------------ */

/* Text of a scalar key, or "". */
static const char *read_text(struct spec *s, const char *key)
{
    const struct ynode *n = ytree_get(s->detail->root, key);

    if (!n || ynode_is_null(n))
        return "";
    if (n->type != YNODE_SCALAR) {
        spec_error(s, n, key, "expected text, not a %s",
                   n->type == YNODE_LIST ? "list" : "mapping");
        return "";
    }
    return n->text;
}

static const char *read_name(struct spec *s, const char *key, const char *otherwise)
{
    const struct ynode *n = ytree_get(s->detail->root, key);
    const char *text = read_text(s, key);

    if (!n)
        return otherwise;
    if (n->type == YNODE_SCALAR && !fs_name_is_safe(text))
        spec_error(s, n, key,
                   "\"%.60s\" cannot name a folder: letters, digits, '.', '_' and '-', "
                   "at most 200, not starting with '.' or '-'",
                   text);
    return text;
}

static bool is_format(const char *text)
{
    for (const char *const *f = exports_formats(); *f; f++)
        if (strcmp(*f, text) == 0)
            return true;
    return false;
}

static void read_export(struct spec *s, const struct ynode *n, struct spec_export *out)
{
    static const char *const keys[] = {"format", "stage", "path", NULL};
    const char **values[] = {&out->format, &out->stage, &out->path};

    if (n->type != YNODE_MAP) {
        spec_error(s, n, "exports", "expected {format: F, stage: S, path: P}");
        return;
    }
    for (size_t i = 0; i < n->n; i++)
        if (strcmp(n->keys[i]->text, "format") != 0 && strcmp(n->keys[i]->text, "stage") != 0 &&
            strcmp(n->keys[i]->text, "path") != 0)
            spec_error(s, n->keys[i], "exports", "%s: unknown key%s", n->keys[i]->text,
                       spec_hint(s, cfg_nearest(NULL, 0, keys, n->keys[i]->text)));
    for (size_t i = 0; i < 3; i++) {
        const struct ynode *v = ytree_get(n, keys[i]);

        if (v && v->type == YNODE_SCALAR && *v->text)
            *values[i] = v->text;
        else
            spec_error(s, v ? v : n, "exports", "%s: %s", keys[i], v ? "expected text" : "missing");
    }
    if (out->format && !is_format(out->format))
        spec_error(s, ytree_get(n, "format"), "exports", "%s: no such format%s", out->format,
                   spec_hint(s, cfg_nearest(NULL, 0, exports_formats(), out->format)));
    if (out->stage && spec_find_stage(s, out->stage) < 0)
        spec_error(s, ytree_get(n, "stage"), "exports", "%s: no such stage%s", out->stage,
                   spec_hint(s, spec_nearest_stage(s, out->stage)));
    if (out->path && (out->path[0] == '/' || strstr(out->path, "..")))
        spec_error(s, ytree_get(n, "path"), "exports", "%s: has to stay below the results folder",
                   out->path);
}

static void read_exports(struct spec *s)
{
    const struct ynode *n = ytree_get(s->detail->root, "exports");

    if (!n)
        return;
    if (n->type != YNODE_LIST) {
        spec_error(s, n, "exports", "expected a list");
        return;
    }
    s->detail->exports = pool_new(&s->detail->pool, struct spec_export, n->n + 1);
    s->detail->n_exports = n->n;
    for (size_t i = 0; i < n->n; i++)
        read_export(s, n->items[i], &s->detail->exports[i]);
}

static void read_top(struct spec *s)
{
    if (!ytree_get(s->detail->root, "sweep"))
        spec_error(s, s->detail->root, "sweep", "missing: every sweep has a name");
    s->name = read_name(s, "sweep", "");
    s->phase = read_name(s, "phase", s->name);
    s->title = read_text(s, "title");
    s->hypothesis = read_text(s, "hypothesis");
    s->expected = read_text(s, "expected");
}

static void store_text(struct spec *s)
{
    struct buf b = {0};

    ytree_block(s->detail->root, 3, &b);
    s->text = pool_strn(&s->detail->pool, b.data, b.len);
    sha256_of(b.data, b.len, s->digest);
    buf_free(&b);
}

static void read_all(struct spec *s, const struct spec_options *o)
{
    const struct ynode *stages;

    s->detail->root = spec_source(s, o);
    if (!s->detail->root)
        return;
    store_text(s);
    read_top(s);
    stages = ytree_get(s->detail->root, "stages");
    if (!stages || stages->type != YNODE_MAP || stages->n == 0) {
        spec_error(s, stages ? stages : s->detail->root, "stages",
                   "%s: a sweep has at least one stage, stages: {name: {kind: ...}}",
                   stages ? "empty" : "missing");
        return;
    }
    spec_read_stages(s, stages);
    read_exports(s);
    spec_read_notes(s);
    spec_order(s);
    for (size_t i = 0; i < s->n_stages; i++)
        if (!s->stages[i].is_broken)
            join_stage(s, (int)i);
    for (size_t i = 0; i < s->n_stages; i++)
        if (!s->stages[i].is_broken)
            knobs_check(s, (int)i);
}

static enum err_code finish(struct spec *s, struct spec **out, struct buf *errors, size_t before,
                            struct err *e)
{
    size_t n = s->detail->n_errors;

    if (n > ERRORS_SHOWN)
        buf_fmt(errors, "%s: %zu more errors\n", s->path, n - ERRORS_SHOWN);
    s->detail->errors = NULL;
    if (n == 0) {
        *out = s;
        return ERR_OK;
    }
    size_t len = strcspn(errors->data + before, "\n");
    err_set(e, ERR_INVALID, "%.*s", (int)len, errors->data + before);
    spec_free(s);
    return ERR_INVALID;
}

enum err_code spec_load(const char *path, const struct spec_set *sets, size_t n_sets,
                        const char *profile, struct spec **out, struct buf *errors, struct err *e)
{
    struct spec_options o = {sets, n_sets, profile};
    struct spec *s = calloc(1, sizeof *s);
    struct spec_detail *d = calloc(1, sizeof *d);
    size_t before = errors->len;

    *out = NULL;
    if (!s || !d) {
        free(s);
        free(d);
        return err_set(e, ERR_NOMEM, "%s: out of memory", path);
    }
    s->detail = d;
    d->errors = errors;
    s->path = pool_str(&d->pool, path);
    read_all(s, &o);
    return finish(s, out, errors, before, e);
}

void spec_free(struct spec *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n_stages; i++)
        join_free(&s->stages[i]);
    pool_free(&s->detail->pool);
    free(s->detail);
    free(s);
}

const char *spec_stage_name(const struct spec *s, size_t i)
{
    return s->stages[i].name;
}

const struct job_kind *spec_stage_kind(const struct spec *s, size_t i)
{
    return s->stages[i].kind;
}

const struct spec_gate *spec_stage_gate(const struct spec *s, size_t i)
{
    return s->stages[i].has_gate ? &s->stages[i].gate : NULL;
}

size_t spec_n_exports(const struct spec *s)
{
    return s->detail->n_exports;
}

void spec_export(const struct spec *s, size_t i, const char **format, const char **stage,
                 const char **path)
{
    *format = s->detail->exports[i].format;
    *stage = s->detail->exports[i].stage;
    *path = s->detail->exports[i].path;
}
