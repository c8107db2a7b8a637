/* json_write.c - the writer of json.h. */
#include "common/json.h"

#include <math.h>
#include <stdlib.h>

void jw_init(struct jsonw *w, struct buf *out, bool pretty)
{
    *w = (struct jsonw){.out = out, .pretty = pretty};
}

static void new_line(struct jsonw *w)
{
    buf_fmt(w->out, "\n%*s", 2 * w->depth, "");
}

/* Comma and new line before a value or key. */
static void before_item(struct jsonw *w)
{
    if (w->after_key) {
        w->after_key = false;
        return;
    }
    if (w->depth == 0)
        return;
    if (w->has_item[w->depth - 1])
        buf_char(w->out, ',');
    w->has_item[w->depth - 1] = true;
    if (w->pretty)
        new_line(w);
}

void jw_open(struct jsonw *w, char bracket)
{
    before_item(w);
    buf_char(w->out, bracket);
    if (w->depth == (int)ARRAY_LEN(w->has_item))
        abort(); /* no document of ours is that deep */
    w->has_item[w->depth++] = false;
}

void jw_close(struct jsonw *w, char bracket)
{
    w->depth--;
    if (w->pretty && w->has_item[w->depth])
        new_line(w);
    buf_char(w->out, bracket);
}

void jw_key(struct jsonw *w, const char *key)
{
    before_item(w);
    buf_json(w->out, key);
    buf_str(w->out, w->pretty ? ": " : ":");
    w->after_key = true;
}

void jw_raw(struct jsonw *w, const char *json)
{
    before_item(w);
    buf_str(w->out, json);
}

void jw_null(struct jsonw *w)
{
    jw_raw(w, "null");
}

void jw_str(struct jsonw *w, const char *s)
{
    if (!s) {
        jw_null(w);
        return;
    }
    before_item(w);
    buf_json(w->out, s);
}

void jw_i64(struct jsonw *w, int64_t v)
{
    before_item(w);
    buf_fmt(w->out, "%lld", (long long)v);
}

void jw_f64(struct jsonw *w, double v)
{
    char text[32];

    jw_raw(w, isfinite(v) ? f64_text(text, v) : "null");
}

void jw_bool(struct jsonw *w, bool v)
{
    jw_raw(w, v ? "true" : "false");
}
