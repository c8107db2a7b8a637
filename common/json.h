/* json.h - the door to cJSON for reading, and our own writer.
 *
 * Reading: strict (one value, no trailing bytes, no duplicate keys, depth <= 64, UTF-8).
 * Integers are read from the raw token, so 64 bits survive.
 * Writing: numbers by f64_text (round trip); NaN and infinities become null.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"

struct json; /* a node of a parsed document */

MUST_CHECK enum err_code json_parse(const char *text, size_t len, struct json **out, struct err *e);
MUST_CHECK enum err_code json_read(const char *path, size_t max, struct json **out, struct err *e);
void json_free(struct json *root);

const struct json *json_get(const struct json *obj, const char *key); /* NULL when absent */
const struct json *json_first(const struct json *list);               /* of an array or object */
const struct json *json_next(const struct json *item);
const char *json_key(const struct json *item);                        /* inside an object */
size_t json_len(const struct json *list);
bool json_is_object(const struct json *v);
bool json_is_array(const struct json *v);
bool json_is_null(const struct json *v);
const char *json_str(const struct json *v);                           /* NULL if not a string */
bool json_f64(const struct json *v, double *out);                     /* false if not a number */
bool json_i64(const struct json *v, int64_t *out);                    /* number or decimal string */
bool json_bool(const struct json *v, bool *out);

/* Writer: commas are put by itself. */
struct jsonw {
    struct buf *out;
    int depth;
    bool has_item[64];
    bool after_key;
    bool pretty; /* newlines and two spaces */
};

void jw_init(struct jsonw *w, struct buf *out, bool pretty);
void jw_open(struct jsonw *w, char bracket);  /* '{' or '[' */
void jw_close(struct jsonw *w, char bracket); /* '}' or ']' */
void jw_key(struct jsonw *w, const char *key);
void jw_str(struct jsonw *w, const char *s);  /* NULL -> null */
void jw_i64(struct jsonw *w, int64_t v);
void jw_f64(struct jsonw *w, double v);
void jw_bool(struct jsonw *w, bool v);
void jw_null(struct jsonw *w);
void jw_raw(struct jsonw *w, const char *json);
