/* lm.c - configuration, parameter rows and arena plan of the transformer; see lm.h. */
#include "worker/lm/lm.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/rng.h"

enum lm_init_kind { LM_ZERO, LM_ONE, LM_NORMAL };
enum { NAME_MAX_LEN = 48 };

struct row {
    const char *name;
    enum lm_init_kind init;
    const char *dims;
    size_t offset; /* in struct lm_block or lm_ends */
};

#define ROW_BLOCK(member, name, init, dims) {name, init, dims, offsetof(struct lm_block, member)},
#define ROW_ENDS(member, name, init, dims)  {name, init, dims, offsetof(struct lm_ends, member)},
static const struct row block_rows[] = {LM_BLOCK_ROWS(ROW_BLOCK)};
static const struct row ends_rows[] = {LM_ENDS_ROWS(ROW_ENDS)};
enum { N_BLOCK = sizeof block_rows / sizeof *block_rows };
enum { N_ENDS = sizeof ends_rows / sizeof *ends_rows };

static size_t dim(const struct lm_cfg *c, char letter)
{
    switch (letter) {
    case 'd': return c->d_model;
    case 'h': return c->n_heads;
    case 'e': return c->d_head;
    case 'f': return c->d_mlp;
    case 't': return c->n_ctx;
    default: return c->n_vocab;
    }
}

static size_t row_size(const struct lm_cfg *c, const struct row *r)
{
    size_t n = 1;

    for (const char *p = r->dims; *p; p++)
        n *= dim(c, *p);
    return n;
}

/* with what is left to the next 64-byte boundary */
static size_t row_stride(const struct lm_cfg *c, const struct row *r)
{
    return arena_need(row_size(c, r), sizeof(real)) / sizeof(real);
}

/* Sum of a size over all parameters. */
static size_t sum_rows(const struct lm_cfg *c,
                       size_t (*size)(const struct lm_cfg *c, const struct row *r))
{
    size_t n = 0;

    for (size_t i = 0; i < N_ENDS; i++)
        n += size(c, &ends_rows[i]);
    for (size_t i = 0; i < N_BLOCK; i++)
        n += c->n_layers * size(c, &block_rows[i]);
    return n;
}

size_t lm_n_weights(const struct lm_cfg *c)
{
    return sum_rows(c, row_size);
}

size_t lm_n_flat(const struct lm_cfg *c)
{
    return sum_rows(c, row_stride);
}

size_t lm_bytes(const struct lm_cfg *c, bool is_training)
{
    size_t n = N_ENDS + c->n_layers * N_BLOCK;

    return arena_need(c->n_layers, sizeof(struct lm_block)) * 2 +
           arena_need(n, sizeof(struct param)) + n * arena_need(NAME_MAX_LEN, 1) +
           arena_need(lm_n_flat(c), sizeof(real)) * (is_training ? 4 : 1);
}

/* One parameter: its row, and its pointers in the two sets. */
static void add_param(struct lm *m, const struct row *r, char *name, real **w, real **g)
{
    struct param *p = &m->param[m->n_params++];
    real **part[4] = {&p->data, &p->grad, &p->m, &p->v};

    p->name = name;
    p->n = row_size(&m->cfg, r);
    p->n_dims = (int)strlen(r->dims);
    for (int i = 0; i < p->n_dims; i++)
        p->shape[i] = (int64_t)dim(&m->cfg, r->dims[i]);
    for (int i = 0; i < 4; i++)
        *part[i] = m->flat[i] ? m->flat[i] + m->n_flat : NULL;
    m->n_flat += row_stride(&m->cfg, r);
    p->decay = true; /* as torch.optim.AdamW with one parameter group */
    *w = p->data;
    *g = p->grad;
}

static real **member(void *set, const struct row *r)
{
    return (real **)((char *)set + r->offset);
}

void lm_init(struct lm *m, const struct lm_cfg *c, bool is_training, struct arena *a)
{
    assert(c->n_heads * c->d_head == c->d_model);
    *m = (struct lm){.cfg = *c};
    m->w.block = arena_new(a, struct lm_block, c->n_layers);
    m->g.block = arena_new(a, struct lm_block, c->n_layers);
    m->param = arena_new(a, struct param, N_ENDS + c->n_layers * N_BLOCK);
    for (int i = 0; i < (is_training ? 4 : 1); i++)
        m->flat[i] = arena_new(a, real, lm_n_flat(c));
    for (size_t i = 0; i < N_ENDS; i++) {
        char *name = arena_new(a, char, NAME_MAX_LEN);

        snprintf(name, NAME_MAX_LEN, "%s", ends_rows[i].name);
        add_param(m, &ends_rows[i], name, member(&m->w.ends, &ends_rows[i]),
                  member(&m->g.ends, &ends_rows[i]));
    }
    for (size_t l = 0; l < c->n_layers; l++)
        for (size_t i = 0; i < N_BLOCK; i++) {
            char *name = arena_new(a, char, NAME_MAX_LEN);

            snprintf(name, NAME_MAX_LEN, "blocks.%zu.%s", l, block_rows[i].name);
            add_param(m, &block_rows[i], name, member(&m->w.block[l], &block_rows[i]),
                      member(&m->g.block[l], &block_rows[i]));
        }
}

void lm_randomise(struct lm *m, uint64_t seed)
{
    struct rng r = rng_stream(seed, "lm.init");
    double std = 0.8 / sqrt((double)m->cfg.d_model);

    for (size_t i = 0; i < m->n_params; i++) {
        struct param *p = &m->param[i];
        const struct row *row = i < N_ENDS ? &ends_rows[i] : &block_rows[(i - N_ENDS) % N_BLOCK];

        for (size_t j = 0; j < p->n; j++)
            p->data[j] = row->init == LM_NORMAL ? (real)(std * rng_normal(&r))
                                                : (real)(row->init == LM_ONE);
    }
}

bool lm_param_is_per_head(const struct param *p)
{
    const char *dot = strrchr(p->name, '.');

    return dot && (!strcmp(dot, ".W_Q") || !strcmp(dot, ".W_K") || !strcmp(dot, ".W_V"));
}

/* The buffers of a pass, walked twice: to add up their size and to hand them out. */
struct walk {
    struct arena *a; /* NULL: only count */
    size_t bytes;
};

static void take(struct walk *w, real **out, size_t n)
{
    if (w->a)
        *out = arena_new(w->a, real, n);
    w->bytes += arena_need(n, sizeof(real));
}

static void walk_block(struct walk *w, struct lm_block_acts *b, const struct lm_cfg *c, size_t n,
                       bool is_training)
{
    const size_t nd = n * c->d_model;

    take(w, &b->mean1, n);
    take(w, &b->rstd1, n);
    take(w, &b->mean2, n);
    take(w, &b->rstd2, n);
    take(w, &b->a1, nd);
    take(w, &b->q, nd);
    take(w, &b->k, nd);
    take(w, &b->v, nd);
    take(w, &b->z, nd);
    take(w, &b->p, n * c->n_heads * c->n_ctx);
    take(w, &b->attn_out, nd);
    take(w, &b->mid, nd);
    take(w, &b->a2, nd);
    take(w, &b->hidden, n * c->d_mlp);
    if (is_training && c->act == LM_GELU)
        take(w, &b->slope, n * c->d_mlp);
    take(w, &b->mlp_out, nd);
    take(w, &b->out, nd);
}

static void walk_acts(struct walk *w, struct lm_acts *s, const struct lm_cfg *c, size_t n,
                      size_t m, bool is_training)
{
    const size_t nd = n * c->d_model;

    take(w, &s->meanf, m);
    take(w, &s->rstdf, m);
    take(w, &s->af, m * c->d_model);
    take(w, &s->logits, m * c->n_vocab);
    if (!is_training)
        return;
    take(w, &s->dlogits, m * c->n_vocab);
    real **grads[] = {&s->dx, &s->dmid, &s->dnorm, &s->dq, &s->dk, &s->dv, &s->dz};
    for (size_t i = 0; i < sizeof grads / sizeof *grads; i++)
        take(w, grads[i], nd);
    take(w, &s->dhidden, n * c->d_mlp);
    take(w, &s->score, c->n_ctx);
}

size_t lm_acts_bytes(const struct lm_cfg *c, size_t n_max, size_t out_max, bool is_training)
{
    struct walk w = {0};
    struct lm_block_acts b = {0};
    struct lm_acts s = {0};
    size_t n = n_max > out_max ? n_max : out_max, once;

    walk_block(&w, &b, c, n, is_training);
    once = w.bytes * c->n_layers + arena_need(c->n_layers, sizeof b);
    w.bytes = 0;
    take(&w, &b.x, n * c->d_model);
    take(&w, &b.a1_sel, n * c->d_model);
    walk_acts(&w, &s, c, n, out_max, is_training);
    return once + w.bytes;
}

void lm_acts_init(struct lm_acts *s, const struct lm_cfg *c, size_t n_max, size_t out_max,
                  bool is_training, struct arena *a)
{
    struct walk w = {.a = a};
    size_t n = n_max > out_max ? n_max : out_max;
    real *a1_sel = NULL;

    *s = (struct lm_acts){.n_max = n_max, .out_max = out_max, .is_training = is_training};
    s->block = arena_new(a, struct lm_block_acts, c->n_layers);
    for (size_t l = 0; l < c->n_layers; l++)
        walk_block(&w, &s->block[l], c, n, is_training);
    take(&w, &s->block[0].x, n * c->d_model);
    take(&w, &a1_sel, n * c->d_model);
    for (size_t l = 0; l < c->n_layers; l++) {
        s->block[l].a1_sel = a1_sel; /* used by the last block that is run only */
        if (l > 0)
            s->block[l].x = s->block[l - 1].out;
    }
    walk_acts(&w, s, c, n, out_max, is_training);
}

double lm_step_flop(const struct lm_cfg *c, size_t n, size_t n_out)
{
    const double d = (double)c->d_model, f = (double)c->d_mlp;
    const double kv = 4 * d * d, rest = 4 * d * d + 4 * d * f; /* a token, forward */
    const double last = (double)n * kv + (double)n_out * rest;
    const double unembed = 2 * (double)n_out * d * (double)c->n_vocab;

    return 3 * ((double)(c->n_layers - 1) * (double)n * (kv + rest) + last + unembed);
}
