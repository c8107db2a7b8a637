/* neox_acts.c - the buffers of a pass, walked twice: to add up their size and to hand them out. */
#include "worker/neox/neox_acts.h"

#include "worker/num/rope.h"

struct walk {
    struct arena *a; /* NULL: only count */
    size_t bytes;
};

static void *take(struct walk *w, size_t n, size_t size)
{
    w->bytes += arena_need(n, size);
    return w->a ? arena_alloc(w->a, n, size) : NULL;
}

static real *reals(struct walk *w, size_t n)
{
    return take(w, n, sizeof(real));
}

static void walk_block(struct walk *w, struct neox_block_acts *k, const struct neox_cfg *c, size_t n)
{
    k->mean1 = reals(w, n);
    k->rstd1 = reals(w, n);
    k->mean2 = c->is_parallel ? k->mean1 : reals(w, n);
    k->rstd2 = c->is_parallel ? k->rstd1 : reals(w, n);
    k->qkv = reals(w, n * 3 * c->d_model);
    k->lse = reals(w, n * c->n_heads);
    k->z = reals(w, n * c->d_model);
    k->mid = c->is_parallel ? NULL : reals(w, n * c->d_model);
    k->a = reals(w, n * c->d_mlp);
}

static void walk_backward(struct walk *w, struct neox_acts *s, const struct neox_cfg *c, size_t n)
{
    s->dx = reals(w, n * c->d_model);
    s->du = reals(w, n * c->d_model);
    s->dv = reals(w, n * c->d_model);
    s->dz = reals(w, n * c->d_model);
    s->dqkv = reals(w, n * 3 * c->d_model);
    s->da = reals(w, n * c->d_mlp);
}

static void walk_shared(struct walk *w, struct neox_acts *s, const struct neox_cfg *c)
{
    const struct neox_shape *h = &s->shape;

    s->meanf = reals(w, h->n_max);
    s->rstdf = reals(w, h->n_max);
    s->y = reals(w, h->n_max * c->d_model);
    s->logprob = take(w, h->n_max, sizeof *s->logprob);
    s->row = take(w, h->n_max, sizeof *s->row);
    s->logits = reals(w, h->head_rows * c->n_vocab);
    s->rope = reals(w, h->t_max * c->n_rot);
    s->u = reals(w, h->n_max * c->d_model);
    s->g = reals(w, h->n_max * c->d_mlp);
    s->branch = reals(w, h->n_max * c->d_model);
    s->flash.h = c->n_heads;
    s->flash.e = c->d_head;
    s->flash.t_max = h->t_max;
    s->flash.scratch = reals(w, flash_scratch(h->t_max, c->d_head, h->threads));
}

static void walk(struct walk *w, struct neox_acts *s, const struct neox_cfg *c)
{
    const struct neox_shape *h = &s->shape;
    const bool is_kept = h->is_training && !h->is_checkpointed;
    const size_t n_x = h->is_training ? c->n_layers + 1 : 2;
    struct neox_block_acts once = {0};
    real *x[2] = {NULL, NULL};

    s->x = take(w, c->n_layers + 1, sizeof *s->x);
    s->block = take(w, c->n_layers, sizeof *s->block);
    for (size_t i = 0; i < n_x; i++) {
        real *at = reals(w, h->n_max * c->d_model);

        x[i % 2] = at;
        if (w->a && h->is_training)
            s->x[i] = at;
    }
    for (size_t i = 0; w->a && !h->is_training && i <= c->n_layers; i++)
        s->x[i] = x[i % 2];
    for (size_t i = 0; i < c->n_layers; i++) {
        if (is_kept || i == 0)
            walk_block(w, &once, c, h->n_max);
        if (w->a)
            s->block[i] = once;
    }
    walk_shared(w, s, c);
    if (h->is_training)
        walk_backward(w, s, c, h->n_max);
}

/* The rows of logits that are held. */
static struct neox_shape filled(const struct neox_shape *shape)
{
    struct neox_shape h = *shape;

    h.head_rows = h.head_rows ? h.head_rows : NEOX_HEAD_ROWS;
    if (h.head_rows > h.n_max)
        h.head_rows = h.n_max;
    h.threads = h.threads < 1 ? 1 : h.threads;
    return h;
}

size_t neox_acts_bytes(const struct neox_cfg *c, const struct neox_shape *shape)
{
    struct neox_acts s = {.shape = filled(shape)};
    struct walk w = {0};

    walk(&w, &s, c);
    return w.bytes;
}

void neox_acts_init(struct neox_acts *s, const struct neox_cfg *c, const struct neox_shape *shape,
                    struct arena *a)
{
    struct walk w = {.a = a};

    *s = (struct neox_acts){.shape = filled(shape)};
    walk(&w, s, c);
    rope_table(s->rope, s->shape.t_max, c->n_rot, c->rope_base);
}

double neox_flop(const struct neox_cfg *c, size_t n, size_t t, bool is_training, bool is_checkpointed)
{
    const double d = (double)c->d_model, f = (double)c->d_mlp, tokens = (double)n;
    const double block = 2 * (4 * d * d + 2 * d * f) + 2 * d * (double)t; /* scores of half the keys */
    const double blocks = tokens * block * (double)c->n_layers;
    const double head = tokens * 2 * d * (double)c->n_vocab;

    return is_training ? (is_checkpointed ? 4 : 3) * blocks + 3 * head : blocks + head;
}
