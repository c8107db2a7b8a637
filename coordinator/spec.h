/* spec.h - a sweep file, read, checked and typed.  Nothing is written anywhere.
 *
 * spec_load reports every error of the file at once, each as
 *   file:line:column: where: what: why
 * joined by newlines in `errors`.
 */
#pragma once
#include "common/buf.h"
#include "common/err.h"
#include "common/kinds/kind.h"

struct spec_set {              /* --set stage.knob=value or --set param=value */
    const char *key, *value;
};

struct spec_gate {
    const char *metric;
    const char *against;       /* arm or stage compared with; NULL: the value itself */
    bool has_min, has_max;
    double min, max;
    bool fail_on_miss;         /* on_miss: fail */
    double top;                /* the best so many, or below 1 that share of them, pass; 0: by min and max */
    bool low_is_best;
};

struct spec_stage;             /* spec.c / expand.c share spec_internal.h */

struct spec {
    const char *name, *title, *phase, *hypothesis, *expected; /* phase defaults to the name */
    const char *path;
    const char *text;          /* resolved text: file, includes, --set; stored in the manifest */
    uint8_t digest[32];        /* of it */
    struct spec_stage *stages; /* in dependency order */
    size_t n_stages;
    struct spec_detail *detail;
};

MUST_CHECK enum err_code spec_load(const char *path, const struct spec_set *sets, size_t n_sets,
                                   const char *profile, struct spec **out, struct buf *errors,
                                   struct err *e);
void spec_free(struct spec *s);
const char *spec_stage_name(const struct spec *s, size_t i);
const struct job_kind *spec_stage_kind(const struct spec *s, size_t i);
const struct spec_gate *spec_stage_gate(const struct spec *s, size_t i); /* NULL if none */
size_t spec_n_exports(const struct spec *s);
void spec_export(const struct spec *s, size_t i, const char **format, const char **stage, const char **path);
