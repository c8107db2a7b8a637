/* cfg_io.c - structs from canonical text and JSON, and back.  See cfg.h. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/cfg.h"

static const char *keep_string(struct cfg_strings *keep, char *s)
{
    if (keep->n == keep->cap) {
        size_t cap = keep->cap ? 2 * keep->cap : 8;
        char **grown = realloc(keep->s, cap * sizeof *grown);

        if (!grown) {
            free(s);
            return NULL;
        }
        keep->s = grown;
        keep->cap = cap;
    }
    keep->s[keep->n++] = s;
    return s;
}

enum err_code cfg_set(const struct cfg_field *f, void *base, const char *text,
                      struct cfg_strings *keep, struct err *e)
{
    struct buf b = {0};
    char *at = (char *)base + f->offset;
    enum err_code rc = cfg_canon(f, text, &b, e);

    if (rc) {
        buf_free(&b);
        return err_wrap(e, "%s", f->name);
    }
    switch (f->type) {
    case CFG_I64:
    case CFG_MEM:
        *(int64_t *)at = strtoll(b.data, NULL, 10);
        break;
    case CFG_F64:
    case CFG_DUR:
        *(double *)at = strtod(b.data, NULL);
        break;
    case CFG_BOOL:
        *(bool *)at = b.data[0] == 't';
        break;
    case CFG_STR:
    case CFG_ENUM:
    case CFG_PATH:
        *(const char **)at = keep_string(keep, buf_steal(&b));
        if (!*(const char **)at)
            rc = err_set(e, ERR_NOMEM, "%s: out of memory", f->name);
        break;
    }
    buf_free(&b);
    return rc;
}

enum err_code cfg_defaults(const struct cfg_field *fields, size_t n, void *base,
                           struct cfg_strings *keep, struct err *e)
{
    for (size_t i = 0; i < n; i++)
        if (cfg_set(&fields[i], base, fields[i].deflt, keep, e))
            return err_wrap(e, "default");
    return ERR_OK;
}

static enum err_code text_of_json(const struct json *v, struct buf *out, struct err *e)
{
    int64_t i;
    double d;
    bool b;

    if (json_str(v))
        buf_str(out, json_str(v));
    else if (json_bool(v, &b))
        buf_str(out, b ? "true" : "false");
    else if (json_i64(v, &i))
        buf_fmt(out, "%" PRId64, i);
    else if (json_f64(v, &d))
        buf_f64(out, d);
    else
        return err_set(e, ERR_INVALID, "%s: expected a string, number or boolean", json_key(v));
    return ERR_OK;
}

enum err_code cfg_from_json(const struct cfg_field *fields, size_t n, void *base,
                            const struct json *obj, struct cfg_strings *keep, struct err *e)
{
    struct buf text = {0};
    enum err_code rc = cfg_defaults(fields, n, base, keep, e);

    if (rc == ERR_OK && !json_is_object(obj))
        rc = err_set(e, ERR_INVALID, "knobs: expected a JSON object");
    if (rc)
        return rc;
    for (const struct json *v = json_first(obj); v && rc == ERR_OK; v = json_next(v)) {
        const struct cfg_field *f = cfg_find(fields, n, json_key(v));

        buf_reset(&text);
        if (!f) {
            const char *near = cfg_nearest(fields, n, NULL, json_key(v));

            rc = err_set(e, ERR_INVALID, "%s: unknown knob%s%s%s", json_key(v),
                         near ? " (did you mean " : "", near ? near : "", near ? "?)" : "");
            break;
        }
        rc = text_of_json(v, &text, e);
        if (rc == ERR_OK)
            rc = cfg_set(f, base, text.data ? text.data : "", keep, e);
    }
    buf_free(&text);
    return rc;
}

void cfg_text(const struct cfg_field *f, const void *base, struct buf *out)
{
    const char *at = (const char *)base + f->offset;
    const char *s;

    switch (f->type) {
    case CFG_I64:
    case CFG_MEM:
        buf_fmt(out, "%" PRId64, *(const int64_t *)at);
        break;
    case CFG_F64:
    case CFG_DUR:
        buf_f64(out, *(const double *)at);
        break;
    case CFG_BOOL:
        buf_str(out, *(const bool *)at ? "true" : "false");
        break;
    case CFG_STR:
    case CFG_ENUM:
    case CFG_PATH:
        s = *(const char *const *)at;
        buf_str(out, s ? s : "");
        break;
    }
}

void cfg_free(struct cfg_strings *keep)
{
    for (size_t i = 0; i < keep->n; i++)
        free(keep->s[i]);
    free(keep->s);
    *keep = (struct cfg_strings){0};
}

void cfg_json_value(const struct cfg_field *f, const char *canon, struct buf *out)
{
    if (cfg_is_text(f->type))
        buf_json(out, canon);
    else
        buf_str(out, canon);
}
