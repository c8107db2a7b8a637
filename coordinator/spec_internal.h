/* spec_internal.h - a sweep between its file and its jobs; for spec*.c, axes.c, filter.c, join.c,
 * knobs.c and expand.c only.
 *
 * Reading goes in steps, each of which leaves its errors in one list:
 *   source    files, includes, params and defaults become one tree            spec_source.c
 *   override  profile and --set edit the tree                                 spec_override.c
 *   stages    the tree becomes stages, knobs, axes, references                spec_stage.c axes.c
 *   order     inputs first; axes become visible to the stages behind them     spec_order.c
 *   rows      joins and gathers make each stage's rows                        join.c
 *   rules     each row's knobs are checked against the kind's rules           knobs.c
 * expand.c then turns rows into jobs.  Everything lives in spec_detail's pool, save the rows.
 */
#pragma once
#include "coordinator/spec_types.h"

/* --- spec.c --- */
/* Appends "file:line:col: where: text"; `where` may be NULL. */
void spec_error(struct spec *s, const struct ynode *at, const char *where, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
/* " (did you mean x?)" or "", in memory of the sweep. */
const char *spec_hint(struct spec *s, const char *near);
int spec_find_stage(const struct spec *s, const char *name); /* -1 */
const char *spec_nearest_stage(const struct spec *s, const char *name);

/* --- spec_source.c, spec_override.c --- */
struct spec_options {
    const struct spec_set *sets;
    size_t n_sets;
    const char *profile;
};
/* The tree of the whole sweep: includes merged, params put in, defaults handed to the stages,
 * profile and --set applied.  NULL after errors that allow no further reading. */
struct ynode *spec_source(struct spec *s, const struct spec_options *o);
/* Stage s becomes prefix_s, in its name and wherever the stages and checks (a list) name it. */
void spec_prefix(struct spec *s, struct ynode *stages, struct ynode *checks, const char *prefix);
/* The node with `${name}` replaced from the mapping `params`, itself or another (spec_params.c). */
struct ynode *spec_put_params(struct spec *s, struct ynode *n, const struct ynode *params);
bool spec_is_name(const char *text);                /* [A-Za-z_][A-Za-z0-9_]* */
void spec_override(struct spec *s, struct ynode *stages, const char *key, struct ynode *value,
                   const struct ynode *where);

/* --- spec_stage.c, spec_ref.c --- */
void spec_read_stages(struct spec *s, const struct ynode *stages);
bool spec_is_ref(const struct ynode *n);            /* a scalar that begins with $ */
/* Adds the sources of `$a`, `$a{k: 1}.metric` or a list of them. */
void spec_read_ref(struct spec *s, struct spec_stage *st, const struct ynode *n,
                   const struct spec_source *proto);
void spec_read_gate(struct spec *s, struct spec_stage *st, const struct ynode *n);
/* `checks:` and `recorded:`, when all stages are known (spec_notes.c). */
void spec_read_notes(struct spec *s);
int spec_knob_find(const struct spec_stage *st, const char *name); /* index or -1 */
/* Canonical text of a scalar node for a field, or NULL after an error. */
const char *spec_canon(struct spec *s, const struct ynode *n, const char *where,
                       const struct cfg_field *f);

/* --- spec_order.c --- */
void spec_order(struct spec *s);

/* --- axes.c, sample.c --- */
void axes_read(struct spec *s, struct spec_stage *st, int stage, const struct ynode *grid,
               const struct ynode *zip, const struct ynode *sample);
/* A list, a range or one value, in canonical text; false after an error. */
bool axes_values(struct spec *s, const struct ynode *n, const char *where, struct spec_axis *a);
void axes_sample(struct spec *s, const struct ynode *n, const struct ynode *key, const char *where,
                 struct spec_axis *a, uint64_t n_draws, uint64_t seed);
struct spec_axis *axes_new(struct spec *s, struct spec_stage *st, int stage,
                           const struct ynode *key, const char *what);
/* Canonical text of a value; `out` is used when it is not stored. */
const char *axis_text(const struct spec_axis *a, uint64_t i, char out[SPEC_TEXT_MAX]);

/* --- filter.c --- */
/* Index into `axes` of a full or short name.  -1: unknown, -2: ambiguous; both are reported
 * at `key` unless is_quiet. */
int filter_axis(struct spec *s, const int *axes, size_t n_axes, const struct ynode *key,
                const char *where, bool is_quiet);
/* A mapping, or a list of mappings, of axis: value | [values]. `st` may be NULL. */
void filter_read(struct spec *s, const struct spec_stage *st, const int *axes, size_t n_axes,
                 const struct ynode *n, const char *where, struct spec_match **out, size_t *n_out);
/* True if the row, with coordinates for `axes`, matches one of them. */
bool filter_any(const struct spec_match *m, size_t n, const uint32_t *row, const int *axes,
                size_t n_axes);

/* --- join.c --- */
void join_stage(struct spec *s, int stage);
void join_free(struct spec_stage *st);

/* --- knobs.c --- */
/* Place of a source's group in its rows. */
size_t knobs_group(const struct spec_source *src, uint32_t group, const uint32_t **rows);
/* Effective text of a knob of a row, NULL if another job decides it or there is none. */
const char *knobs_text(const struct spec *s, int stage, uint64_t row, int knob,
                       char out[SPEC_TEXT_MAX]);
/* One row with its ancestors: what kinds' check and cost read. */
struct knobs_view {
    const struct spec *s;
    int stage;
    uint64_t row;
    struct pool pool;            /* of texts; knobs_view_end */
};
const char *knobs_view_get(void *view, const char *name);
void knobs_view_end(struct knobs_view *v);
/* Calls back for every knob of the row's ancestors that its own kind lacks; nearest first. */
void knobs_context(const struct spec *s, int stage, uint64_t row,
                   void (*each)(void *ctx, const struct cfg_field *f, const char *canon), void *ctx);
void knobs_check(struct spec *s, int stage);
