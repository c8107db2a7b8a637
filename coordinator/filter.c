/* filter.c - names of axes, and conditions on their values: when, exclude, $stage{...}. */
#include <stdlib.h>
#include <string.h>

#include "coordinator/spec_internal.h"

static void list_names(const struct spec *s, const int *axes, size_t n_axes, const char *only,
                       struct buf *out)
{
    for (size_t i = 0; i < n_axes; i++) {
        const struct spec_axis *a = &s->detail->axes[axes[i]];

        if (only && strcmp(a->knob, only) != 0)
            continue;
        buf_fmt(out, "%s%s", out->len ? ", " : "", a->full);
    }
    if (!out->len)
        buf_str(out, "none");
}

static void refuse_axis(struct spec *s, const int *axes, size_t n_axes, const struct ynode *key,
                        const char *where, bool is_ambiguous)
{
    struct buf names = {0};
    const char *near[2 * SPEC_AXES_MAX + 1] = {NULL};

    list_names(s, axes, n_axes, is_ambiguous ? key->text : NULL, &names);
    for (size_t i = 0; i < n_axes; i++) {
        near[2 * i] = s->detail->axes[axes[i]].knob;
        near[2 * i + 1] = s->detail->axes[axes[i]].full;
    }
    if (is_ambiguous)
        spec_error(s, key, where, "%s: could be each of %s: write the full name", key->text,
                   names.data);
    else
        spec_error(s, key, where, "%s: no such axis%s; there is %s", key->text,
                   spec_hint(s, cfg_nearest(NULL, 0, near, key->text)), names.data);
    buf_free(&names);
}

int filter_axis(struct spec *s, const int *axes, size_t n_axes, const struct ynode *key,
                const char *where, bool is_quiet)
{
    int found = -1;

    for (size_t i = 0; i < n_axes; i++) {
        const struct spec_axis *a = &s->detail->axes[axes[i]];

        if (strcmp(a->full, key->text) == 0)
            return (int)i;
        if (strcmp(a->knob, key->text) == 0)
            found = found == -1 ? (int)i : -2;
    }
    if (found < 0 && !is_quiet)
        refuse_axis(s, axes, n_axes, key, where, found == -2);
    return found;
}

static int compare_u32(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

/* Indices of the axis values that the condition names; a value the axis lacks matches nothing. */
static void index_values(struct spec *s, const struct spec_axis *a, const struct spec_axis *wanted,
                         struct spec_cond *c)
{
    char text[SPEC_TEXT_MAX];

    c->values = pool_new(&s->detail->pool, uint32_t, (size_t)wanted->n);
    for (uint64_t i = 0; i < wanted->n; i++) {
        const char *t = axis_text(wanted, i, text);

        if (!a->values) {
            int64_t v = strtoll(t, NULL, 10) - a->start;

            if (v % a->step == 0 && v / a->step >= 0 && (uint64_t)(v / a->step) < a->n)
                c->values[c->n++] = (uint32_t)(v / a->step);
            continue;
        }
        for (uint64_t j = 0; j < a->n; j++) {
            if (strcmp(a->values[j], t) == 0) {
                c->values[c->n++] = a->value_of ? a->value_of[j] : (uint32_t)j;
                break;
            }
        }
    }
    qsort(c->values, c->n, sizeof *c->values, compare_u32);
}

static bool has_text(const struct spec_axis *wanted, const char *canon)
{
    char text[SPEC_TEXT_MAX];

    for (uint64_t i = 0; i < wanted->n; i++)
        if (strcmp(axis_text(wanted, i, text), canon) == 0)
            return true;
    return false;
}

static bool read_cond(struct spec *s, const struct spec_stage *st, const int *axes, size_t n_axes,
                      struct spec_cond *c, const char *where)
{
    struct spec_axis wanted = {0};
    int knob = st ? spec_knob_find(st, c->key->text) : -1;
    bool is_fixed =
        knob >= 0 && (st->knobs[knob].from == KNOB_FIXED || st->knobs[knob].from == KNOB_DEFAULT);
    int at = filter_axis(s, axes, n_axes, c->key, where, is_fixed);

    if (at >= 0) {
        const struct spec_axis *a = &s->detail->axes[axes[at]];

        c->axis = axes[at];
        wanted.field = a->field;
        if (!axes_values(s, c->value, c->key->text, &wanted))
            return false;
        index_values(s, a, &wanted, c);
        return true;
    }
    if (!is_fixed)
        return false;
    if (at == -2) {
        refuse_axis(s, axes, n_axes, c->key, where, true);
        return false;
    }
    c->axis = -1;
    wanted.field = st->knobs[knob].field;
    if (!axes_values(s, c->value, c->key->text, &wanted))
        return false;
    c->is_true = has_text(&wanted, st->knobs[knob].canon);
    return true;
}

static bool read_match(struct spec *s, const struct spec_stage *st, const int *axes, size_t n_axes,
                       const struct ynode *n, const char *where, struct spec_match *out)
{
    bool is_good = true;

    if (n->type != YNODE_MAP || n->n == 0) {
        spec_error(s, n, where, "expected {axis: value, ...}");
        return false;
    }
    out->conds = pool_new(&s->detail->pool, struct spec_cond, n->n);
    out->n = n->n;
    for (size_t i = 0; i < n->n; i++) {
        out->conds[i].key = n->keys[i];
        out->conds[i].value = n->items[i];
        is_good = read_cond(s, st, axes, n_axes, &out->conds[i], where) && is_good;
    }
    return is_good;
}

void filter_read(struct spec *s, const struct spec_stage *st, const int *axes, size_t n_axes,
                 const struct ynode *n, const char *where, struct spec_match **out, size_t *n_out)
{
    size_t count = n->type == YNODE_LIST ? n->n : 1;

    *out = pool_new(&s->detail->pool, struct spec_match, count ? count : 1);
    *n_out = 0;
    if (count == 0)
        spec_error(s, n, where, "the list is empty");
    for (size_t i = 0; i < count; i++)
        if (read_match(s, st, axes, n_axes, n->type == YNODE_LIST ? n->items[i] : n, where,
                       &(*out)[*n_out]))
            (*n_out)++;
}

static bool cond_holds(const struct spec_cond *c, const uint32_t *row, const int *axes,
                       size_t n_axes)
{
    if (c->axis < 0)
        return c->is_true;
    for (size_t i = 0; i < n_axes; i++)
        if (axes[i] == c->axis)
            return bsearch(&row[i], c->values, c->n, sizeof *c->values, compare_u32) != NULL;
    return false;
}

bool filter_any(const struct spec_match *m, size_t n, const uint32_t *row, const int *axes,
                size_t n_axes)
{
    for (size_t i = 0; i < n; i++) {
        size_t held = 0;

        while (held < m[i].n && cond_holds(&m[i].conds[held], row, axes, n_axes))
            held++;
        if (held == m[i].n)
            return true;
    }
    return false;
}
