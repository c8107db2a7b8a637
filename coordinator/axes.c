/* axes.c - the axes of a stage: grid, zip and the values they run through. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/map.h"
#include "coordinator/spec_internal.h"

const char *axis_text(const struct spec_axis *a, uint64_t i, char out[SPEC_TEXT_MAX])
{
    if (a->values)
        return a->values[i];
    snprintf(out, SPEC_TEXT_MAX, "%" PRId64, a->start + (int64_t)i * a->step);
    return out;
}

/* A number of a range, before the knob's own type is applied. */
static bool read_number(struct spec *s, const struct ynode *n, const char *where, double *out)
{
    static const struct cfg_field number = {.type = CFG_F64, .name = "number", .deflt = "0"};
    const char *text = spec_canon(s, n, where, &number);

    if (!text)
        return false;
    *out = strtod(text, NULL);
    return true;
}

static bool is_integer(const struct cfg_field *f)
{
    return f->type == CFG_I64 || f->type == CFG_MEM;
}

static bool too_many(struct spec *s, const struct ynode *n, const char *where, double count)
{
    if (count <= SPEC_AXIS_VALUES_MAX)
        return false;
    spec_error(s, n, where, "%.0f values are more than the %d that an axis may have", count,
               (int)SPEC_AXIS_VALUES_MAX);
    return true;
}

/* Numbers computed in double, as text of the knob's type; checked like any other value. */
static bool put_number(struct spec *s, const struct ynode *n, const char *where, double v,
                       struct spec_axis *a)
{
    char text[32];
    struct ynode *tmp;

    if (is_integer(a->field))
        snprintf(text, sizeof text, "%.0f", round(v));
    else
        snprintf(text, sizeof text, "%.12g", v); /* 0.3, not 0.30000000000000004 */
    tmp = ynode_scalar(&s->detail->pool, text, false, n);
    a->values[a->n] = spec_canon(s, tmp, where, a->field);
    return a->values[a->n++] != NULL;
}

static bool number_list(struct spec *s, const struct ynode *n, const char *where, size_t min,
                        size_t max, double *out)
{
    if (n->type != YNODE_LIST || n->n < min || n->n > max) {
        spec_error(s, n, where, max == min ? "expected %zu numbers" : "expected %zu or %zu numbers",
                   min, max);
        return false;
    }
    for (size_t i = 0; i < n->n; i++)
        if (!read_number(s, n->items[i], where, &out[i]))
            return false;
    return true;
}

/* {range: [a, b, step]}: half open.  Of integers nothing is stored. */
static bool read_range(struct spec *s, const struct ynode *n, const char *where,
                       struct spec_axis *a)
{
    double v[3] = {0, 0, 1};
    double count;
    char text[SPEC_TEXT_MAX];

    if (!number_list(s, n, where, 2, 3, v))
        return false;
    count = v[2] == 0 ? 0 : ceil((v[1] - v[0]) / v[2] - 1e-9);
    if (count < 1) {
        spec_error(s, n, where, "range: [%g, %g) in steps of %g is empty", v[0], v[1], v[2]);
        return false;
    }
    if (too_many(s, n, where, count))
        return false;
    if (a->field->type == CFG_I64 && v[0] == floor(v[0]) && v[2] == floor(v[2]) &&
        fabs(v[0]) < 9e15 && fabs(v[1]) < 9e15) {
        struct ynode *end = ynode_scalar(&s->detail->pool, "", false, n);

        a->start = (int64_t)v[0];
        a->step = (int64_t)v[2];
        a->n = (uint64_t)count;
        for (int side = 0; side < 2; side++) { /* the ends lie within the bounds, so all do */
            end->text = axis_text(a, side ? a->n - 1 : 0, text);
            if (!spec_canon(s, end, where, a->field))
                return false;
        }
        return true;
    }
    a->values = pool_new(&s->detail->pool, const char *, (size_t)count);
    for (double i = 0; i < count; i++)
        if (!put_number(s, n, where, v[0] + i * v[2], a))
            return false;
    return true;
}

/* {geom: [a, b, n]}: n values with a constant ratio, both ends included. */
static bool read_geom(struct spec *s, const struct ynode *n, const char *where, struct spec_axis *a)
{
    double v[3];

    if (!number_list(s, n, where, 3, 3, v))
        return false;
    if (v[0] <= 0 || v[1] <= 0 || v[2] < 2 || v[2] != floor(v[2])) {
        spec_error(s, n, where,
                   "geom: [%g, %g, %g]: both ends have to be above 0, and the count a "
                   "whole number of 2 or more",
                   v[0], v[1], v[2]);
        return false;
    }
    if (too_many(s, n, where, v[2]))
        return false;
    a->values = pool_new(&s->detail->pool, const char *, (size_t)v[2]);
    for (double i = 0; i < v[2]; i++) {
        double x = i == 0 ? v[0] : i == v[2] - 1 ? v[1] : v[0] * pow(v[1] / v[0], i / (v[2] - 1));

        if (!put_number(s, n, where, x, a))
            return false;
    }
    return true;
}

bool axes_values(struct spec *s, const struct ynode *n, const char *where, struct spec_axis *a)
{
    if (n->type == YNODE_MAP && n->n == 1 && strcmp(n->keys[0]->text, "range") == 0)
        return read_range(s, n->items[0], where, a);
    if (n->type == YNODE_MAP && n->n == 1 && strcmp(n->keys[0]->text, "geom") == 0)
        return read_geom(s, n->items[0], where, a);
    if (n->type == YNODE_MAP) {
        spec_error(s, n, where, "expected a list, {range: [a, b, step]} or {geom: [a, b, n]}");
        return false;
    }
    size_t count = n->type == YNODE_LIST ? n->n : 1;
    bool is_good = true;

    if (count == 0) {
        spec_error(s, n, where, "the axis is empty");
        return false;
    }
    a->values = pool_new(&s->detail->pool, const char *, count);
    for (size_t i = 0; i < count; i++) {
        a->values[a->n] = spec_canon(s, n->type == YNODE_LIST ? n->items[i] : n, where, a->field);
        is_good = is_good && a->values[a->n];
        a->n++;
    }
    return is_good;
}

/* Adds an axis of the stage's knob `key`; NULL after an error. */
struct spec_axis *axes_new(struct spec *s, struct spec_stage *st, int stage,
                           const struct ynode *key, const char *what)
{
    struct spec_detail *d = s->detail;
    int knob = spec_knob_find(st, key->text);
    struct spec_axis *a;

    if (knob < 0) {
        const char *near = cfg_nearest(st->kind->fields, st->kind->n_fields, NULL, key->text);

        spec_error(s, key, what, "%s: kind %s has no knob of that name%s", key->text,
                   st->kind->name, spec_hint(s, near));
        return NULL;
    }
    if (st->knobs[knob].from != KNOB_DEFAULT) {
        spec_error(s, key, what, "%s: %s", key->text,
                   st->knobs[knob].from == KNOB_AXIS ? "is an axis already"
                                                     : "is given a single value in this stage too");
        return NULL;
    }
    if (d->n_axes == d->cap_axes) {
        size_t cap = d->cap_axes ? 2 * d->cap_axes : 64;
        struct spec_axis *grown = pool_new(&d->pool, struct spec_axis, cap);

        if (d->n_axes)
            memcpy(grown, d->axes, d->n_axes * sizeof *grown);
        d->axes = grown;
        d->cap_axes = cap;
    }
    st->knobs[knob].from = KNOB_AXIS;
    st->knobs[knob].axis = (int)d->n_axes;
    st->knobs[knob].node = key;
    a = &d->axes[d->n_axes++];
    *a = (struct spec_axis){.stage = stage,
                            .knob = st->knobs[knob].field->name,
                            .field = st->knobs[knob].field,
                            .node = key};
    char *full = pool_alloc(&d->pool, strlen(st->name) + strlen(a->knob) + 2, 1);
    sprintf(full, "%s.%s", st->name, a->knob);
    a->full = full;
    return a;
}

/* First index of each value; true if all differ. */
static bool number_values(struct spec *s, struct spec_axis *a, uint64_t *twice)
{
    struct map m = {0};
    bool all_differ = true;

    if (!a->values)
        return true;
    a->value_of = pool_new(&s->detail->pool, uint32_t, (size_t)a->n);
    for (uint64_t i = 0; i < a->n; i++) {
        bool is_new;
        int64_t *first = map_put(&m, a->values[i], strlen(a->values[i]), &is_new);

        if (is_new)
            *first = (int64_t)i;
        else if (all_differ)
            *twice = i;
        all_differ = all_differ && is_new;
        a->value_of[i] = (uint32_t)*first;
    }
    map_free(&m);
    return all_differ;
}

static struct spec_dim *dim_new(struct spec_stage *st, const struct ynode *node)
{
    struct spec_dim *d = &st->dims[st->n_dims++];

    d->node = node;
    return d;
}

static void read_grid(struct spec *s, struct spec_stage *st, int stage, const struct ynode *grid)
{
    if (grid->type != YNODE_MAP || grid->n == 0) {
        spec_error(s, grid, "grid", "expected {knob: [values], ...}");
        return;
    }
    for (size_t i = 0; i < grid->n; i++) {
        struct spec_axis *a = axes_new(s, st, stage, grid->keys[i], "grid");
        struct spec_dim *d;
        uint64_t twice = 0;

        if (!a || !axes_values(s, grid->items[i], a->knob, a))
            continue;
        if (!number_values(s, a, &twice)) {
            spec_error(s, grid->items[i], a->knob, "the value %s comes twice", a->values[twice]);
            continue;
        }
        a->value_of = NULL;
        d = dim_new(st, grid->items[i]);
        d->n = a->n;
        d->axes[d->n_axes++] = (int)(a - s->detail->axes);
    }
}

static void read_zip(struct spec *s, struct spec_stage *st, int stage, const struct ynode *zip)
{
    struct spec_dim *d;
    const char *first = NULL;
    uint64_t twice;

    if (zip->type == YNODE_LIST) {
        for (size_t i = 0; i < zip->n; i++)
            read_zip(s, st, stage, zip->items[i]);
        return;
    }
    if (zip->type != YNODE_MAP || zip->n == 0) {
        spec_error(s, zip, "zip", "expected {knob: [values], other: [values]}");
        return;
    }
    d = dim_new(st, zip);
    for (size_t i = 0; i < zip->n; i++) {
        struct spec_axis *a = axes_new(s, st, stage, zip->keys[i], "zip");

        if (!a || !axes_values(s, zip->items[i], a->knob, a))
            continue;
        if (first && a->n != d->n) {
            spec_error(s, zip->items[i], "zip",
                       "%s has %" PRIu64 " values, but %s has %" PRIu64 ": they go in step",
                       a->knob, a->n, first, d->n);
            continue;
        }
        number_values(s, a, &twice);
        first = a->knob;
        d->n = a->n;
        d->axes[d->n_axes++] = (int)(a - s->detail->axes);
    }
}

static bool read_count(struct spec *s, const struct ynode *map, const char *key, const char *deflt,
                       double max, uint64_t *out)
{
    struct cfg_field f = {.type = CFG_I64, .name = key, .deflt = "0", .min = 0, .max = max};
    const struct ynode *n = ytree_get(map, key);
    const char *text = n ? spec_canon(s, n, "sample", &f) : deflt;

    if (!n && !deflt)
        spec_error(s, map, "sample", "%s is missing", key);
    if (!text)
        return false;
    *out = strtoull(text, NULL, 10);
    return true;
}

static void read_sample(struct spec *s, struct spec_stage *st, int stage, const struct ynode *n)
{
    uint64_t n_draws, seed, twice;
    struct spec_dim *d;

    if (n->type != YNODE_MAP) {
        spec_error(s, n, "sample", "expected {n: 20, seed: 7, knob: {uniform: [a, b]}}");
        return;
    }
    if (!read_count(s, n, "n", NULL, SPEC_AXIS_VALUES_MAX, &n_draws) ||
        !read_count(s, n, "seed", "0", 9e18, &seed))
        return;
    if (n_draws == 0) {
        spec_error(s, n, "sample", "n: 0 draws make no job");
        return;
    }
    d = dim_new(st, n);
    d->n = n_draws;
    bool names_knob = false;
    for (size_t i = 0; i < n->n; i++) {
        struct spec_axis *a;
        bool is_axis = n->items[i]->type == YNODE_MAP;

        if (!is_axis &&
            (strcmp(n->keys[i]->text, "n") == 0 || strcmp(n->keys[i]->text, "seed") == 0))
            continue;
        names_knob = true;
        a = axes_new(s, st, stage, n->keys[i], "sample");
        if (!a)
            continue;
        axes_sample(s, n->items[i], n->keys[i], a->knob, a, n_draws, seed);
        if (a->n == n_draws) {
            number_values(s, a, &twice);
            d->axes[d->n_axes++] = (int)(a - s->detail->axes);
        }
    }
    if (!names_knob)
        spec_error(s, n, "sample", "no knob is drawn");
}

void axes_read(struct spec *s, struct spec_stage *st, int stage, const struct ynode *grid,
               const struct ynode *zip, const struct ynode *sample)
{
    size_t max = (grid ? grid->n : 0) + (zip ? zip->n + 1 : 0) + 1;

    st->dims = pool_new(&s->detail->pool, struct spec_dim, max);
    if (grid)
        read_grid(s, st, stage, grid);
    if (zip)
        read_zip(s, st, stage, zip);
    if (sample)
        read_sample(s, st, stage, sample);
}
