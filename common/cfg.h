/* cfg.h - field rows: one row declares a knob once, for YAML, --set, --help, JSON, digest, SQL.
 *
 * A kind's header has an X-list of 7 columns (type, name, default, min, max, unit, help), from
 * which come the struct (CFG_MEMBER) and the rows (CFG_ROW):
 *
 *   #define MOCK_FIELDS(X)                                              \
 *       X(I64, seed, "0", 0, INT32_MAX, "", "tells jobs apart")         \
 *       X(ENUM, fail, "none", 0, 0, "none|config|infra", "class of the failure to show")
 *   struct mock_cfg { MOCK_FIELDS(CFG_MEMBER) };
 *   #define CFG_STRUCT mock_cfg
 *   static const struct cfg_field mock_fields[] = { MOCK_FIELDS(CFG_ROW) };
 *   #undef CFG_STRUCT
 *
 * For ENUM the unit column holds the choices, separated by '|'.  min = max = 0 means unbounded.
 * The coordinator works on canonical text only (cfg_canon); the runner fills structs (cfg_set).
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/json.h"

enum cfg_type {
    CFG_I64,  /* int64_t */
    CFG_F64,  /* double; finite */
    CFG_BOOL, /* bool: true, false */
    CFG_STR,  /* const char *; any UTF-8 text, "" allowed */
    CFG_ENUM, /* const char *, one of the choices */
    CFG_DUR,  /* double, seconds; text 90, 90s, 30m, 2h, 1d */
    CFG_MEM,  /* int64_t, bytes; text 512M, 4G (powers of 1024) */
    CFG_PATH  /* const char *: a file or folder; in a job "sha256:<hex> <path>", see pathid.h */
};

#define CFG_TYPE_I64  int64_t
#define CFG_TYPE_F64  double
#define CFG_TYPE_BOOL bool
#define CFG_TYPE_STR  const char *
#define CFG_TYPE_ENUM const char *
#define CFG_TYPE_DUR  double
#define CFG_TYPE_MEM  int64_t
#define CFG_TYPE_PATH const char *
#define CFG_MEMBER(type, name, deflt, min, max, unit, help) CFG_TYPE_##type name;
#define CFG_ROW(type, name, deflt, min, max, unit, help)                                           \
    {CFG_##type, #name, deflt, (double)(min), (double)(max), unit, help,                           \
     CFG_OFFSET(CFG_STRUCT, name)},
#define CFG_OFFSET_(s, name) offsetof(struct s, name)
#define CFG_OFFSET(s, name)  CFG_OFFSET_(s, name)

struct cfg_field {
    enum cfg_type type;
    const char *name, *deflt;
    double min, max;
    const char *unit, *help;
    size_t offset;
};

/* Canonical text of `text` for the field, appended to out: integers in decimal, reals in the
 * shortest round trip, durations in seconds, bytes in decimal.  Errors say what is allowed:
 * "0 is outside [1, 4096]", "\"topq\" is not one of topk|relu (did you mean topk?)". */
MUST_CHECK enum err_code cfg_canon(const struct cfg_field *f, const char *text, struct buf *out,
                                   struct err *e);
/* True if canonical `text` equals the field's default. */
bool cfg_is_default(const struct cfg_field *f, const char *canon);
const struct cfg_field *cfg_find(const struct cfg_field *fields, size_t n, const char *name);
/* Nearest name by edit distance among the fields and `extra` (NULL-terminated, may be NULL);
 * NULL if none is near. */
const char *cfg_nearest(const struct cfg_field *fields, size_t n, const char *const *extra,
                        const char *name);

/* A struct from text.  Strings are copied into memory that cfg_free releases. */
struct cfg_strings {
    char **s;
    size_t n, cap;
};
MUST_CHECK enum err_code cfg_set(const struct cfg_field *f, void *base, const char *text,
                                 struct cfg_strings *keep, struct err *e);
MUST_CHECK enum err_code cfg_defaults(const struct cfg_field *fields, size_t n, void *base,
                                      struct cfg_strings *keep, struct err *e);
/* Defaults, then every member of the JSON object (values as strings, numbers or booleans);
 * unknown keys are errors. */
MUST_CHECK enum err_code cfg_from_json(const struct cfg_field *fields, size_t n, void *base,
                                       const struct json *obj, struct cfg_strings *keep,
                                       struct err *e);
void cfg_text(const struct cfg_field *f, const void *base, struct buf *out); /* canonical text */
void cfg_free(struct cfg_strings *keep);
bool cfg_is_text(enum cfg_type t); /* its value is a string: STR, ENUM, PATH */
/* Canonical text as a JSON value: numbers and booleans bare, strings quoted. */
void cfg_json_value(const struct cfg_field *f, const char *canon, struct buf *out);
const char *cfg_type_name(enum cfg_type t); /* "integer", "number", ... */

/* Edit distance for "did you mean"; also used by the spec for stages and axes. */
size_t text_distance(const char *a, const char *b);
