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

/* Numbers of rows: float32 always. */
static void walk_rows(struct walk *w, struct neox_block_acts *k, const struct neox_cfg *c, size_t n)
{
    k->mean1 = reals(w, n);
    k->rstd1 = reals(w, n);
    k->mean2 = c->is_parallel ? k->mean1 : reals(w, n);
    k->rstd2 = c->is_parallel ? k->rstd1 : reals(w, n);
    k->lse = reals(w, n * c->n_heads);
}

static void walk_half(struct walk *w, struct neox_block_half *h, const struct neox_cfg *c, size_t n,
                      bool is_kept)
{
    const size_t size = sizeof(uint16_t);

    h->x = take(w, n * c->d_model, size);
    if (!is_kept)
        return;
    h->qkv = take(w, n * 3 * c->d_model, size);
    h->z = take(w, n * c->d_model, size);
    h->mid = c->is_parallel ? NULL : take(w, n * c->d_model, size);
    h->a = take(w, n * c->d_mlp, size);
}

static void walk_block(struct walk *w, struct neox_block_acts *k, const struct neox_cfg *c, size_t n)
{
    walk_rows(w, k, c, n);
    k->qkv = reals(w, n * 3 * c->d_model);
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
    s->linear.room = h->is_bf16 ? take(w, linear_room(h->threads), sizeof *s->linear.room) : NULL;
}

/* The streams: all of them, or two in turn. */
static void walk_streams(struct walk *w, struct neox_acts *s, const struct neox_cfg *c, bool all)
{
    real *x[2] = {NULL, NULL};

    for (size_t i = 0; i <= c->n_layers; i++) {
        if (all || i < 2)
            x[i % 2] = reals(w, s->shape.n_max * c->d_model);
        if (w->a)
            s->x[i] = x[i % 2];
    }
}

static void walk_blocks(struct walk *w, struct neox_acts *s, const struct neox_cfg *c)
{
    const struct neox_shape *h = &s->shape;
    const bool is_kept = h->is_training && !h->is_checkpointed;
    struct neox_block_acts once = {0};

    for (size_t i = 0; i < c->n_layers; i++) {
        struct neox_block_half half = {0};

        if (i == 0 || (is_kept && !h->is_half))
            walk_block(w, &once, c, h->n_max);
        else if (is_kept)
            walk_rows(w, &once, c, h->n_max);
        if (h->is_half)
            walk_half(w, &half, c, h->n_max, is_kept);
        if (w->a)
            s->block[i] = once;
        if (w->a && h->is_half)
            s->half[i] = half;
    }
}

static void walk(struct walk *w, struct neox_acts *s, const struct neox_cfg *c)
{
    const struct neox_shape *h = &s->shape;

    s->x = take(w, c->n_layers + 1, sizeof *s->x);
    s->block = take(w, c->n_layers, sizeof *s->block);
    s->half = h->is_half ? take(w, c->n_layers, sizeof *s->half) : NULL;
    walk_streams(w, s, c, h->is_training && !h->is_half);
    walk_blocks(w, s, c);
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
    h.is_half = h.is_half && h.is_training;
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
