/* spec_order.c - stages in order, inputs first; then each sees the axes of those before it. */
#include <stdlib.h>
#include <string.h>

#include "coordinator/spec_internal.h"

/* --- references ---------------------------------------------------------------------------- */

/* True if `kind` is one of "a|b". */
static bool is_accepted(const char *kinds, const char *kind)
{
    size_t n = strlen(kind);

    for (const char *p = kinds; (p = strstr(p, kind)) != NULL; p += n)
        if ((p == kinds || p[-1] == '|') && (p[n] == '|' || p[n] == '\0'))
            return true;
    return false;
}

static void resolve(struct spec *s, struct spec_stage *st, struct spec_source *src)
{
    const char *where = src->input                    ? src->input->name
                        : src->role == SOURCE_REQUIRE ? "require"
                                                      : st->knobs[src->knob].field->name;
    const struct spec_stage *t;

    src->stage = spec_find_stage(s, src->stage_name);
    if (src->stage < 0) {
        spec_error(s, src->node, where, "$%s: there is no stage of that name%s", src->stage_name,
                   spec_hint(s, spec_nearest_stage(s, src->stage_name)));
        st->is_broken = true;
        return;
    }
    t = &s->stages[src->stage];
    if (t == st) {
        spec_error(s, src->node, where, "$%s: a stage cannot need itself", src->stage_name);
        src->stage = -1;
        st->is_broken = true;
    } else if (src->input && t->kind && !is_accepted(src->input->kinds, t->kind->name)) {
        spec_error(s, src->node, where, "$%s is of kind %s; expected %s", src->stage_name,
                   t->kind->name, src->input->kinds);
        st->is_broken = true;
    } else if (src->role == SOURCE_REQUIRE && t->kind && !t->has_gate) {
        spec_error(s, src->node, where, "$%s has no gate: that could pass", src->stage_name);
        st->is_broken = true;
    }
}

/* --- order --------------------------------------------------------------------------------- */

struct walk {
    struct spec *s;
    unsigned char *mark; /* 0 new, 1 being visited, 2 done */
    int *order;
    size_t n;
    int *path;
    size_t n_path;
};

static void report_cycle(struct walk *w, int back_to)
{
    struct buf b = {0};
    size_t i = 0;

    while (w->path[i] != back_to)
        i++;
    for (; i < w->n_path; i++)
        buf_fmt(&b, "%s -> ", w->s->stages[w->path[i]].name);
    spec_error(w->s, w->s->stages[back_to].key, w->s->stages[back_to].name,
               "a cycle: %s%s: no stage of it could come first", b.data,
               w->s->stages[back_to].name);
    buf_free(&b);
}

static void visit(struct walk *w, int stage)
{
    struct spec_stage *st = &w->s->stages[stage];

    w->mark[stage] = 1;
    w->path[w->n_path++] = stage;
    for (size_t i = 0; i < st->n_sources; i++) {
        int t = st->sources[i].stage;

        if (t < 0 || w->mark[t] == 2)
            continue;
        if (w->mark[t] == 1) {
            report_cycle(w, t);
            st->is_broken = true;
        } else {
            visit(w, t);
        }
    }
    w->n_path--;
    w->mark[stage] = 2;
    w->order[w->n++] = stage;
}

static void reorder(struct spec *s, const int *order)
{
    struct pool *pool = &s->detail->pool;
    struct spec_stage *sorted = pool_new(pool, struct spec_stage, s->n_stages);
    int *place = pool_new(pool, int, s->n_stages);

    for (size_t i = 0; i < s->n_stages; i++) {
        sorted[i] = s->stages[order[i]];
        place[order[i]] = (int)i;
    }
    for (size_t i = 0; i < s->n_stages; i++)
        for (size_t j = 0; j < sorted[i].n_sources; j++)
            if (sorted[i].sources[j].stage >= 0)
                sorted[i].sources[j].stage = place[sorted[i].sources[j].stage];
    for (size_t i = 0; i < s->detail->n_axes; i++)
        s->detail->axes[i].stage = place[s->detail->axes[i].stage];
    s->stages = sorted;
}

/* --- axes that a stage sees ---------------------------------------------------------------- */

static bool has_axis(const int *axes, size_t n, int axis)
{
    for (size_t i = 0; i < n; i++)
        if (axes[i] == axis)
            return true;
    return false;
}

static void add_axis(struct spec *s, struct spec_stage *st, int axis)
{
    if (has_axis(st->axes, st->n_axes, axis) || st->is_broken)
        return;
    if (st->n_axes == SPEC_AXES_MAX) {
        spec_error(s, st->key, st->name, "more than %d axes", (int)SPEC_AXES_MAX);
        st->is_broken = true;
        return;
    }
    st->axes[st->n_axes++] = axis;
}

static bool is_single(const struct ynode *n)
{
    return n->type == YNODE_SCALAR;
}

static void read_select(struct spec *s, struct spec_stage *st, struct spec_source *src)
{
    const struct spec_stage *t = &s->stages[src->stage];
    struct spec_match *m;
    size_t n;
    size_t errors = s->detail->n_errors;

    src->drop = pool_new(&s->detail->pool, bool, t->n_axes + 1);
    if (!src->select_node)
        return;
    filter_read(s, NULL, t->axes, t->n_axes, src->select_node, src->node->text, &m, &n);
    if (s->detail->n_errors > errors) {
        st->is_broken = true;
        return;
    }
    src->select = m[0];
    for (size_t i = 0; i < m[0].n; i++)
        for (size_t j = 0; j < t->n_axes; j++)
            if (t->axes[j] == m[0].conds[i].axis && is_single(m[0].conds[i].value))
                src->drop[j] = true;
}

/* Axes that the gathered sources bring along, without repeats. */
static size_t gathered_axes(const struct spec *s, const struct spec_stage *st, int *out)
{
    size_t n = 0;

    for (size_t i = 0; i < st->n_sources; i++) {
        const struct spec_source *src = &st->sources[i];
        const struct spec_stage *t = &s->stages[src->stage];

        for (size_t j = 0; src->is_gathered && j < t->n_axes; j++)
            if (!src->drop[j] && !has_axis(out, n, t->axes[j]) && n < 4 * SPEC_AXES_MAX)
                out[n++] = t->axes[j];
    }
    return n;
}

/* True if one source alone has two axes that the short name could mean. */
static bool is_ambiguous(const struct spec *s, const struct spec_stage *st, const char *name)
{
    for (size_t i = 0; i < st->n_sources; i++) {
        const struct spec_source *src = &st->sources[i];
        const struct spec_stage *t = &s->stages[src->stage];
        size_t n = 0;

        for (size_t j = 0; src->is_gathered && j < t->n_axes; j++)
            n += !src->drop[j] && strcmp(s->detail->axes[t->axes[j]].knob, name) == 0;
        if (n > 1)
            return true;
    }
    return false;
}

/* `over: [seed]` means the seeds of all gathered inputs, each input's own. */
static void read_over_name(struct spec *s, struct spec_stage *st, const struct ynode *n,
                           const int *axes, size_t n_axes)
{
    size_t before = st->n_over;

    if (n->type != YNODE_SCALAR) {
        spec_error(s, n, "over", "expected the name of an axis");
        return;
    }
    for (size_t i = 0; i < n_axes; i++) {
        const struct spec_axis *a = &s->detail->axes[axes[i]];

        if (strcmp(a->full, n->text) == 0 ||
            (strcmp(a->knob, n->text) == 0 && !is_ambiguous(s, st, n->text)))
            if (!has_axis(st->over, st->n_over, axes[i]))
                st->over[st->n_over++] = axes[i];
    }
    if (st->n_over == before)
        filter_axis(s, axes, n_axes, n, "over", false);
}

static void read_over(struct spec *s, struct spec_stage *st)
{
    const struct ynode *n = st->over_node;
    int axes[4 * SPEC_AXES_MAX];
    size_t n_axes = gathered_axes(s, st, axes);
    bool gathers = false;

    for (size_t i = 0; i < st->n_sources; i++)
        gathers = gathers || st->sources[i].is_gathered;
    st->over = pool_new(&s->detail->pool, int, n_axes + 1);
    if (!n) {
        struct buf names = {0};

        for (size_t i = 0; i < n_axes; i++)
            buf_fmt(&names, "%s%s", i ? ", " : "", s->detail->axes[axes[i]].full);
        if (n_axes)
            spec_error(s, st->key, st->name,
                       "over: missing: say which axes are gathered, `over: [axis]`, out of %s; "
                       "[] for none",
                       names.data);
        buf_free(&names);
    } else if (!gathers) {
        spec_error(s, n, "over", "no input of kind %s gathers", st->kind->name);
    } else if (n->type != YNODE_LIST) {
        read_over_name(s, st, n, axes, n_axes);
    } else {
        for (size_t i = 0; i < n->n; i++)
            read_over_name(s, st, n->items[i], axes, n_axes);
    }
}

static void inherit(struct spec *s, struct spec_stage *st, const struct spec_source *src)
{
    const struct spec_stage *t = &s->stages[src->stage];

    if (src->role == SOURCE_REQUIRE)
        return;
    for (size_t j = 0; j < t->n_axes; j++) {
        bool is_over = has_axis(st->over, st->n_over, t->axes[j]);

        if (src->drop[j] || (src->is_gathered && is_over))
            continue;
        if (is_over) {
            spec_error(s, src->node, "over",
                       "%s is gathered, but $%s has that axis and gives one "
                       "job to `%s`",
                       s->detail->axes[t->axes[j]].full, src->stage_name,
                       src->input ? src->input->name : st->knobs[src->knob].field->name);
            st->is_broken = true;
            return;
        }
        add_axis(s, st, t->axes[j]);
    }
}

static void see_axes(struct spec *s, struct spec_stage *st)
{
    size_t errors = s->detail->n_errors;

    for (size_t i = 0; i < st->n_sources; i++)
        if (s->stages[st->sources[i].stage].is_broken)
            st->is_broken = true;
    if (st->is_broken)
        return;
    for (size_t i = 0; i < st->n_sources; i++)
        read_select(s, st, &st->sources[i]);
    if (!st->is_broken)
        read_over(s, st);
    for (size_t i = 0; i < st->n_sources && s->detail->n_errors == errors; i++)
        inherit(s, st, &st->sources[i]);
    for (size_t i = 0; i < st->n_dims && s->detail->n_errors == errors; i++)
        for (size_t j = 0; j < st->dims[i].n_axes; j++)
            add_axis(s, st, st->dims[i].axes[j]);
    if (st->when_node && s->detail->n_errors == errors)
        filter_read(s, st, st->axes, st->n_axes, st->when_node, "when", &st->when, &st->n_when);
    if (st->exclude_node && s->detail->n_errors == errors)
        filter_read(s, st, st->axes, st->n_axes, st->exclude_node, "exclude", &st->exclude,
                    &st->n_exclude);
    st->is_broken = st->is_broken || s->detail->n_errors > errors;
}

void spec_order(struct spec *s)
{
    struct pool *pool = &s->detail->pool;
    struct walk w = {.s = s,
                     .mark = pool_new(pool, unsigned char, s->n_stages + 1),
                     .order = pool_new(pool, int, s->n_stages + 1),
                     .path = pool_new(pool, int, s->n_stages + 1)};

    for (size_t i = 0; i < s->n_stages; i++)
        for (size_t j = 0; j < s->stages[i].n_sources; j++)
            resolve(s, &s->stages[i], &s->stages[i].sources[j]);
    for (size_t i = 0; i < s->n_stages; i++)
        for (size_t j = 0; j < s->stages[i].n_sources; j++)
            if (s->stages[i].sources[j].stage < 0)
                s->stages[i].n_sources = 0; /* broken; nothing follows it */
    for (size_t i = 0; i < s->n_stages; i++)
        if (w.mark[i] == 0)
            visit(&w, (int)i);
    reorder(s, w.order);
    for (size_t i = 0; i < s->n_stages; i++)
        see_axes(s, &s->stages[i]);
}
