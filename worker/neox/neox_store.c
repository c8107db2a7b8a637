/* neox_store.c - where the numbers of a model lie, and the passes' view of those in bfloat16.
 *
 * A row of a part lies in flat (float32), in half (bfloat16 matrices) or, gradients of a lean
 * training, in memory that all blocks share.  Views are made a block at a time: the widened matrices
 * of a whole model would be the memory that was to be saved.
 */
#include <assert.h>
#include <string.h>

#include "worker/neox/neox.h"
#include "worker/nn/half.h"
#include "worker/num/isa.h"
#include "worker/num/par.h"

enum { GRAIN = 16384 };

enum place { FLAT, HALF, SHARED };

static enum place place_of(const struct neox_row *r, const struct neox_store *s, enum neox_part part)
{
    if (r->n_dims == 1)
        return FLAT;
    if (part == NEOX_GRADS)
        return s->grads_block ? SHARED : FLAT;
    return (part == NEOX_WEIGHTS ? s->weights16 : s->moments16) ? HALF : FLAT;
}

/* with what is left to the next 64-byte boundary */
static size_t stride(size_t n, size_t size)
{
    return arena_need(n, size) / size;
}

size_t neox_n_part(const struct neox_cfg *c, const struct neox_store *s, enum neox_part part)
{
    struct neox_row r;
    size_t n = 0;

    for (size_t i = 0; i < neox_n_rows(c); i++) {
        neox_row(&r, c, i);
        if (place_of(&r, s, part) == FLAT)
            n += stride(r.n, sizeof(real));
    }
    return n;
}

size_t neox_n_flat(const struct neox_cfg *c)
{
    return neox_n_part(c, &(struct neox_store){0}, NEOX_WEIGHTS);
}

size_t neox_n_half(const struct neox_cfg *c)
{
    struct neox_row r;
    size_t n = 0;

    for (size_t i = 0; i < neox_n_rows(c); i++) {
        neox_row(&r, c, i);
        if (r.n_dims > 1)
            n += stride(r.n, sizeof(uint16_t));
    }
    return n;
}

/* Where a matrix begins among those of its block; those of the ends begin at 0.  Of all: the sum. */
static size_t block_offset(const struct neox_cfg *c, size_t member)
{
    struct neox_row r;
    size_t at = 0;

    for (size_t i = 1; i < neox_n_rows(c); i++) {
        neox_row(&r, c, i);
        if (r.layer != 0 || r.member == member)
            break;
        if (r.n_dims > 1)
            at += stride(r.n, sizeof(real));
    }
    return at;
}

static size_t embedding_len(const struct neox_cfg *c)
{
    return stride(c->n_vocab * c->d_model, sizeof(real));
}

size_t neox_n_wide(const struct neox_cfg *c)
{
    size_t block = block_offset(c, SIZE_MAX), ends = embedding_len(c);

    return block > ends ? block : ends;
}

/* A tied embedding's gradient begins at the head and ends behind the last block. */
size_t neox_n_shared(const struct neox_cfg *c)
{
    return c->is_tied ? block_offset(c, SIZE_MAX) + embedding_len(c) : neox_n_wide(c);
}

static bool has_view(const struct neox_store *s)
{
    return s->weights16 || s->is_master;
}

size_t neox_bytes_stored(const struct neox_cfg *c, const struct neox_store *s)
{
    const size_t n = neox_n_rows(c), half = arena_need(neox_n_half(c), sizeof(uint16_t));
    size_t bytes = 2 * arena_need(c->n_layers, sizeof(struct neox_block)) +
                   arena_need(n, sizeof(struct param)) + arena_need(n, NEOX_NAME_MAX);

    for (int k = 0; k < NEOX_PARTS; k++)
        bytes += arena_need(neox_n_part(c, s, (enum neox_part)k), sizeof(real));
    bytes += (s->weights16 ? half : 0) + (s->moments16 ? 2 * half : 0);
    bytes += has_view(s) ? arena_need(neox_n_wide(c), sizeof(real)) : 0;
    return bytes + (s->grads_block ? arena_need(neox_n_shared(c), sizeof(real)) : 0);
}

size_t neox_bytes(const struct neox_cfg *c, bool is_training)
{
    const size_t all = neox_bytes_stored(c, &(struct neox_store){0});

    return is_training ? all : all - 3 * arena_need(neox_n_flat(c), sizeof(real));
}

struct placing {
    struct neox *m;
    real *shared;               /* gradients of matrices, or NULL */
    size_t n_part[NEOX_PARTS], n_half; /* handed out so far */
    char *name;
};

static real *shared_gradient(const struct placing *p, const struct neox_row *r)
{
    const struct neox_cfg *c = &p->m->cfg;

    if (r->layer >= 0)
        return p->shared + block_offset(c, r->member);
    return p->shared + (c->is_tied ? block_offset(c, SIZE_MAX) : 0);
}

static void place_row(struct placing *a, const struct neox_row *r)
{
    struct neox *m = a->m;
    struct param *p = &m->param[m->n_params++];
    real **whole[NEOX_PARTS] = {&p->data, &p->grad, &p->m, &p->v};
    uint16_t **half[NEOX_PARTS] = {&p->data16, NULL, &p->m16, &p->v16};

    memcpy(a->name, r->name, NEOX_NAME_MAX);
    *p = (struct param){.name = a->name, .n = r->n, .n_dims = r->n_dims, .decay = true};
    a->name += NEOX_NAME_MAX;
    for (int i = 0; i < r->n_dims; i++)
        p->shape[i] = (int64_t)r->shape[i];
    for (int k = 0; k < NEOX_PARTS; k++) {
        enum place place = place_of(r, &m->store, (enum neox_part)k);

        if (place == FLAT && m->flat[k]) {
            *whole[k] = m->flat[k] + a->n_part[k];
            a->n_part[k] += stride(r->n, sizeof(real));
        } else if (place == HALF)
            *half[k] = m->half[k] + a->n_half;
        else if (place == SHARED)
            *whole[k] = shared_gradient(a, r);
    }
    a->n_half += r->n_dims > 1 ? stride(r->n, sizeof(uint16_t)) : 0;
}

/* What the passes read and write. */
static void show_row(struct neox *m, const struct param *p, const struct neox_row *r)
{
    void *w = r->layer < 0 ? (void *)&m->w.ends : (void *)&m->w.block[r->layer];
    void *g = r->layer < 0 ? (void *)&m->g.ends : (void *)&m->g.block[r->layer];
    real *seen = p->data;

    if (m->wide && r->n_dims > 1)
        seen = m->wide + (r->layer < 0 ? 0 : block_offset(&m->cfg, r->member));
    memcpy((char *)w + r->member, &seen, sizeof seen);
    memcpy((char *)g + r->member, &p->grad, sizeof p->grad);
}

static void take_parts(struct neox *m, const struct neox_store *s, bool is_training, struct arena *a)
{
    const bool half[NEOX_PARTS] = {s->weights16, false, s->moments16, s->moments16};

    m->n_flat = neox_n_flat(&m->cfg);
    m->n_half = neox_n_half(&m->cfg);
    for (int k = 0; k < (is_training ? NEOX_PARTS : 1); k++) {
        m->n_part[k] = neox_n_part(&m->cfg, s, (enum neox_part)k);
        m->flat[k] = arena_new(a, real, m->n_part[k]);
        m->half[k] = half[k] ? arena_new(a, uint16_t, m->n_half) : NULL;
    }
    m->wide = has_view(s) ? arena_new(a, real, neox_n_wide(&m->cfg)) : NULL;
}

static void init(struct neox *m, const struct neox_cfg *c, const struct neox_store *s, bool is_training,
                 struct arena *a)
{
    const size_t n = neox_n_rows(c);
    struct placing p = {.m = m};

    *m = (struct neox){.cfg = *c, .store = *s};
    m->w.block = arena_new(a, struct neox_block, c->n_layers);
    m->g.block = arena_new(a, struct neox_block, c->n_layers);
    m->param = arena_new(a, struct param, n);
    p.name = arena_alloc(a, n, NEOX_NAME_MAX);
    take_parts(m, s, is_training, a);
    p.shared = s->grads_block ? arena_new(a, real, neox_n_shared(c)) : NULL;
    for (size_t i = 0; i < n; i++) {
        struct neox_row r;

        neox_row(&r, c, i);
        place_row(&p, &r);
        show_row(m, &m->param[i], &r);
    }
    if (c->is_tied) {
        m->w.ends.w_u = m->w.ends.w_e;
        m->g.ends.w_u = m->g.ends.w_e;
    }
}

void neox_init(struct neox *m, const struct neox_cfg *c, bool is_training, struct arena *a)
{
    init(m, c, &(struct neox_store){0}, is_training, a);
}

void neox_init_stored(struct neox *m, const struct neox_cfg *c, const struct neox_store *s,
                      struct arena *a)
{
    assert(!(s->weights16 && s->is_master));
    init(m, c, s, true, a);
}

/* --- views --------------------------------------------------------------------------------------- */

struct view {
    real *to;
    const uint16_t *half;
    const real *whole;
};

ISA_CLONES static void widen(real *restrict to, const uint16_t *restrict x, size_t n)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        to[i] = (real)f32_of_bf16(x[i]);
}

ISA_CLONES static void round_to_half(real *restrict to, const real *restrict x, size_t n)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        to[i] = (real)f32_of_bf16(bf16_of_f32((float)x[i]));
}

static void view_part(void *ctx, size_t from, size_t to)
{
    const struct view *v = ctx;

    if (v->half)
        widen(v->to + from, v->half + from, to - from);
    else
        round_to_half(v->to + from, v->whole + from, to - from);
}

static void view(const struct param *p, real *to, size_t at, size_t n)
{
    struct view v = {to, p->data16 ? p->data16 + at : NULL, p->data ? p->data + at : NULL};

    par_rows(n, GRAIN, view_part, &v);
}

void neox_view_block(const struct neox *m, size_t l)
{
    const size_t each = (m->n_params - (m->cfg.is_tied ? 3 : 4)) / m->cfg.n_layers;
    real *to = m->wide;

    for (size_t i = 0; i < each && m->wide; i++) {
        const struct param *p = &m->param[1 + l * each + i];

        if (p->n_dims == 1)
            continue;
        view(p, to, 0, p->n);
        to += stride(p->n, sizeof(real));
    }
}

void neox_view_head(const struct neox *m)
{
    const struct param *p = &m->param[m->cfg.is_tied ? 0 : m->n_params - 1];

    if (m->wide)
        view(p, m->wide, 0, p->n);
}

void neox_view_embedding(const struct neox *m, real *to, size_t id)
{
    const size_t d = m->cfg.d_model;

    if (m->wide)
        view(&m->param[0], to, id * d, d);
    else
        memcpy(to, m->w.ends.w_e + id * d, d * sizeof(real));
}
