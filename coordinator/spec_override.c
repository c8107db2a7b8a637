/* spec_override.c - `--set stage.knob=value` and profiles: a tree edited before it is read. */
#include <string.h>

#include "coordinator/spec_internal.h"

/* Takes a knob out of an axes mapping; drops the mapping when nothing is left to vary. */
static void drop_from(struct ynode *stage, const char *axes_key, const char *knob)
{
    struct ynode *axes = ytree_get(stage, axes_key);

    if (!axes)
        return;
    if (axes->type == YNODE_LIST) {
        size_t kept = 0;

        for (size_t i = 0; i < axes->n; i++) {
            if (axes->items[i]->type == YNODE_MAP)
                ytree_drop(axes->items[i], knob);
            if (axes->items[i]->n)
                axes->items[kept++] = axes->items[i];
        }
        axes->n = kept;
    } else if (axes->type == YNODE_MAP && ytree_get(axes, knob)) {
        ytree_drop(axes, knob);
        if (strcmp(axes_key, "sample") == 0) { /* n and seed alone draw nothing */
            bool draws = false;

            for (size_t i = 0; i < axes->n; i++)
                draws = draws || axes->items[i]->type == YNODE_MAP;
            if (!draws)
                axes->n = 0;
        }
    } else {
        return;
    }
    if (axes->n == 0)
        ytree_drop(stage, axes_key);
}

static bool makes_axis(const struct ynode *stage, const char *knob, const struct ynode *value)
{
    const struct ynode *kind = ytree_get(stage, "kind");
    const struct job_kind *k = kind && kind->type == YNODE_SCALAR ? kind_find(kind->text) : NULL;
    const struct cfg_field *f = k ? cfg_find(k->fields, k->n_fields, knob) : NULL;

    if (!f)
        f = cfg_find(job_fields, job_fields_n, knob);
    if (!f || value->type == YNODE_SCALAR)
        return false;
    return value->type == YNODE_LIST || f->type != CFG_STR; /* {val_acc: 0.99} is one value */
}

void spec_override(struct spec *s, struct ynode *stages, const char *key, struct ynode *value,
                   const struct ynode *where)
{
    struct pool *pool = &s->detail->pool;
    const char *dot = strchr(key, '.');
    char *name = pool_strn(pool, key, (size_t)(dot - key));
    struct ynode *stage = ytree_get(stages, name);
    struct ynode *knob = ynode_scalar(pool, dot + 1, false, where);

    if (!stage || stage->type != YNODE_MAP) {
        const char *names[256] = {NULL};

        for (size_t i = 0; i < stages->n && i < 255; i++)
            names[i] = stages->keys[i]->text;
        spec_error(s, where, NULL, "%s: no such stage%s", name,
                   spec_hint(s, cfg_nearest(NULL, 0, names, name)));
        return;
    }
    drop_from(stage, "grid", knob->text);
    drop_from(stage, "zip", knob->text);
    drop_from(stage, "sample", knob->text);
    if (!makes_axis(stage, knob->text, value)) {
        ytree_put(pool, stage, knob, value);
        return;
    }
    ytree_drop(stage, knob->text);
    if (!ytree_get(stage, "grid")) {
        struct ynode *grid = ynode_scalar(pool, "", false, where);

        grid->type = YNODE_MAP;
        ytree_put(pool, stage, ynode_scalar(pool, "grid", false, where), grid);
    }
    ytree_put(pool, ytree_get(stage, "grid"), knob, value);
}
