/* knobs.c - the value of a knob in one row: its own, its `like` input's, its ancestors'.
 *
 * An ancestor's knob is looked for input by input in the kind's order; within an input level by
 * level, nearest first.  In a gathered group a knob counts only if all jobs of the level that have
 * it agree; where they differ there is no value, and nothing further away is taken instead.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/oom.h"
#include "coordinator/spec_internal.h"

/* Rows of stages; a level of ancestors. */
struct place {
    int stage;
    uint32_t row;
};
struct places {
    struct place *v;
    size_t n, cap;
};

static void add_place(struct places *p, int stage, uint32_t row)
{
    if (p->n == p->cap) {
        p->cap = p->cap ? 2 * p->cap : 16;
        p->v = realloc(p->v, p->cap * sizeof *p->v);
        if (!p->v)
            oom_exit("knobs");
    }
    p->v[p->n++] = (struct place){stage, row};
}

static int compare_places(const void *a, const void *b)
{
    const struct place *x = a, *y = b;

    if (x->stage != y->stage)
        return x->stage < y->stage ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

static void unique(struct places *p)
{
    size_t kept = 0;

    if (p->n > 1)
        qsort(p->v, p->n, sizeof *p->v, compare_places);
    for (size_t i = 0; i < p->n; i++)
        if (kept == 0 || compare_places(&p->v[kept - 1], &p->v[i]) != 0)
            p->v[kept++] = p->v[i];
    p->n = kept;
}

size_t knobs_group(const struct spec_source *src, uint32_t group, const uint32_t **rows)
{
    if (group == NO_GROUP)
        return 0;
    *rows = src->rows + src->starts[group];
    return src->starts[group + 1] - src->starts[group];
}

static void add_group(const struct spec *s, int stage, uint64_t row, size_t source,
                      struct places *out)
{
    const struct spec_stage *st = &s->stages[stage];
    const uint32_t *rows = NULL;
    size_t n = knobs_group(&st->sources[source], st->links[row * st->n_sources + source], &rows);

    for (size_t i = 0; i < n; i++)
        add_place(out, st->sources[source].stage, rows[i]);
}

static struct places parents_of(const struct spec *s, const struct places *level)
{
    struct places up = {0};

    for (size_t i = 0; i < level->n; i++) {
        const struct spec_stage *st = &s->stages[level->v[i].stage];

        for (size_t j = 0; j < st->n_sources; j++)
            if (st->sources[j].role == SOURCE_INPUT)
                add_group(s, level->v[i].stage, level->v[i].row, j, &up);
    }
    unique(&up);
    return up;
}

enum found { FOUND_NOTHING, FOUND_VALUE, FOUND_DIFFERENT };

/* A knob's value and the row of the kind that gave it: kinds may use one name for knobs of different types. */
struct knob_value {
    const char *text;
    const struct cfg_field *field;
};

/* Do all rows of the level that have the knob agree on it?  Common knobs do not count. */
static enum found level_value(const struct spec *s, const struct places *level, const char *name,
                              char out[SPEC_TEXT_MAX], struct knob_value *value)
{
    enum found found = FOUND_NOTHING;
    char text[SPEC_TEXT_MAX];

    for (size_t i = 0; i < level->n; i++) {
        const struct spec_stage *st = &s->stages[level->v[i].stage];
        int knob = spec_knob_find(st, name);
        const char *t;

        if (knob < 0 || st->knobs[knob].is_common)
            continue;
        t = knobs_text(s, level->v[i].stage, level->v[i].row, knob,
                       found == FOUND_NOTHING ? out : text);
        if (!t || (found == FOUND_VALUE && strcmp(t, value->text) != 0))
            return FOUND_DIFFERENT;
        if (found == FOUND_NOTHING)
            *value = (struct knob_value){t, st->knobs[knob].field};
        found = FOUND_VALUE;
    }
    return found;
}

/* Takes the level over and frees it. */
static enum found climb(const struct spec *s, struct places level, const char *name,
                        char out[SPEC_TEXT_MAX], struct knob_value *value)
{
    enum found found = FOUND_NOTHING;

    while (level.n) {
        struct places up;

        found = level_value(s, &level, name, out, value);
        if (found != FOUND_NOTHING)
            break;
        up = parents_of(s, &level);
        free(level.v);
        level = up;
    }
    free(level.v);
    return found;
}

/* Value of an ancestor's knob, its text NULL if there is none or they differ. */
static struct knob_value ancestor(const struct spec *s, int stage, uint64_t row, const char *name,
                                  char out[SPEC_TEXT_MAX])
{
    const struct spec_stage *st = &s->stages[stage];
    struct knob_value value = {NULL, NULL};

    for (size_t i = 0; i < st->n_sources; i++) {
        struct places group = {0};
        enum found found;

        if (st->sources[i].role != SOURCE_INPUT)
            continue;
        for (size_t j = i; j < st->n_sources && st->sources[j].role == SOURCE_INPUT &&
                           st->sources[j].input == st->sources[i].input;
             j++)
            add_group(s, stage, row, j, &group);
        unique(&group);
        found = climb(s, group, name, out, &value);
        if (found != FOUND_NOTHING)
            return found == FOUND_VALUE ? value : (struct knob_value){NULL, NULL};
    }
    return (struct knob_value){NULL, NULL};
}

/* `like: $sae`: shape and seed of that row or its ancestors; a seed moves by seed_offset. */
static const char *like_text(const struct spec *s, int stage, uint64_t row, const char *name,
                             char out[SPEC_TEXT_MAX])
{
    const struct spec_stage *st = &s->stages[stage];
    int offset = spec_knob_find(st, "seed_offset");
    char text[SPEC_TEXT_MAX];
    struct places at = {0};
    struct knob_value value = {NULL, NULL};
    const char *add;
    size_t i = 0;
    int64_t sum;

    while (st->sources[i].role != SOURCE_LIKE && !(st->sources[i].input && st->sources[i].input->hands_on))
        i++;
    add_group(s, stage, row, i, &at);
    if (climb(s, at, name, out, &value) != FOUND_VALUE)
        return NULL;
    if (offset < 0 || strcmp(name, "seed") != 0)
        return value.text;
    add = knobs_text(s, stage, row, offset, text);
    if (!add || __builtin_add_overflow(strtoll(value.text, NULL, 10), strtoll(add, NULL, 10), &sum))
        return NULL;
    snprintf(out, SPEC_TEXT_MAX, "%" PRId64, sum);
    return out;
}

const char *knobs_text(const struct spec *s, int stage, uint64_t row, int knob,
                       char out[SPEC_TEXT_MAX])
{
    const struct spec_stage *st = &s->stages[stage];
    const struct spec_knob *k = &st->knobs[knob];

    if (k->is_like)
        return like_text(s, stage, row, k->field->name, out);
    if (k->from == KNOB_VALUE)
        return NULL;
    if (k->from != KNOB_AXIS)
        return k->canon;
    for (size_t i = 0; i < st->n_axes; i++)
        if (st->axes[i] == k->axis)
            return axis_text(&s->detail->axes[k->axis], st->coords[row * st->n_axes + i], out);
    return NULL;
}

/* --- a row with its ancestors -------------------------------------------------------------- */

/* "n_saes": how many jobs the input gathers. */
static bool count_of(const struct knobs_view *v, const char *name, size_t *out)
{
    const struct spec_stage *st = &v->s->stages[v->stage];
    const uint32_t *rows;
    bool is_count = false;

    *out = 0;
    for (size_t i = 0; i < st->kind->n_inputs && strncmp(name, "n_", 2) == 0; i++)
        is_count = is_count || strcmp(st->kind->inputs[i].name, name + 2) == 0;
    for (size_t i = 0; is_count && i < st->n_sources; i++)
        if (st->sources[i].input && strcmp(st->sources[i].input->name, name + 2) == 0)
            *out += knobs_group(&st->sources[i], st->links[v->row * st->n_sources + i], &rows);
    return is_count;
}

const char *knobs_view_get(void *view, const char *name)
{
    struct knobs_view *v = view;
    const struct spec_stage *st = &v->s->stages[v->stage];
    char text[SPEC_TEXT_MAX];
    const char *value;
    size_t count;
    int knob = spec_knob_find(st, name);

    if (knob >= 0) {
        value = knobs_text(v->s, v->stage, v->row, knob, text);
    } else if (count_of(v, name, &count)) {
        snprintf(text, sizeof text, "%zu", count);
        value = text;
    } else {
        value = ancestor(v->s, v->stage, v->row, name, text).text;
    }
    return value == text ? pool_str(&v->pool, text) : value;
}

void knobs_view_end(struct knobs_view *v)
{
    pool_free(&v->pool);
}

/* Marks the stages that are ancestors of `stage` through inputs. */
static void mark_ancestors(const struct spec *s, int stage, bool *mark)
{
    const struct spec_stage *st = &s->stages[stage];

    for (size_t i = 0; i < st->n_sources; i++) {
        int t = st->sources[i].stage;

        if (st->sources[i].role == SOURCE_INPUT && !mark[t]) {
            mark[t] = true;
            mark_ancestors(s, t, mark);
        }
    }
}

static bool was_named(const struct spec *s, const bool *mark, int before, const char *name)
{
    for (int t = 0; t < before; t++)
        if (mark[t] && cfg_find(s->stages[t].kind->fields, s->stages[t].kind->n_fields, name))
            return true;
    return false;
}

void knobs_context(const struct spec *s, int stage, uint64_t row,
                   void (*each)(void *ctx, const struct cfg_field *f, const char *canon), void *ctx)
{
    const struct job_kind *own = s->stages[stage].kind;
    bool *mark = calloc(s->n_stages, sizeof *mark);
    char text[SPEC_TEXT_MAX];

    if (!mark)
        oom_exit("knobs");
    mark_ancestors(s, stage, mark);
    for (int t = 0; t < (int)s->n_stages; t++) {
        const struct job_kind *k = s->stages[t].kind;

        for (size_t i = 0; mark[t] && i < k->n_fields; i++) {
            struct knob_value value;

            if (!s->stages[t].knobs[i].is_in_id ||
                cfg_find(own->fields, own->n_fields, k->fields[i].name) ||
                was_named(s, mark, t, k->fields[i].name))
                continue;
            value = ancestor(s, stage, row, k->fields[i].name, text);
            if (value.text)
                each(ctx, value.field, value.text);
        }
    }
    free(mark);
}

/* --- rules --------------------------------------------------------------------------------- */

static bool check_like(struct spec *s, int stage, uint64_t row)
{
    const struct spec_stage *st = &s->stages[stage];
    const struct ynode *like = ytree_get(st->node, "like"), *at = like ? like : st->key;
    const char *where = like ? "like" : st->name;
    char text[SPEC_TEXT_MAX];

    for (size_t i = 0; i < st->n_knobs; i++) {
        struct buf ignored = {0};
        const char *value;
        struct err e;
        enum err_code rc;

        if (!st->knobs[i].is_like)
            continue;
        value = knobs_text(s, stage, row, (int)i, text);
        if (!value) {
            spec_error(s, at, where,
                       "%s: neither that stage nor its inputs give one value; set it here",
                       st->knobs[i].field->name);
            return false;
        }
        rc = cfg_canon(st->knobs[i].field, value, &ignored, &e);
        buf_free(&ignored);
        if (rc) {
            spec_error(s, at, where, "%s: %s", st->knobs[i].field->name,
                       e.text);
            return false;
        }
    }
    return true;
}

/* The text begins with the knob at fault: the error stands where that was set. */
static void report(struct spec *s, const struct spec_stage *st, const struct err *e)
{
    char name[SPEC_TEXT_MAX];
    size_t n = strcspn(e->text, ":");
    const struct ynode *at = st->key;

    if (n < sizeof name) {
        int knob;

        memcpy(name, e->text, n);
        name[n] = '\0';
        knob = spec_knob_find(st, name);
        if (knob >= 0 && st->knobs[knob].node)
            at = st->knobs[knob].node;
        else if (ytree_get(st->node, name))
            at = ytree_get(st->node, name);
    }
    spec_error(s, at, st->name, "%s", e->text);
}

void knobs_check(struct spec *s, int stage)
{
    struct spec_stage *st = &s->stages[stage];
    bool has_like = false;

    for (size_t i = 0; i < st->n_knobs; i++)
        has_like = has_like || st->knobs[i].is_like;
    if (!has_like && !st->kind->check)
        return;
    for (uint64_t r = 0; r < st->n_rows; r++) {
        struct knobs_view v = {.s = s, .stage = stage, .row = r};
        struct err e = {0};
        enum err_code rc;

        if (has_like && !check_like(s, stage, r))
            return;
        if (!st->kind->check)
            continue;
        rc = st->kind->check(knobs_view_get, &v, &e);
        knobs_view_end(&v);
        if (rc) { /* one such row is enough: others fail for the same reason */
            report(s, st, &e);
            return;
        }
    }
}
