/* spec_prefix.c - `include: [{file: F, as: P}]`: the stages of a file under names of their own.
 *
 * Stage s becomes P_s, and so does every place that names it: references, full names of axes in
 * `over`, `when`, `exclude` and selections, and `against` of a gate.
 */
#include <string.h>

#include "coordinator/spec_internal.h"

#define NAME_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"

struct prefix {
    struct spec *s;
    const struct ynode *stages;
    const char *text;
};

static bool is_stage(const struct prefix *p, const char *name, size_t len)
{
    for (size_t i = 0; i < p->stages->n; i++)
        if (strlen(p->stages->keys[i]->text) == len && !memcmp(p->stages->keys[i]->text, name, len))
            return true;
    return false;
}

/* `text` with the prefix before each stage whose name a '.' follows and, at the place `at`, before
 * the stage that is named there. */
static const char *renamed(const struct prefix *p, const char *text, size_t at)
{
    struct buf out = {0};
    const char *end;

    for (const char *c = text; *c;) {
        size_t len = strspn(c, NAME_CHARS);

        if (len == 0) {
            buf_char(&out, *c++);
            continue;
        }
        if (((size_t)(c - text) == at || c[len] == '.') && is_stage(p, c, len))
            buf_fmt(&out, "%s_", p->text);
        buf_add(&out, c, len);
        c += len;
    }
    end = pool_strn(&p->s->detail->pool, out.data ? out.data : "", out.len);
    buf_free(&out);
    return end;
}

/* Keys and values that name axes in full. */
static void rename_axes(const struct prefix *p, struct ynode *n)
{
    if (n->type == YNODE_SCALAR)
        n->text = renamed(p, n->text, SIZE_MAX);
    for (size_t i = 0; i < n->n; i++) {
        if (n->keys)
            n->keys[i]->text = renamed(p, n->keys[i]->text, SIZE_MAX);
        else
            rename_axes(p, n->items[i]);
    }
}

static void rename_refs(const struct prefix *p, struct ynode *n)
{
    if (n->type == YNODE_SCALAR && n->text[0] == '$')
        n->text = renamed(p, n->text, 1);
    for (size_t i = 0; i < n->n; i++)
        rename_refs(p, n->items[i]);
}

static void rename_stage(const struct prefix *p, struct ynode *stage)
{
    static const char *const axes[] = {"over", "when", "exclude"};
    struct ynode *against = ytree_get(ytree_get(stage, "gate"), "against");

    rename_refs(p, stage);
    for (size_t i = 0; i < ARRAY_LEN(axes); i++) {
        struct ynode *n = ytree_get(stage, axes[i]);

        if (n)
            rename_axes(p, n);
    }
    if (against && against->type == YNODE_SCALAR)
        against->text = renamed(p, against->text, 0);
}

void spec_prefix(struct spec *s, struct ynode *stages, struct ynode *checks, const char *prefix)
{
    const struct prefix p = {s, stages, prefix};

    for (size_t i = 0; i < stages->n; i++)
        if (stages->items[i]->type == YNODE_MAP)
            rename_stage(&p, stages->items[i]);
    rename_refs(&p, checks);
    for (size_t i = 0; i < stages->n; i++) {
        struct buf name = {0};

        buf_fmt(&name, "%s_%s", prefix, stages->keys[i]->text);
        stages->keys[i]->text = pool_strn(&s->detail->pool, name.data, name.len);
        buf_free(&name);
    }
}
