/* hypo_group.c - which conditions the hypotheses look at together; see hypo_internal.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "coordinator/hypo_internal.h"

enum { LINE_MIN = 3 };

void hypo_groups_free(struct hypo_groups *g)
{
    for (size_t i = 0; i < g->n; i++)
        free(g->v[i].member);
    free(g->v);
    *g = (struct hypo_groups){0};
}

const char *hypo_label(const struct hypo_groups *g, size_t at)
{
    for (size_t i = 0; i < g->n; i++) {
        bool is_new = true;

        for (size_t j = 0; j < i && is_new; j++)
            is_new = strcmp(g->v[j].label, g->v[i].label) != 0;
        if (is_new && at-- == 0)
            return g->v[i].label;
    }
    return NULL;
}

/* Takes over a group with room for all conditions. */
static enum err_code add(struct hypo_groups *g, size_t room, const char *label, size_t head,
                         struct hypo_group **out, struct err *e)
{
    size_t *member = malloc((room + 1) * sizeof *member);

    if (g->n == g->cap) {
        size_t cap = g->cap ? 2 * g->cap : 16;
        struct hypo_group *v = realloc(g->v, cap * sizeof *v);

        if (!v || !member) {
            free(member);
            return err_set(e, ERR_NOMEM, "hypotheses: out of memory");
        }
        g->v = v;
        g->cap = cap;
    }
    if (!member)
        return err_set(e, ERR_NOMEM, "hypotheses: out of memory");
    g->v[g->n] = (struct hypo_group){member, 0, head, label};
    *out = &g->v[g->n++];
    return ERR_OK;
}

static void drop_last(struct hypo_groups *g)
{
    free(g->v[--g->n].member);
}

static bool is_topk(const struct hypo_cond *c)
{
    return strcmp(c->arch, "topk") == 0 && c->random > 0;
}

/* --- H1, H2 ------------------------------------------------------------------------------------ */

static const char *line_key(const struct hypo_cond *c, bool over_k)
{
    return over_k ? c->but_k : c->but_d_sae;
}

static bool is_on_line(const struct hypo_cond *c, bool over_k)
{
    return is_topk(c) && isfinite(c->k) && isfinite(c->d_sae) && isfinite(over_k ? c->ev : c->erank);
}

static size_t n_values(const struct hypo_data *d, const struct hypo_group *g, bool over_k)
{
    size_t count = 0;

    for (size_t i = 0; i < g->n; i++) {
        const struct hypo_cond *a = &d->cond[g->member[i]];
        bool is_new = true;

        for (size_t j = 0; j < i && is_new; j++) {
            const struct hypo_cond *b = &d->cond[g->member[j]];

            is_new = over_k ? a->k != b->k : a->d_sae != b->d_sae;
        }
        count += is_new;
    }
    return count;
}

enum err_code hypo_lines(struct hypo_groups *g, const struct hypo_data *d, bool over_k, struct err *e)
{
    for (size_t i = 0; i < d->n_conds; i++) {
        const struct hypo_cond *c = &d->cond[i];
        struct hypo_group *line;
        bool is_known = !is_on_line(c, over_k);

        for (size_t j = 0; j < i && !is_known; j++)
            is_known = is_on_line(&d->cond[j], over_k) &&
                       strcmp(line_key(&d->cond[j], over_k), line_key(c, over_k)) == 0;
        if (is_known)
            continue;
        if (add(g, d->n_conds, c->acts, i, &line, e))
            return e->code;
        for (size_t j = i; j < d->n_conds; j++)
            if (is_on_line(&d->cond[j], over_k) &&
                strcmp(line_key(&d->cond[j], over_k), line_key(c, over_k)) == 0)
                line->member[line->n++] = j;
        if (n_values(d, line, over_k) < LINE_MIN)
            drop_last(g);
    }
    return ERR_OK;
}

/* --- H3 ---------------------------------------------------------------------------------------- */

static void sort_by_l0(const struct hypo_data *d, struct hypo_group *g)
{
    for (size_t i = 1; i < g->n; i++)
        for (size_t j = i; j > 0 && d->cond[g->member[j]].l0 < d->cond[g->member[j - 1]].l0; j--) {
            size_t t = g->member[j];

            g->member[j] = g->member[j - 1];
            g->member[j - 1] = t;
        }
}

enum err_code hypo_rivals(struct hypo_groups *g, const struct hypo_data *d, struct err *e)
{
    for (size_t i = 0; i < d->n_conds; i++) {
        const struct hypo_cond *c = &d->cond[i];
        struct hypo_group *r;

        if (is_topk(c) || strcmp(c->arch, "linear") == 0 || !isfinite(c->l0) || !isfinite(c->ev))
            continue;
        if (add(g, d->n_conds, c->arch, i, &r, e))
            return e->code;
        for (size_t j = 0; j < d->n_conds; j++)
            if (is_topk(&d->cond[j]) && isfinite(d->cond[j].l0) && isfinite(d->cond[j].ev) &&
                strcmp(d->cond[j].but_arch, c->but_arch) == 0)
                r->member[r->n++] = j;
        sort_by_l0(d, r);
        if (r->n == 0 || c->l0 < d->cond[r->member[0]].l0 || c->l0 > d->cond[r->member[r->n - 1]].l0)
            drop_last(g);
    }
    return ERR_OK;
}

/* --- H4, H5 ------------------------------------------------------------------------------------ */

enum err_code hypo_controls(struct hypo_groups *g, const struct hypo_data *d, struct err *e)
{
    struct hypo_group *all;

    if (add(g, d->n_conds, "", 0, &all, e))
        return e->code;
    for (size_t i = 0; i < d->n_conds; i++)
        if (d->cond[i].random > 0 && strcmp(d->cond[i].arch, "linear") != 0 && isfinite(d->cond[i].surrogate))
            all->member[all->n++] = i;
    if (all->n == 0)
        drop_last(g);
    else
        all->head = all->member[0];
    return ERR_OK;
}

static bool is_transfer(const struct hypo_cond *c)
{
    return is_topk(c) && c->task[0] && strcmp(c->task, "organism") != 0 && isfinite(c->k);
}

static bool task_has(const struct hypo_data *d, const char *task, const struct hypo_cond *like)
{
    for (size_t i = 0; i < d->n_conds; i++)
        if (is_transfer(&d->cond[i]) && strcmp(d->cond[i].task, task) == 0 &&
            d->cond[i].k == like->k && d->cond[i].d_sae == like->d_sae)
            return true;
    return false;
}

static bool all_tasks_have(const struct hypo_data *d, const struct hypo_cond *like)
{
    for (size_t i = 0; i < d->n_conds; i++)
        if (is_transfer(&d->cond[i]) && !task_has(d, d->cond[i].task, like))
            return false;
    return true;
}

enum err_code hypo_tasks(struct hypo_groups *g, const struct hypo_data *d, struct err *e)
{
    for (size_t i = 0; i < d->n_conds; i++) {
        struct hypo_group *task = NULL;

        if (!is_transfer(&d->cond[i]) || !all_tasks_have(d, &d->cond[i]))
            continue;
        for (size_t j = 0; j < g->n; j++)
            if (strcmp(g->v[j].label, d->cond[i].task) == 0)
                task = &g->v[j];
        if (!task && add(g, d->n_conds, d->cond[i].task, i, &task, e))
            return e->code;
        task->member[task->n++] = i;
    }
    return ERR_OK;
}
