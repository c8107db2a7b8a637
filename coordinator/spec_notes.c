/* spec_notes.c - `checks:` and `recorded:` of a sweep: what expect.c and recorded.c read later, checked now. */
#include <string.h>

#include "coordinator/point.h"
#include "coordinator/spec_internal.h"

static const char *const check_keys[] = {"claim", "of", "metric", "minus", "matched", "min", "max", "falls_with",
                                         "rises_with", "spread_min", "spread_max", "hypothesis", NULL};
static const char *const record_keys[] = {"table", "of", "metric", "minus", "value", "low", "high", "within", "trap",
                                          "source", NULL};
static const char *const rules[] = {"min", "max", "falls_with", "rises_with", "spread_min", "spread_max"};
static const char *const numbers[] = {"min", "max", "spread_min", "spread_max", "value", "low", "high", "within"};

static void check_ref(struct spec *s, const struct ynode *n, const char *where, const char *key)
{
    struct point_ref ref;

    if (n->type != YNODE_SCALAR || !point_ref_read(&s->detail->pool, n->text, &ref))
        spec_error(s, n, where, "%s: expected $stage or $stage{axis: value}", key);
    else if (spec_find_stage(s, ref.stage) < 0)
        spec_error(s, n, where, "%s: there is no stage %s%s", key, ref.stage,
                   spec_hint(s, spec_nearest_stage(s, ref.stage)));
}

static void check_metric(struct spec *s, const struct ynode *n, const char *where, const char *key)
{
    if (n->type != YNODE_SCALAR || !metric_find(n->text))
        spec_error(s, n, where, "%s: %s is not a metric", key, n->type == YNODE_SCALAR ? n->text : "a list");
}

static void check_pair(struct spec *s, const struct ynode *key, const struct ynode *v, const char *where)
{
    static const struct cfg_field number = {.type = CFG_F64, .name = "number", .deflt = "0"};
    const char *k = key->text;

    if (v->type != YNODE_SCALAR) {
        spec_error(s, v, where, "%s: expected a single value", k);
        return;
    }
    if (!strcmp(k, "of") || (!strcmp(k, "minus") && v->text[0] == '$'))
        check_ref(s, v, where, k);
    else if (!strcmp(k, "metric") || !strcmp(k, "minus") || !strcmp(k, "matched"))
        check_metric(s, v, where, k);
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        if (!strcmp(k, numbers[i]))
            spec_canon(s, v, where, &number);
}

static bool has_rule(const struct ynode *n)
{
    for (size_t i = 0; i < ARRAY_LEN(rules); i++)
        if (ytree_get(n, rules[i]))
            return true;
    return false;
}

static void read_one(struct spec *s, const struct ynode *n, const char *where, const char *const *keys)
{
    bool is_check = keys == check_keys;

    if (n->type != YNODE_MAP) {
        spec_error(s, n, where, "expected {of: $stage, metric: M, ...}");
        return;
    }
    for (size_t i = 0; i < n->n; i++) {
        bool is_known = false;

        for (const char *const *k = keys; *k && !is_known; k++)
            is_known = strcmp(*k, n->keys[i]->text) == 0;
        if (is_known)
            check_pair(s, n->keys[i], n->items[i], where);
        else
            spec_error(s, n->keys[i], where, "%s: unknown key%s", n->keys[i]->text,
                       spec_hint(s, cfg_nearest(NULL, 0, keys, n->keys[i]->text)));
    }
    if (is_check && ytree_get(n, "hypothesis"))
        return;
    for (size_t i = 0; i < 2; i++)
        if (!ytree_get(n, i ? "metric" : "of"))
            spec_error(s, n, where, "%s: missing", i ? "metric" : "of");
    if (is_check && !has_rule(n))
        spec_error(s, n, where, "min, max, falls_with, rises_with, spread_min or spread_max: one of them has to be given");
    if (!is_check && (!ytree_get(n, "value") || !ytree_get(n, "within") || !ytree_get(n, "source")))
        spec_error(s, n, where, "value, within and source have to be given");
}

static void read_list(struct spec *s, const char *where, const char *const *keys)
{
    const struct ynode *n = ytree_get(s->detail->root, where);

    if (n && n->type != YNODE_LIST)
        spec_error(s, n, where, "expected a list");
    for (size_t i = 0; n && n->type == YNODE_LIST && i < n->n; i++)
        read_one(s, n->items[i], where, keys);
}

void spec_read_notes(struct spec *s)
{
    read_list(s, "checks", check_keys);
    read_list(s, "recorded", record_keys);
}
