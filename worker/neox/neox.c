/* neox.c - configuration, parameter rows and initialisation; see neox.h. */
#include "worker/neox/neox.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/rng.h"
#include "worker/nn/half.h"

struct row {
    const char *name;
    enum neox_init_kind init;
    const char *dims;
    size_t offset; /* in struct neox_block or neox_ends */
};

#define ROW_BLOCK(member, name, init, dims) {name, init, dims, offsetof(struct neox_block, member)},
#define ROW_ENDS(member, name, init, dims)  {name, init, dims, offsetof(struct neox_ends, member)},
static const struct row block_rows[] = {NEOX_BLOCK_ROWS(ROW_BLOCK)};
static const struct row ends_rows[] = {NEOX_ENDS_ROWS(ROW_ENDS)};
enum { N_BLOCK = sizeof block_rows / sizeof *block_rows };
enum { N_ENDS = sizeof ends_rows / sizeof *ends_rows };

static size_t dim(const struct neox_cfg *c, char letter)
{
    switch (letter) {
    case 'd': return c->d_model;
    case 'q': return 3 * c->d_model;
    case 'f': return c->d_mlp;
    default: return c->n_vocab;
    }
}

static bool is_absent(const struct neox_cfg *c, const struct row *r)
{
    if (!strncmp(r->name, "attention.", 10) && strlen(r->dims) == 1)
        return !c->has_attn_bias;
    return !strcmp(r->name, "embed_out.weight") && c->is_tied;
}

static size_t block_count(const struct neox_cfg *c)
{
    return N_BLOCK - (c->has_attn_bias ? 0 : 2);
}

size_t neox_n_rows(const struct neox_cfg *c)
{
    return N_ENDS - (c->is_tied ? 1 : 0) + c->n_layers * block_count(c);
}

/* The i-th of a list that is there. */
static const struct row *present(const struct neox_cfg *c, const struct row *list, size_t i)
{
    for (const struct row *r = list;; r++) {
        if (is_absent(c, r))
            continue;
        if (i-- == 0)
            return r;
    }
}

void neox_row(struct neox_row *out, const struct neox_cfg *c, size_t i)
{
    const size_t each = block_count(c), n_blocks = each * c->n_layers;
    const struct row *r;

    assert(i < neox_n_rows(c));
    *out = (struct neox_row){.layer = -1};
    if (i >= 1 && i < 1 + n_blocks) {
        out->layer = (ptrdiff_t)((i - 1) / each);
        r = present(c, block_rows, (i - 1) % each);
        snprintf(out->name, sizeof out->name, "gpt_neox.layers.%td.%s", out->layer, r->name);
    } else {
        r = &ends_rows[i ? i - n_blocks : 0]; /* the last one is the one that may be absent */
        snprintf(out->name, sizeof out->name, "%s", r->name);
    }
    out->init = r->init;
    out->member = r->offset;
    out->n_dims = (int)strlen(r->dims);
    out->n = 1;
    for (int k = 0; k < out->n_dims; k++)
        out->n *= out->shape[k] = dim(c, r->dims[k]);
}

size_t neox_n_weights(const struct neox_cfg *c)
{
    struct neox_row r;
    size_t n = 0;

    for (size_t i = 0; i < neox_n_rows(c); i++) {
        neox_row(&r, c, i);
        n += r.n;
    }
    return n;
}

enum err_code neox_cfg_check(const struct neox_cfg *c, struct err *e)
{
    const struct {
        const char *name;
        size_t value, max;
    } row[] = {{"num_hidden_layers", c->n_layers, 1 << 10},
               {"hidden_size", c->d_model, 1 << 17},
               {"num_attention_heads", c->n_heads, 1 << 12},
               {"intermediate_size", c->d_mlp, 1 << 20},
               {"vocab_size", c->n_vocab, 1 << 24}};

    for (size_t i = 0; i < ARRAY_LEN(row); i++)
        if (row[i].value < 1 || row[i].value > row[i].max)
            return err_set(e, ERR_INVALID, "%s: %zu is outside [1, %zu]", row[i].name, row[i].value,
                           row[i].max);
    if (c->d_model % c->n_heads)
        return err_set(e, ERR_INVALID, "num_attention_heads: %zu does not divide hidden_size, %zu",
                       c->n_heads, c->d_model);
    if (c->n_rot > c->d_head || c->n_rot % 2)
        return err_set(e, ERR_INVALID,
                       "rotary_pct: %zu rotary dimensions of a head of %zu: must be even and no more",
                       c->n_rot, c->d_head);
    if (!(c->rope_base > 0) || !isfinite(c->rope_base))
        return err_set(e, ERR_INVALID, "rotary_emb_base: %g is not positive", c->rope_base);
    if (!(c->ln_eps > 0) || !(c->ln_eps < 1))
        return err_set(e, ERR_INVALID, "layer_norm_eps: %g is outside (0, 1)", c->ln_eps);
    return ERR_OK;
}

void neox_decay_matrices(struct neox *m)
{
    for (size_t i = 0; i < m->n_params; i++)
        m->param[i].decay = m->param[i].n_dims > 1;
}

double neox_init_std(const struct neox_cfg *c, enum neox_init_kind kind)
{
    double d = (double)c->d_model;

    return kind == NEOX_OUT ? 2 / ((double)c->n_layers * sqrt(d)) : sqrt(2 / (5 * d));
}

void neox_randomise(struct neox *m, uint64_t seed)
{
    for (size_t i = 0; i < m->n_params; i++) {
        struct param *p = &m->param[i];
        char stream[NEOX_NAME_MAX + 16];
        struct neox_row r;
        struct rng rng;
        double std;

        neox_row(&r, &m->cfg, i);
        snprintf(stream, sizeof stream, "neox.init.%s", r.name);
        rng = rng_stream(seed, stream);
        std = neox_init_std(&m->cfg, r.init);
        for (size_t j = 0; j < p->n; j++) {
            real x = r.init == NEOX_ZERO ? 0 : r.init == NEOX_ONE ? 1 : (real)(std * rng_normal(&rng));

            if (p->data16)
                p->data16[j] = bf16_of_f32((float)x);
            else
                p->data[j] = x;
        }
    }
}
