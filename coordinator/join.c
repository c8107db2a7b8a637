/* join.c - the rows of a stage: a natural join of its inputs' rows, times its own axes.
 *
 * A row is one coordinate (index of a value) for each axis the stage sees, and one link a source:
 * the group of that source's rows it refers to.  Inputs that share an axis join on its coordinate.
 * A gathered input's groups are its rows with equal coordinates on the axes that remain.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/map.h"
#include "common/oom.h"
#include "coordinator/spec_internal.h"

/* Rows over a subset of axes; link[i] leads to the groups of sources, [n][n_links]. */
struct table {
    int axes[SPEC_AXES_MAX];
    size_t n_axes;
    uint64_t n, cap;
    uint32_t *coords;
    uint32_t *links;
    size_t n_links;
};

static void *grow(void *p, uint64_t n, size_t size)
{
    p = realloc(p, (size_t)(n ? n : 1) * (size ? size : 1));
    if (!p)
        oom_exit("join"); /* the number of rows is bounded and was checked */
    return p;
}

static void table_free(struct table *t)
{
    free(t->coords);
    free(t->links);
    *t = (struct table){0};
}

/* Room for one more row; its coords and links are filled in by the caller. */
static uint64_t table_add(struct table *t)
{
    if (t->n == t->cap) {
        t->cap = t->cap ? t->cap + t->cap / 2 + 16 : 16;
        t->coords = grow(t->coords, t->cap, t->n_axes * sizeof *t->coords);
        t->links = grow(t->links, t->cap, t->n_links * sizeof *t->links);
    }
    return t->n++;
}

static uint32_t *coords_of(const struct table *t, uint64_t row)
{
    return t->coords + row * t->n_axes;
}

/* --- one source ---------------------------------------------------------------------------- */

static bool is_over(const struct spec_stage *st, int axis)
{
    for (size_t i = 0; i < st->n_over; i++)
        if (st->over[i] == axis)
            return true;
    return false;
}

/* Turns the list of (group, row) into rows ordered by group, order kept within. */
static void fill_groups(struct spec_source *src, const uint32_t *group_of, const uint32_t *rows,
                        uint64_t n, uint64_t n_groups)
{
    src->starts = grow(NULL, n_groups + 2, sizeof *src->starts);
    memset(src->starts, 0, (size_t)(n_groups + 2) * sizeof *src->starts);
    for (uint64_t i = 0; i < n; i++)
        src->starts[group_of[i] + 2]++;
    for (uint64_t g = 1; g <= n_groups; g++)
        src->starts[g + 1] += src->starts[g];
    src->rows = grow(NULL, n, sizeof *src->rows);
    for (uint64_t i = 0; i < n; i++) /* starts[g + 1] walks from the start of g to its end */
        src->rows[src->starts[group_of[i] + 1]++] = rows[i];
    src->n_groups = n_groups;
}

/* Rows of the source's stage that it selects, projected on the axes that remain, grouped. */
static void make_source(const struct spec *s, const struct spec_stage *st, struct spec_source *src,
                        struct table *out)
{
    const struct spec_stage *t = &s->stages[src->stage];
    uint32_t *group_of = grow(NULL, t->n_rows, sizeof *group_of);
    uint32_t *rows = grow(NULL, t->n_rows, sizeof *rows);
    uint32_t key[SPEC_AXES_MAX];
    size_t keep[SPEC_AXES_MAX];
    struct map groups = {0};
    uint64_t n = 0;

    *out = (struct table){.n_links = 0};
    for (size_t j = 0; j < t->n_axes; j++) {
        if (src->drop[j] || (src->is_gathered && is_over(st, t->axes[j])))
            continue;
        keep[out->n_axes] = j;
        out->axes[out->n_axes++] = t->axes[j];
    }
    for (uint64_t r = 0; r < t->n_rows; r++) {
        const uint32_t *c = t->coords + r * t->n_axes;
        bool is_new = true;
        int64_t group = (int64_t)n;

        if (src->select.n && !filter_any(&src->select, 1, c, t->axes, t->n_axes))
            continue;
        for (size_t j = 0; j < out->n_axes; j++)
            key[j] = c[keep[j]];
        if (src->is_gathered) {
            int64_t *g = map_put(&groups, key, out->n_axes * sizeof *key, &is_new);

            if (is_new)
                *g = (int64_t)groups.n - 1;
            group = *g;
        }
        group_of[n] = (uint32_t)group;
        rows[n++] = (uint32_t)r;
        if (is_new) {
            uint64_t at = table_add(out);

            if (out->n_axes)
                memcpy(coords_of(out, at), key, out->n_axes * sizeof *key);
        }
    }
    fill_groups(src, group_of, rows, n, out->n);
    map_free(&groups);
    free(group_of);
    free(rows);
}

/* --- joining ------------------------------------------------------------------------------- */

static bool refuse_rows(struct spec *s, const struct spec_stage *st, const struct ynode *at,
                        const char *sum, double n)
{
    if (n <= SPEC_JOBS_MAX)
        return false;
    spec_error(s, at, st->name, "%s = %.0f jobs are more than the %d that a sweep may have", sum, n,
               (int)SPEC_JOBS_MAX);
    return true;
}

/* Lists of equal shared coordinates in b: first row by key, next row by row. */
struct index {
    struct map first;
    uint32_t *next;
};

static void index_make(struct index *x, const struct table *b, const int *at, size_t n)
{
    uint32_t key[SPEC_AXES_MAX];

    *x = (struct index){0};
    x->next = grow(NULL, b->n, sizeof *x->next);
    for (uint64_t r = b->n; r-- > 0;) { /* backwards, so that lists come out forwards */
        bool is_new;
        int64_t *head;

        for (size_t i = 0; i < n; i++)
            key[i] = coords_of(b, r)[at[i]];
        head = map_put(&x->first, key, n * sizeof *key, &is_new);
        x->next[r] = is_new ? NO_GROUP : (uint32_t)*head;
        *head = (int64_t)r;
    }
}

static uint32_t index_find(const struct index *x, const uint32_t *key, size_t n)
{
    const int64_t *head = map_get(&x->first, key, n * sizeof *key);

    return head ? (uint32_t)*head : NO_GROUP;
}

static void index_free(struct index *x)
{
    map_free(&x->first);
    free(x->next);
}

/* How the axes of `b` fit those of `a`. */
struct fit {
    int in_a[SPEC_AXES_MAX], in_b[SPEC_AXES_MAX]; /* places of the shared axes */
    size_t n_shared;
    int extra[SPEC_AXES_MAX]; /* of b alone */
    size_t n_extra;
};

static struct fit fit_axes(const struct table *a, const struct table *b)
{
    struct fit f = {.n_shared = 0};

    for (size_t j = 0; j < b->n_axes; j++) {
        size_t i = 0;

        while (i < a->n_axes && a->axes[i] != b->axes[j])
            i++;
        if (i == a->n_axes) {
            f.extra[f.n_extra++] = (int)j;
            continue;
        }
        f.in_a[f.n_shared] = (int)i;
        f.in_b[f.n_shared++] = (int)j;
    }
    return f;
}

static void add_joined(struct table *out, const struct table *a, uint64_t ra, const struct table *b,
                       uint32_t rb, const struct fit *f)
{
    uint64_t at = table_add(out);

    if (a->n_axes)
        memcpy(coords_of(out, at), coords_of(a, ra), a->n_axes * sizeof(uint32_t));
    for (size_t j = 0; j < f->n_extra; j++)
        coords_of(out, at)[a->n_axes + j] = coords_of(b, rb)[f->extra[j]];
    if (a->n_links)
        memcpy(out->links + at * out->n_links, a->links + ra * a->n_links,
               a->n_links * sizeof(uint32_t));
    out->links[at * out->n_links + a->n_links] = rb;
}

static bool join_tables(struct spec *s, const struct spec_stage *st, const struct table *a,
                        const struct table *b, struct table *out)
{
    struct fit f = fit_axes(a, b);
    uint32_t key[SPEC_AXES_MAX];
    struct index x;
    bool is_good = true;

    *out = (struct table){.n_axes = a->n_axes, .n_links = a->n_links + 1};
    memcpy(out->axes, a->axes, sizeof a->axes);
    for (size_t j = 0; j < f.n_extra; j++)
        out->axes[out->n_axes++] = b->axes[f.extra[j]];
    index_make(&x, b, f.in_b, f.n_shared);
    for (uint64_t r = 0; r < a->n && is_good; r++) {
        for (size_t i = 0; i < f.n_shared; i++)
            key[i] = coords_of(a, r)[f.in_a[i]];
        for (uint32_t q = index_find(&x, key, f.n_shared); q != NO_GROUP && is_good;
             q = x.next[q]) {
            add_joined(out, a, r, b, q, &f);
            is_good = !refuse_rows(s, st, st->key, "the join of its inputs", (double)out->n);
        }
    }
    index_free(&x);
    return is_good;
}

/* Joins all sources that give axes; each keeps its link, require: gets its own later. */
static bool join_sources(struct spec *s, struct spec_stage *st, struct table *all)
{
    bool is_good = true;

    *all = (struct table){.n_axes = 0};
    table_add(all);
    for (size_t i = 0; i < st->n_sources && is_good; i++) {
        struct spec_source *src = &st->sources[i];
        struct table one, next;

        if (src->role == SOURCE_REQUIRE)
            continue;
        make_source(s, st, src, &one);
        is_good = join_tables(s, st, all, &one, &next);
        if (is_good && one.n == 0) {
            spec_error(s, src->node, st->name, "%s selects no job", src->node->text);
            is_good = false;
        } else if (is_good && next.n == 0) {
            spec_error(s, src->node, st->name,
                       "no combination of axes is left when $%s is joined "
                       "with the inputs before it",
                       src->stage_name);
            is_good = false;
        }
        table_free(&one);
        table_free(all);
        *all = next;
    }
    return is_good;
}

/* --- own axes ------------------------------------------------------------------------------ */

static bool check_count(struct spec *s, const struct spec_stage *st, uint64_t n_joined)
{
    struct buf sum = {0};
    double n = (double)n_joined;
    bool is_good;

    if (n_joined > 1)
        buf_fmt(&sum, "%" PRIu64 " (inputs)", n_joined);
    for (size_t i = 0; i < st->n_dims; i++) {
        const struct spec_dim *d = &st->dims[i];

        n *= (double)d->n;
        buf_fmt(&sum, "%s%" PRIu64 " (%s)", sum.len ? " x " : "", d->n,
                d->n_axes ? s->detail->axes[d->axes[0]].knob : "");
    }
    is_good =
        !refuse_rows(s, st, st->n_dims ? st->dims[0].node : st->key, sum.len ? sum.data : "1", n);
    buf_free(&sum);
    return is_good;
}

/* Coordinates of the stage's own axes at the odometer's place. */
static void own_coords(const struct spec *s, const struct spec_stage *st, const uint64_t *odometer,
                       uint32_t *out)
{
    size_t at = 0;

    for (size_t i = 0; i < st->n_dims; i++) {
        for (size_t j = 0; j < st->dims[i].n_axes; j++) {
            const struct spec_axis *a = &s->detail->axes[st->dims[i].axes[j]];

            out[at++] = a->value_of ? a->value_of[odometer[i]] : (uint32_t)odometer[i];
        }
    }
}

static bool advance(const struct spec_stage *st, uint64_t *odometer)
{
    for (size_t i = st->n_dims; i-- > 0;) {
        if (++odometer[i] < st->dims[i].n)
            return true;
        odometer[i] = 0;
    }
    return false;
}

static bool is_kept(const struct spec_stage *st, const uint32_t *row)
{
    if (st->n_when && !filter_any(st->when, st->n_when, row, st->axes, st->n_axes))
        return false;
    return !st->n_exclude || !filter_any(st->exclude, st->n_exclude, row, st->axes, st->n_axes);
}

/* The product of the joined rows with the own axes, filtered.  The joined axes come in the order
 * of st->axes already: both add them source by source. */
static void make_rows(const struct spec *s, struct spec_stage *st, const struct table *joined)
{
    struct table out = {.n_axes = st->n_axes, .n_links = st->n_sources};
    uint64_t *odometer = grow(NULL, st->n_dims, sizeof *odometer);
    uint32_t row[SPEC_AXES_MAX];

    for (uint64_t r = 0; r < joined->n; r++) {
        memset(odometer, 0, st->n_dims * sizeof *odometer);
        if (joined->n_axes)
            memcpy(row, coords_of(joined, r), joined->n_axes * sizeof *row);
        do {
            own_coords(s, st, odometer, row + joined->n_axes);
            if (!is_kept(st, row))
                continue;
            uint64_t at = table_add(&out);
            if (out.n_axes)
                memcpy(coords_of(&out, at), row, out.n_axes * sizeof *row);
            if (joined->n_links)
                memcpy(out.links + at * out.n_links, joined->links + r * joined->n_links,
                       joined->n_links * sizeof *row);
        } while (advance(st, odometer));
    }
    free(odometer);
    st->n_rows = out.n;
    st->coords = grow(out.coords, out.n, out.n_axes * sizeof *out.coords);
    st->links = grow(out.links, out.n, out.n_links * sizeof *out.links);
}

/* --- require ------------------------------------------------------------------------------- */

/* Each row waits for the rows of the required stage that agree with it on the shared axes. */
static void link_required(const struct spec *s, struct spec_stage *st, size_t source)
{
    struct spec_source *src = &st->sources[source];
    const struct spec_stage *t = &s->stages[src->stage];
    struct table mine = {.n_axes = st->n_axes}, groups;
    struct spec_stage shape = {.n_over = 0};
    int over[SPEC_AXES_MAX];
    struct index x;
    struct fit f;

    memcpy(mine.axes, st->axes, sizeof mine.axes);
    shape.over = over;
    for (size_t j = 0; j < t->n_axes; j++) {
        size_t i = 0;

        while (i < st->n_axes && st->axes[i] != t->axes[j])
            i++;
        if (i == st->n_axes)
            over[shape.n_over++] = t->axes[j];
    }
    src->is_gathered = true;
    make_source(s, &shape, src, &groups);
    f = fit_axes(&mine, &groups);
    index_make(&x, &groups, f.in_b, f.n_shared);
    for (uint64_t r = 0; r < st->n_rows; r++) {
        uint32_t key[SPEC_AXES_MAX];

        for (size_t i = 0; i < f.n_shared; i++)
            key[i] = st->coords[r * st->n_axes + (size_t)f.in_a[i]];
        st->links[r * st->n_sources + source] = index_find(&x, key, f.n_shared);
    }
    index_free(&x);
    table_free(&groups);
}

void join_stage(struct spec *s, int stage)
{
    struct spec_stage *st = &s->stages[stage];
    struct table joined;
    size_t errors = s->detail->n_errors;

    for (size_t i = 0; i < st->n_sources; i++)
        if (s->stages[st->sources[i].stage].is_broken)
            st->is_broken = true;
    if (st->is_broken)
        return;
    if (join_sources(s, st, &joined) && check_count(s, st, joined.n)) {
        make_rows(s, st, &joined);
        if (st->n_rows == 0)
            spec_error(s, st->key, st->name, "when and exclude leave no job");
        for (size_t i = 0; i < st->n_sources; i++)
            if (st->sources[i].role == SOURCE_REQUIRE)
                link_required(s, st, i);
    }
    table_free(&joined);
    st->is_broken = s->detail->n_errors > errors;
}

void join_free(struct spec_stage *st)
{
    free(st->coords);
    free(st->links);
    for (size_t i = 0; i < st->n_sources; i++) {
        free(st->sources[i].rows);
        free(st->sources[i].starts);
    }
}
