/* spec_gate.c - `gate: {metric, against, min, max, top, on_miss}`. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "coordinator/spec_internal.h"

static const char *const gate_keys[] = {"metric", "against", "min", "max", "top", "on_miss", NULL};

static bool read_bound(struct spec *s, const struct ynode *n, double *out)
{
    static const struct cfg_field number = {.type = CFG_F64, .name = "bound", .deflt = "0"};
    const char *text = spec_canon(s, n, "gate", &number);

    *out = text ? strtod(text, NULL) : 0;
    return text != NULL;
}

static void read_metric(struct spec *s, struct spec_gate *g, const struct ynode *n)
{
    const struct metric_row *m = n->type == YNODE_SCALAR ? metric_find(n->text) : NULL;
    const char *near = NULL;
    size_t best = 4;

    if (m) {
        g->metric = m->name;
        return;
    }
    for (size_t i = 0; n->type == YNODE_SCALAR && i < metric_count(); i++) {
        size_t d = text_distance(metric_at(i)->name, n->text);

        if (d < best) {
            best = d;
            near = metric_at(i)->name;
        }
    }
    spec_error(s, n, "gate", "metric: %s is not a metric%s",
               n->type == YNODE_SCALAR ? n->text : "a list", spec_hint(s, near));
}

static void read_against(struct spec *s, struct spec_gate *g, const struct ynode *n)
{
    const char *name = n->type == YNODE_SCALAR ? n->text + (n->text[0] == '$') : "";

    if (spec_find_stage(s, name) < 0)
        spec_error(s, n, "gate", "against: there is no stage %s%s", name,
                   spec_hint(s, spec_nearest_stage(s, name)));
    g->against = name;
}

/* `top: 3` or `top: 0.34`: the best of the stage, when all of them are done. */
static void read_top(struct spec *s, struct spec_gate *g, const struct ynode *n)
{
    const struct metric_row *m = g->metric ? metric_find(g->metric) : NULL;

    if (!read_bound(s, n, &g->top))
        return;
    if (!(g->top > 0) || (g->top >= 1 && floor(g->top) < g->top))
        spec_error(s, n, "gate", "top: %s: expected a share below 1, or a whole number of jobs", n->text);
    if (m && m->better == BETTER_NONE)
        spec_error(s, n, "gate", "top: of %s neither high nor low values are better", m->name);
    if (g->has_min || g->has_max || g->against)
        spec_error(s, n, "gate", "top: goes without min, max and against");
    g->low_is_best = m && m->better == BETTER_LOW;
}

void spec_read_gate(struct spec *s, struct spec_stage *st, const struct ynode *n)
{
    struct spec_gate *g = &st->gate;

    st->has_gate = true;
    if (n->type != YNODE_MAP) {
        spec_error(s, n, "gate", "expected {metric: M, min: A, max: B, on_miss: negative}");
        return;
    }
    for (size_t i = 0; i < n->n; i++) {
        const char *key = n->keys[i]->text;
        const struct ynode *v = n->items[i];

        if (strcmp(key, "metric") == 0)
            read_metric(s, g, v);
        else if (strcmp(key, "against") == 0)
            read_against(s, g, v);
        else if (strcmp(key, "min") == 0)
            g->has_min = read_bound(s, v, &g->min);
        else if (strcmp(key, "max") == 0)
            g->has_max = read_bound(s, v, &g->max);
        else if (strcmp(key, "top") == 0)
            continue; /* when all else is read */
        else if (strcmp(key, "on_miss") == 0 && v->type == YNODE_SCALAR &&
                 (strcmp(v->text, "negative") == 0 || strcmp(v->text, "fail") == 0))
            g->fail_on_miss = v->text[0] == 'f';
        else if (strcmp(key, "on_miss") == 0)
            spec_error(s, v, "gate", "on_miss: expected negative or fail");
        else
            spec_error(s, n->keys[i], "gate", "%s: unknown key%s", key,
                       spec_hint(s, cfg_nearest(NULL, 0, gate_keys, key)));
    }
    if (!ytree_get(n, "metric"))
        spec_error(s, n, "gate", "metric: missing");
    if (ytree_get(n, "top"))
        read_top(s, g, ytree_get(n, "top"));
    else if (!ytree_get(n, "min") && !ytree_get(n, "max"))
        spec_error(s, n, "gate", "min, max or top: one of them has to be given");
    if (g->has_min && g->has_max && g->min > g->max)
        spec_error(s, n, "gate", "min, %g, is above max, %g: nothing can pass", g->min, g->max);
}
