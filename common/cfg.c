/* cfg.c - canonical text of a value, and names near a misspelt one.  See cfg.h. */
#include "common/cfg.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { DISTANCE_MAX_LEN = 63 };

/* Skips blanks at both ends; false if nothing is left or it does not fit. */
static bool trim(const char *text, char *out, size_t cap)
{
    size_t n;

    text += strspn(text, " \t");
    n = strlen(text);
    while (n && (text[n - 1] == ' ' || text[n - 1] == '\t'))
        n--;
    if (n == 0 || n >= cap)
        return false;
    memcpy(out, text, n);
    out[n] = '\0';
    return true;
}

/* A finite decimal number at the start of s; *end is behind it.  No hexadecimal, no "inf". */
static bool parse_f64(const char *s, double *out, char **end)
{
    size_t sign = *s == '-' || *s == '+';

    if (!(s[sign] >= '0' && s[sign] <= '9') &&
        !(s[sign] == '.' && s[sign + 1] >= '0' && s[sign + 1] <= '9'))
        return false;
    if (s[sign] == '0' && (s[sign + 1] == 'x' || s[sign + 1] == 'X'))
        return false;
    *out = strtod(s, end);
    return isfinite(*out);
}

/* Decimal, 0x, 0o, or a real without a fraction ("1e6") that a double holds exactly. */
static bool parse_i64(const char *s, int64_t *out)
{
    char *end;
    double v;
    long long n;
    int base = 10;
    const char *digits = s + (*s == '-' || *s == '+');

    if (digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'o')) {
        if (digits != s || strspn(digits + 2, "0123456789abcdefABCDEF") != strlen(digits + 2))
            return false;
        base = digits[1] == 'x' ? 16 : 8;
        s = digits + 2;
        if (*s == '\0')
            return false;
    } else if (!(*digits >= '0' && *digits <= '9')) {
        return false;
    }
    errno = 0;
    n = strtoll(s, &end, base);
    if (*end == '\0') {
        *out = n;
        return errno == 0;
    }
    if (base != 10 || !parse_f64(s, &v, &end) || *end || v != floor(v) ||
        fabs(v) > 9007199254740992.0)
        return false;
    *out = (int64_t)v;
    return true;
}

/* A number and one of the suffixes; "" has factor 1. */
struct suffix {
    const char *text;
    double factor;
};

static bool parse_scaled(const char *s, const struct suffix *suffixes, size_t n, double *out)
{
    char *end;

    if (!parse_f64(s, out, &end) || *out < 0)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(end, suffixes[i].text) == 0) {
            *out *= suffixes[i].factor;
            return isfinite(*out);
        }
    }
    return false;
}

static bool parse_dur(const char *s, double *out)
{
    static const struct suffix units[] = {{"", 1},     {"s", 1},    {"ms", 1e-3}, {"m", 60},
                                          {"min", 60}, {"h", 3600}, {"d", 86400}};

    return parse_scaled(s, units, ARRAY_LEN(units), out) && *out <= 1e10; /* its microseconds fit */
}

static bool parse_mem(const char *s, double *out)
{
    static const struct suffix units[] = {
        {"", 1},       {"B", 1},        {"K", 0x1p10},   {"M", 0x1p20},   {"G", 0x1p30},
        {"T", 0x1p40}, {"KiB", 0x1p10}, {"MiB", 0x1p20}, {"GiB", 0x1p30}, {"TiB", 0x1p40}};

    return parse_scaled(s, units, ARRAY_LEN(units), out) && *out < 0x1p62 && *out == floor(*out);
}

static bool parse_bool(const char *s, bool *out)
{
    *out = strcmp(s, "true") == 0 || strcmp(s, "True") == 0 || strcmp(s, "TRUE") == 0;
    return *out || strcmp(s, "false") == 0 || strcmp(s, "False") == 0 || strcmp(s, "FALSE") == 0;
}

static void add_bound(struct buf *b, const struct cfg_field *f, double v)
{
    if (f->type == CFG_I64 && fabs(v) >= 0x1p63)
        buf_str(b, v < 0 ? "-2^63" : "2^63 - 1");
    else if (f->type == CFG_I64)
        buf_fmt(b, "%" PRId64, (int64_t)v);
    else
        buf_f64(b, v);
}

static enum err_code check_bounds(const struct cfg_field *f, double v, const char *text,
                                  struct err *e)
{
    struct buf b = {0};
    enum err_code rc;

    if ((f->min == 0 && f->max == 0) || (v >= f->min && v <= f->max))
        return ERR_OK;
    buf_fmt(&b, "%s is outside [", text);
    add_bound(&b, f, f->min);
    buf_str(&b, ", ");
    add_bound(&b, f, f->max);
    buf_char(&b, ']');
    rc = err_set(e, ERR_INVALID, "%s", b.data);
    buf_free(&b);
    return rc;
}

static bool is_choice(const struct cfg_field *f, const char *text)
{
    size_t n = strlen(text);

    for (const char *p = f->unit; n && *p;) {
        size_t len = strcspn(p, "|");

        if (len == n && memcmp(p, text, n) == 0)
            return true;
        p += len + (p[len] == '|');
    }
    return false;
}

static enum err_code refuse_choice(const struct cfg_field *f, const char *text, struct err *e)
{
    char best[DISTANCE_MAX_LEN + 1] = "";
    size_t best_d = 3;

    for (const char *p = f->unit; *p;) {
        size_t len = strcspn(p, "|");
        char word[DISTANCE_MAX_LEN + 1];

        if (len <= DISTANCE_MAX_LEN) {
            memcpy(word, p, len);
            word[len] = '\0';
            size_t d = text_distance(word, text);
            if (d < best_d) {
                best_d = d;
                memcpy(best, word, len + 1);
            }
        }
        p += len + (p[len] == '|');
    }
    if (best[0])
        return err_set(e, ERR_INVALID, "\"%.100s\" is not one of %s (did you mean %s?)", text,
                       f->unit, best);
    return err_set(e, ERR_INVALID, "\"%.100s\" is not one of %s", text, f->unit);
}

/* Printable UTF-8: control characters would break logs, the id's text and file names. */
static enum err_code check_text(const char *text, struct err *e)
{
    const unsigned char *p = (const unsigned char *)text;

    while (*p) {
        size_t n = *p < 0x80 ? 1 : *p >= 0xc2 && *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : 4;

        if (*p < 0x20 || *p == 0x7f)
            return err_set(e, ERR_INVALID, "holds the control character 0x%02x", *p);
        if ((*p >= 0x80 && *p < 0xc2) || *p > 0xf4)
            return err_set(e, ERR_INVALID, "is not UTF-8 (byte 0x%02x)", *p);
        for (size_t i = 1; i < n; i++)
            if ((p[i] & 0xc0) != 0x80)
                return err_set(e, ERR_INVALID, "is not UTF-8 (byte 0x%02x)", *p);
        p += n;
    }
    return ERR_OK;
}

static enum err_code refuse(const char *wanted, const char *text, struct err *e)
{
    return err_set(e, ERR_INVALID, "expected %s, got \"%.100s\"", wanted, text);
}

static enum err_code canon_i64(const struct cfg_field *f, const char *t, struct buf *out,
                               struct err *e)
{
    int64_t n;
    char text[24];
    enum err_code rc;

    if (!parse_i64(t, &n))
        return refuse("an integer", t, e);
    snprintf(text, sizeof text, "%" PRId64, n);
    rc = check_bounds(f, (double)n, text, e);
    if (rc == ERR_OK)
        buf_str(out, text);
    return rc;
}

static enum err_code canon_f64(const struct cfg_field *f, const char *t, struct buf *out,
                               struct err *e)
{
    double v = 0;
    char text[32], *end = "";
    enum err_code rc;

    if (f->type == CFG_F64 && (!parse_f64(t, &v, &end) || *end))
        return refuse("a finite number", t, e);
    if (f->type == CFG_DUR && !parse_dur(t, &v))
        return refuse("a duration such as 90, 30m, 2h, of at most 1e10 s", t, e);
    rc = check_bounds(f, v, f64_text(text, v), e);
    if (rc == ERR_OK)
        buf_str(out, text);
    return rc;
}

static enum err_code canon_mem(const struct cfg_field *f, const char *t, struct buf *out,
                               struct err *e)
{
    double v;
    char text[24];
    enum err_code rc;

    if (!parse_mem(t, &v))
        return refuse("a size such as 512M, 4G, below 2^62 bytes", t, e);
    snprintf(text, sizeof text, "%" PRId64, (int64_t)v);
    rc = check_bounds(f, v, text, e);
    if (rc == ERR_OK)
        buf_str(out, text);
    return rc;
}

enum err_code cfg_canon(const struct cfg_field *f, const char *text, struct buf *out, struct err *e)
{
    char t[512] = "";
    bool flag, has_text;

    if (f->type == CFG_STR || f->type == CFG_PATH) {
        if (check_text(text, e))
            return ERR_INVALID;
        buf_str(out, text);
        return ERR_OK;
    }
    has_text = trim(text, t, sizeof t);
    if (f->type == CFG_ENUM && !is_choice(f, t))
        return refuse_choice(f, text, e);
    if (!has_text)
        return refuse(cfg_type_name(f->type), text, e);
    switch (f->type) {
    case CFG_I64:
        return canon_i64(f, t, out, e);
    case CFG_F64:
    case CFG_DUR:
        return canon_f64(f, t, out, e);
    case CFG_MEM:
        return canon_mem(f, t, out, e);
    case CFG_BOOL:
        if (!parse_bool(t, &flag))
            return refuse("true or false", t, e);
        buf_str(out, flag ? "true" : "false");
        return ERR_OK;
    default:
        buf_str(out, t);
        return ERR_OK;
    }
}

bool cfg_is_default(const struct cfg_field *f, const char *canon)
{
    struct buf b = {0};
    bool same =
        cfg_canon(f, f->deflt, &b, NULL) == ERR_OK && strcmp(b.data ? b.data : "", canon) == 0;

    buf_free(&b);
    return same;
}

const struct cfg_field *cfg_find(const struct cfg_field *fields, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(fields[i].name, name) == 0)
            return &fields[i];
    return NULL;
}

size_t text_distance(const char *a, const char *b)
{
    size_t na = strlen(a), nb = strlen(b);
    size_t row[3][DISTANCE_MAX_LEN + 2]; /* optimal string alignment: two rows back for swaps */

    if (na > DISTANCE_MAX_LEN || nb > DISTANCE_MAX_LEN)
        return strcasecmp(a, b) ? na + nb : 0;
    for (size_t j = 0; j <= nb; j++)
        row[0][j] = j;
    for (size_t i = 1; i <= na; i++) {
        size_t *cur = row[i % 3], *prev = row[(i + 2) % 3], *prev2 = row[(i + 1) % 3];

        cur[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            size_t best = prev[j - 1] + (a[i - 1] != b[j - 1]);

            if (prev[j] + 1 < best)
                best = prev[j] + 1;
            if (cur[j - 1] + 1 < best)
                best = cur[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                prev2[j - 2] + 1 < best)
                best = prev2[j - 2] + 1;
            cur[j] = best;
        }
    }
    return row[na % 3][nb];
}

static void consider(const char *candidate, const char *name, const char **best, size_t *best_d)
{
    size_t d = text_distance(candidate, name);

    if (d < *best_d) {
        *best_d = d;
        *best = candidate;
    }
}

const char *cfg_nearest(const struct cfg_field *fields, size_t n, const char *const *extra,
                        const char *name)
{
    const char *best = NULL;
    size_t len = strlen(name);
    size_t best_d = len <= 2 ? 2 : len <= 5 ? 3 : 4; /* distance has to be below */

    for (size_t i = 0; i < n; i++)
        consider(fields[i].name, name, &best, &best_d);
    for (; extra && *extra; extra++)
        consider(*extra, name, &best, &best_d);
    return best;
}

bool cfg_is_text(enum cfg_type t)
{
    return t == CFG_STR || t == CFG_ENUM || t == CFG_PATH;
}

const char *cfg_type_name(enum cfg_type t)
{
    static const char *const names[] = {
        [CFG_I64] = "integer", [CFG_F64] = "number",   [CFG_BOOL] = "boolean", [CFG_STR] = "text",
        [CFG_ENUM] = "choice", [CFG_DUR] = "duration", [CFG_MEM] = "size",
        [CFG_PATH] = "path",
    };

    return names[t];
}
