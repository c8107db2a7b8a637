/* json.c - the door to cJSON, for reading.  The writer is json_write.c.
 *
 * cJSON is lenient (trailing bytes, "01", \u0000, duplicate keys) and rounds integers over 2^53.
 * So a strict scanner goes over the text first and rewrites every number into a string that
 * starts with the byte 0xFF, which no UTF-8 text holds.  cJSON then builds the tree, and a
 * number is read from its own token when it is asked for.
 */
#include "common/json.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "common/fs.h"
#include "common/map.h"

enum { DEPTH_MAX = 64, NUMBER_MARK = 0xFF };

struct scan {
    const char *text;
    size_t len, at;
    int depth;
    struct buf out;
    struct err *e;
};

static enum err_code fail(struct scan *s, const char *what)
{
    size_t line = 1, column = 1;

    for (size_t i = 0; i < s->at && i < s->len; i++) {
        column = s->text[i] == '\n' ? 1 : column + 1;
        line += s->text[i] == '\n';
    }
    return err_set(s->e, ERR_INVALID, "%zu:%zu: JSON: %s", line, column, what);
}

/* The byte at the cursor, or -1 at the end. */
static int peek(const struct scan *s)
{
    return s->at < s->len ? (unsigned char)s->text[s->at] : -1;
}

static void skip_space(struct scan *s)
{
    while (s->at < s->len && memchr(" \t\r\n", s->text[s->at], 4))
        s->at++;
}

static size_t skip_digits(struct scan *s)
{
    size_t from = s->at;

    while (peek(s) >= '0' && peek(s) <= '9')
        s->at++;
    return s->at - from;
}

static enum err_code scan_number(struct scan *s)
{
    size_t from = s->at;

    s->at += peek(s) == '-';
    if (peek(s) == '0')
        s->at++;
    else if (skip_digits(s) == 0)
        return fail(s, "a value is expected");
    if (peek(s) >= '0' && peek(s) <= '9')
        return fail(s, "a number may not start with 0");
    if (peek(s) == '.') {
        s->at++;
        if (skip_digits(s) == 0)
            return fail(s, "a digit must follow the decimal point");
    }
    if (peek(s) == 'e' || peek(s) == 'E') {
        s->at++;
        s->at += peek(s) == '+' || peek(s) == '-';
        if (skip_digits(s) == 0)
            return fail(s, "a digit must follow the exponent");
    }
    buf_char(&s->out, '"');
    buf_char(&s->out, (char)NUMBER_MARK);
    buf_add(&s->out, s->text + from, s->at - from);
    buf_char(&s->out, '"');
    return ERR_OK;
}

/* Length of the UTF-8 sequence at p, 0 if it is not one (overlong, surrogate, cut). */
static size_t utf8_len(const unsigned char *p, size_t n)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t len = p[0] < 0x80       ? 1
                 : p[0] >> 5 == 6  ? 2
                 : p[0] >> 4 == 14 ? 3
                 : p[0] >> 3 == 30 ? 4
                                   : 0;
    uint32_t c;

    if (len <= 1 || len > n)
        return len <= n ? len : 0;
    c = p[0] & (0x7Fu >> len);
    for (size_t i = 1; i < len; i++) {
        if (p[i] >> 6 != 2)
            return 0;
        c = c << 6 | (p[i] & 0x3Fu);
    }
    return c < least[len] || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000) ? 0 : len;
}

/* Four hexadecimal digits at the cursor, or -1. */
static long hex4(const struct scan *s, size_t at)
{
    long v = 0;

    if (s->len - at < 4)
        return -1;
    for (size_t i = 0; i < 4; i++) {
        const char *digits = "0123456789abcdefABCDEF";
        const char *d = s->text[at + i] ? strchr(digits, s->text[at + i]) : NULL;

        if (!d)
            return -1;
        v = v * 16 + (d - digits < 16 ? d - digits : d - digits - 6);
    }
    return v;
}

/* After the backslash. */
static enum err_code scan_escape(struct scan *s)
{
    long c;

    if (peek(s) <= 0 || !strchr("\"\\/bfnrtu", peek(s)))
        return fail(s, "unknown escape in a string");
    if (s->text[s->at++] != 'u')
        return ERR_OK;
    c = hex4(s, s->at);
    if (c < 0)
        return fail(s, "\\u needs four hexadecimal digits");
    if (c == 0)
        return fail(s, "\\u0000 is not allowed");
    s->at += 4;
    if (c >= 0xDC00 && c < 0xE000)
        return fail(s, "half a surrogate pair");
    if (c >= 0xD800 && c < 0xDC00) {
        long low =
            s->len - s->at >= 6 && memcmp(s->text + s->at, "\\u", 2) == 0 ? hex4(s, s->at + 2) : -1;

        if (low < 0xDC00 || low >= 0xE000)
            return fail(s, "half a surrogate pair");
        s->at += 6;
    }
    return ERR_OK;
}

static enum err_code scan_string(struct scan *s)
{
    size_t from = s->at++, n;
    enum err_code rc;

    for (;;) {
        int c = peek(s);

        if (c < 0)
            return fail(s, "a string has no end");
        if (c < 0x20)
            return fail(s, "a control character in a string");
        n = utf8_len((const unsigned char *)s->text + s->at, s->len - s->at);
        if (n == 0)
            return fail(s, "bytes that are not UTF-8");
        s->at += n;
        if (c == '"')
            break;
        if (c == '\\') {
            rc = scan_escape(s);
            if (rc)
                return rc;
        }
    }
    buf_add(&s->out, s->text + from, s->at - from);
    return ERR_OK;
}

static enum err_code scan_word(struct scan *s)
{
    static const char *const words[] = {"true", "false", "null"};

    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        size_t n = strlen(words[i]);

        if (s->len - s->at >= n && memcmp(s->text + s->at, words[i], n) == 0) {
            s->at += n;
            buf_str(&s->out, words[i]);
            return ERR_OK;
        }
    }
    return fail(s, "a value is expected");
}

static enum err_code scan_value(struct scan *s);

/* An object or a list; the cursor is on its opening bracket. */
static enum err_code scan_members(struct scan *s, char close)
{
    enum err_code rc = ERR_OK;

    if (++s->depth > DEPTH_MAX)
        return fail(s, "nested more than 64 deep");
    buf_char(&s->out, s->text[s->at++]);
    skip_space(s);
    while (!rc && peek(s) != close) {
        if (close == '}') {
            if (peek(s) != '"')
                return fail(s, "a quoted key is expected");
            rc = scan_string(s);
            skip_space(s);
            if (!rc && peek(s) != ':')
                return fail(s, "':' is expected after a key");
            s->at++;
            buf_char(&s->out, ':');
        }
        if (!rc)
            rc = scan_value(s);
        skip_space(s);
        if (rc || peek(s) == close)
            break;
        if (peek(s) != ',')
            return fail(s, close == '}' ? "',' or '}' is expected" : "',' or ']' is expected");
        buf_char(&s->out, s->text[s->at++]);
        skip_space(s);
        if (peek(s) == close)
            return fail(s, "a value is expected after ','");
    }
    s->depth--;
    if (!rc)
        buf_char(&s->out, s->text[s->at++]);
    return rc;
}

static enum err_code scan_value(struct scan *s)
{
    skip_space(s);
    switch (peek(s)) {
    case -1:
        return fail(s, "the text ends too early");
    case '{':
        return scan_members(s, '}');
    case '[':
        return scan_members(s, ']');
    case '"':
        return scan_string(s);
    case 't':
    case 'f':
    case 'n':
        return scan_word(s);
    default:
        return scan_number(s);
    }
}

static enum err_code check_keys(const cJSON *v, struct err *e)
{
    enum err_code rc = ERR_OK;
    struct map seen = {0};
    const cJSON *item;

    cJSON_ArrayForEach(item, v)
    {
        bool is_new = true;

        if (cJSON_IsObject(v))
            map_put(&seen, item->string, strlen(item->string), &is_new);
        if (!is_new)
            rc = err_set(e, ERR_INVALID, "JSON: the key \"%s\" stands twice in one object",
                         item->string);
        else if (item->child)
            rc = check_keys(item, e);
        if (rc)
            break;
    }
    map_free(&seen);
    return rc;
}

enum err_code json_parse(const char *text, size_t len, struct json **out, struct err *e)
{
    struct scan s = {.text = text, .len = len, .e = e};
    cJSON *root = NULL;
    enum err_code rc;

    *out = NULL;
    rc = scan_value(&s);
    skip_space(&s);
    if (!rc && s.at < len)
        rc = fail(&s, "more text after the value");
    if (!rc) {
        root = cJSON_ParseWithLengthOpts(s.out.data, s.out.len + 1, NULL, true);
        if (!root)
            rc = err_set(e, ERR_NOMEM, "JSON: no memory for %zu bytes", len);
    }
    buf_free(&s.out);
    if (!rc)
        rc = check_keys(root, e);
    if (rc)
        cJSON_Delete(root);
    else
        *out = (struct json *)root;
    return rc;
}

enum err_code json_read(const char *path, size_t max, struct json **out, struct err *e)
{
    struct buf text = {0};
    enum err_code rc;

    *out = NULL;
    rc = fs_read(path, max, &text, e);
    if (!rc && json_parse(text.data ? text.data : "", text.len, out, e))
        rc = err_wrap(e, "%s", path);
    buf_free(&text);
    return rc;
}

void json_free(struct json *root)
{
    cJSON_Delete((cJSON *)root);
}

static const cJSON *node(const struct json *v)
{
    return (const cJSON *)v;
}

const struct json *json_get(const struct json *obj, const char *key)
{
    return (const struct json *)cJSON_GetObjectItemCaseSensitive(node(obj), key);
}

const struct json *json_first(const struct json *list)
{
    return list ? (const struct json *)node(list)->child : NULL;
}

const struct json *json_next(const struct json *item)
{
    return item ? (const struct json *)node(item)->next : NULL;
}

const char *json_key(const struct json *item)
{
    return item ? node(item)->string : NULL;
}

size_t json_len(const struct json *list)
{
    return (size_t)cJSON_GetArraySize(node(list));
}

bool json_is_object(const struct json *v)
{
    return cJSON_IsObject(node(v));
}

bool json_is_array(const struct json *v)
{
    return cJSON_IsArray(node(v));
}

bool json_is_null(const struct json *v)
{
    return cJSON_IsNull(node(v));
}

/* The token of a number, or NULL. */
static const char *number_of(const struct json *v)
{
    const char *s = cJSON_IsString(node(v)) ? node(v)->valuestring : NULL;

    return s && (unsigned char)s[0] == NUMBER_MARK ? s + 1 : NULL;
}

const char *json_str(const struct json *v)
{
    return cJSON_IsString(node(v)) && !number_of(v) ? node(v)->valuestring : NULL;
}

bool json_f64(const struct json *v, double *out)
{
    const char *s = number_of(v);
    double d = s ? strtod(s, NULL) : NAN;

    if (!isfinite(d))
        return false;
    *out = d;
    return true;
}

bool json_i64(const struct json *v, int64_t *out)
{
    const char *number = number_of(v), *s = number ? number : json_str(v);
    long long i;
    double d;
    char *end;

    if (!s || !((s[0] >= '0' && s[0] <= '9') || (s[0] == '-' && s[1] >= '0' && s[1] <= '9')))
        return false;
    errno = 0;
    i = strtoll(s, &end, 10);
    if (!*end && !errno) {
        *out = i;
        return true;
    }
    /* 1e3 and 5.0 are integers too, as far as a double tells them apart. */
    if (!number || !*end || !json_f64(v, &d) || fabs(d) > 0x1p53 || floor(d) < d)
        return false;
    *out = (int64_t)d;
    return true;
}

bool json_bool(const struct json *v, bool *out)
{
    if (!cJSON_IsBool(node(v)))
        return false;
    *out = cJSON_IsTrue(node(v));
    return true;
}
