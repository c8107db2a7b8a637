/* spec_stage.c - one stage: its kind, knobs, axes, inputs and gate. */
#include <stdlib.h>
#include <string.h>

#include "common/pathid.h"
#include "coordinator/spec_internal.h"

static const char *const reserved[] = {"kind", "grid", "zip",     "sample", "exclude",
                                       "when", "over", "require", "gate",   NULL};

int spec_knob_find(const struct spec_stage *st, const char *name)
{
    for (size_t i = 0; i < st->n_knobs; i++)
        if (strcmp(st->knobs[i].field->name, name) == 0)
            return (int)i;
    return -1;
}

/* --- values -------------------------------------------------------------------------------- */

static int compare_keys(const void *a, const void *b)
{
    const struct ynode *const *x = a, *const *y = b;

    return strcmp((*x)->text, (*y)->text);
}

/* {val_acc: 0.99} for a text knob: keys sorted, numbers canonical, so equal meanings are equal. */
static const char *mapping_text(struct spec *s, const struct ynode *n, const char *where)
{
    static const struct cfg_field number = {.type = CFG_F64, .name = "number", .deflt = "0"};
    struct pool *pool = &s->detail->pool;
    struct ynode **keys = pool_new(pool, struct ynode *, n->n + 1);
    struct buf b = {0};
    char *text;

    for (size_t i = 0; i < n->n; i++)
        keys[i] = n->keys[i];
    qsort(keys, n->n, sizeof *keys, compare_keys);
    buf_char(&b, '{');
    for (size_t i = 0; i < n->n; i++) {
        const struct ynode *v = ytree_get(n, keys[i]->text);

        buf_fmt(&b, "%s%s: ", i ? ", " : "", keys[i]->text);
        if (v->type != YNODE_SCALAR)
            spec_error(s, v, where, "%s: expected one value", keys[i]->text);
        else if (cfg_canon(&number, v->text, &b, NULL))
            ytree_flow(v, &b);
    }
    buf_char(&b, '}');
    text = pool_strn(pool, b.data, b.len);
    buf_free(&b);
    return text;
}

/* A path, relative to the file that says it, becomes "sha256:<hex> <absolute path>". */
static enum err_code path_canon(const struct ynode *n, struct buf *out, struct err *e)
{
    static const struct cfg_field text = {.type = CFG_PATH, .name = "path", .deflt = ""};
    const char *slash = n->line ? strrchr(n->file, '/') : NULL; /* line 0: an option, as typed */
    struct buf path = {0}, id = {0};
    enum err_code rc;

    if (slash && n->text[0] != '/')
        buf_add(&path, n->file, (size_t)(slash - n->file) + 1);
    buf_str(&path, n->text);
    rc = pathid_make(&id, path.data, e);
    if (!rc)
        rc = cfg_canon(&text, id.data, out, e);
    buf_free(&path);
    buf_free(&id);
    return rc;
}

const char *spec_canon(struct spec *s, const struct ynode *n, const char *where,
                       const struct cfg_field *f)
{
    struct buf b = {0};
    struct err e;
    const char *text = NULL;

    if (n->type == YNODE_MAP && f->type == CFG_STR)
        return mapping_text(s, n, where);
    if (n->type != YNODE_SCALAR) {
        spec_error(s, n, where, "expected one value (%s), not a %s%s", cfg_type_name(f->type),
                   n->type == YNODE_LIST ? "list" : "mapping",
                   n->type == YNODE_LIST ? ": several values go below grid:" : "");
        return NULL;
    }
    if (ynode_is_null(n) && f->type != CFG_STR)
        spec_error(s, n, where, "the value is missing");
    else if (f->type == CFG_PATH && *n->text ? path_canon(n, &b, &e)
                                             : cfg_canon(f, n->text, &b, &e))
        spec_error(s, n, where, "%s", e.text);
    else
        text = pool_strn(&s->detail->pool, b.data, b.len);
    buf_free(&b);
    return text;
}

/* --- knobs --------------------------------------------------------------------------------- */

static int compare_names(const void *a, const void *b, void *st)
{
    const struct spec_knob *k = ((const struct spec_stage *)st)->knobs;

    return strcmp(k[*(const int *)a].field->name, k[*(const int *)b].field->name);
}

static void init_knobs(struct spec *s, struct spec_stage *st)
{
    struct pool *pool = &s->detail->pool;
    size_t n = st->kind->n_fields + job_fields_n;
    struct buf b = {0};

    st->knobs = pool_new(pool, struct spec_knob, n);
    st->by_name = pool_new(pool, int, n);
    st->n_knobs = n;
    for (size_t i = 0; i < n; i++) {
        struct spec_knob *k = &st->knobs[i];

        k->is_common = i >= st->kind->n_fields;
        k->field = k->is_common ? &job_fields[i - st->kind->n_fields] : &st->kind->fields[i];
        k->is_in_id = !k->is_common ? strcmp(k->field->name, "seed_offset") != 0
                                    : job_field_is_in_id(k->field->name);
        buf_reset(&b);
        if (cfg_canon(k->field, k->field->deflt, &b, NULL) == ERR_OK)
            k->deflt = k->canon = pool_strn(pool, b.data, b.len);
        st->by_name[i] = (int)i;
    }
    qsort_r(st->by_name, n, sizeof *st->by_name, compare_names, st);
    buf_free(&b);
}

static void read_knob(struct spec *s, struct spec_stage *st, int knob, const struct ynode *n)
{
    struct spec_knob *k = &st->knobs[knob];

    k->node = n;
    k->from = KNOB_FIXED;
    if (spec_is_ref(n)) {
        struct spec_source proto = {.role = SOURCE_VALUE, .knob = knob};
        size_t at = st->n_sources;

        if (k->is_common) {
            spec_error(s, n, k->field->name, "cannot be decided by another job");
            return;
        }
        spec_read_ref(s, st, n, &proto);
        if (st->n_sources > at) {
            k->from = KNOB_VALUE;
            k->source = (int)at;
            k->canon = st->sources[at].metric;
        }
        return;
    }
    const char *text = spec_canon(s, n, k->field->name, k->field);
    if (text)
        k->canon = text;
}

static void read_input(struct spec *s, struct spec_stage *st, const struct kind_input *in,
                       const struct ynode *n)
{
    struct spec_source proto = {
        .role = in->is_like ? SOURCE_LIKE : SOURCE_INPUT,
        .input = in,
        .input_index = (int)(in - st->kind->inputs),
        .is_gathered = in->form == INPUT_MANY || in->form == INPUT_MANY_OPT,
    };

    spec_read_ref(s, st, n, &proto);
}

static void refuse_key(struct spec *s, const struct spec_stage *st, const struct ynode *key)
{
    const char *words[ARRAY_LEN(reserved) + KIND_INPUTS_MAX + 32] = {NULL};
    size_t n = 0;

    for (; reserved[n]; n++)
        words[n] = reserved[n];
    for (size_t i = 0; i < st->kind->n_inputs; i++)
        words[n++] = st->kind->inputs[i].name;
    for (size_t i = 0; i < job_fields_n; i++)
        words[n++] = job_fields[i].name;
    spec_error(s, key, st->name, "%s: kind %s has no such knob or input%s", key->text,
               st->kind->name,
               spec_hint(s, cfg_nearest(st->kind->fields, st->kind->n_fields, words, key->text)));
}

static void read_key(struct spec *s, struct spec_stage *st, const struct ynode *key,
                     const struct ynode *n)
{
    int knob = spec_knob_find(st, key->text);
    const struct kind_input *in = kind_input_find(st->kind, key->text);
    struct spec_source require = {.role = SOURCE_REQUIRE};

    if (knob >= 0)
        read_knob(s, st, knob, n);
    else if (in)
        read_input(s, st, in, n);
    else if (strcmp(key->text, "over") == 0)
        st->over_node = n;
    else if (strcmp(key->text, "when") == 0)
        st->when_node = n;
    else if (strcmp(key->text, "exclude") == 0)
        st->exclude_node = n;
    else if (strcmp(key->text, "require") == 0)
        spec_read_ref(s, st, n, &require);
    else if (strcmp(key->text, "gate") == 0)
        spec_read_gate(s, st, n);
    else if (strcmp(key->text, "kind") != 0 && strcmp(key->text, "grid") != 0 &&
             strcmp(key->text, "zip") != 0 && strcmp(key->text, "sample") != 0)
        refuse_key(s, st, key);
}

/* --- inputs -------------------------------------------------------------------------------- */

static int compare_sources(const void *a, const void *b, void *ctx)
{
    const struct spec_source *all = ctx;
    const struct spec_source *x = &all[*(const int *)a], *y = &all[*(const int *)b];

    if (x->role != y->role)
        return (int)x->role - (int)y->role;
    if (x->input_index != y->input_index)
        return x->input_index - y->input_index;
    return *(const int *)a - *(const int *)b;
}

/* Sources in the order of the kind's inputs, so that ids and joins do not depend on the file's. */
static void sort_sources(struct spec *s, struct spec_stage *st)
{
    struct pool *pool = &s->detail->pool;
    struct spec_source *sorted = pool_new(pool, struct spec_source, SPEC_SOURCES_MAX);
    int order[SPEC_SOURCES_MAX];

    for (size_t i = 0; i < st->n_sources; i++)
        order[i] = (int)i;
    qsort_r(order, st->n_sources, sizeof *order, compare_sources, st->sources);
    for (size_t i = 0; i < st->n_sources; i++) {
        sorted[i] = st->sources[order[i]];
        if (sorted[i].role == SOURCE_VALUE)
            st->knobs[sorted[i].knob].source = (int)i;
    }
    st->sources = sorted;
}

/* Knobs that an input fills in: those of kind->like, or all. */
static void fill_in(struct spec_stage *st)
{
    bool has_like = false, hands_on = false;

    for (size_t i = 0; i < st->n_sources; i++) {
        has_like = has_like || st->sources[i].role == SOURCE_LIKE;
        hands_on = hands_on || (st->sources[i].input && st->sources[i].input->hands_on);
    }
    for (size_t i = 0; has_like && i < KIND_LIKE_MAX && st->kind->like[i]; i++) {
        int knob = spec_knob_find(st, st->kind->like[i]);

        st->knobs[knob].is_like = st->knobs[knob].from == KNOB_DEFAULT;
    }
    for (size_t i = 0; hands_on && i < st->n_knobs; i++)
        if (!st->knobs[i].is_common)
            st->knobs[i].is_like = st->knobs[i].from == KNOB_DEFAULT;
}

static void check_inputs(struct spec *s, struct spec_stage *st)
{
    for (size_t i = 0; i < st->kind->n_inputs; i++) {
        const struct kind_input *in = &st->kind->inputs[i];

        if ((in->form == INPUT_ONE || in->form == INPUT_MANY) && !ytree_get(st->node, in->name))
            spec_error(s, st->key, st->name, "%s: missing: kind %s needs `%s: $stage`, of kind %s",
                       in->name, st->kind->name, in->name, in->kinds);
    }
    fill_in(st);
}

/* --- stages -------------------------------------------------------------------------------- */

static const struct job_kind *read_kind(struct spec *s, const struct spec_stage *st)
{
    const struct ynode *n = ytree_get(st->node, "kind");
    const char *names[64] = {NULL};
    const struct job_kind *k;

    if (!n || n->type != YNODE_SCALAR) {
        spec_error(s, n ? n : st->key, st->name, "kind: %s", n ? "expected a name" : "missing");
        return NULL;
    }
    k = kind_find(n->text);
    for (size_t i = 0; i < kind_count() && i < 63; i++)
        names[i] = kind_at(i)->name;
    if (!k)
        spec_error(s, n, st->name, "kind: there is no kind %s%s", n->text,
                   spec_hint(s, cfg_nearest(NULL, 0, names, n->text)));
    return k;
}

static void read_stage(struct spec *s, struct spec_stage *st, int index)
{
    size_t errors = s->detail->n_errors;

    st->is_broken = true;
    if (!spec_is_name(st->name))
        spec_error(s, st->key, "stages",
                   "\"%.60s\" cannot name a stage: letters, digits and _, not "
                   "starting with a digit, at most 64",
                   st->name);
    if (st->node->type != YNODE_MAP) {
        spec_error(s, st->node, st->name, "expected {kind: ..., knob: value}");
        return;
    }
    st->kind = read_kind(s, st);
    if (!st->kind)
        return;
    st->sources = pool_new(&s->detail->pool, struct spec_source, SPEC_SOURCES_MAX);
    init_knobs(s, st);
    for (size_t i = 0; i < st->node->n; i++)
        read_key(s, st, st->node->keys[i], st->node->items[i]);
    axes_read(s, st, index, ytree_get(st->node, "grid"), ytree_get(st->node, "zip"),
              ytree_get(st->node, "sample"));
    check_inputs(s, st);
    sort_sources(s, st);
    st->is_broken = s->detail->n_errors > errors;
}

void spec_read_stages(struct spec *s, const struct ynode *stages)
{
    if (stages->n > SPEC_STAGES_MAX) {
        spec_error(s, stages, "stages", "more than %d", (int)SPEC_STAGES_MAX);
        return;
    }
    s->stages = pool_new(&s->detail->pool, struct spec_stage, stages->n);
    s->n_stages = stages->n;
    for (size_t i = 0; i < stages->n; i++) {
        s->stages[i].name = stages->keys[i]->text;
        s->stages[i].key = stages->keys[i];
        s->stages[i].node = stages->items[i];
    }
    for (size_t i = 0; i < stages->n; i++)
        read_stage(s, &s->stages[i], (int)i);
}
