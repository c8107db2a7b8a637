/* sae_work.c - the memory of a batch: one walk both plans and hands out. */
#include "worker/num/columns.h"
#include "worker/num/panel.h"
#include "worker/sae/arch.h"

enum { TILE = 96, PULL_TILE = 64 }; /* rows whose pre-activations are in cache together */
enum { LIST_SHARE = 6 }; /* lists hold 1/6 of all activations; beyond, dense products are faster */

struct taker {
    struct arena *a; /* NULL: sums only */
    size_t bytes;
};

static void *take(struct taker *t, size_t n, size_t size)
{
    t->bytes += arena_need(n, size);
    return t->a ? arena_alloc(t->a, n, size) : NULL;
}

#define TAKE(member, n) ((member) = take(t, (n), sizeof *(member)))

static size_t most(size_t a, size_t b)
{
    return a > b ? a : b;
}

static void take_lists(struct sae_work *w, const struct sae_cfg *cfg, struct taker *t)
{
    const struct sae_arch *arch = cfg->arch;
    bool has_lists = arch->has_relu || arch->select != SAE_SELECT_EACH;
    bool is_rows = arch->select == SAE_SELECT_ROW;
    size_t long_side = most(cfg->f, w->n_max), f = has_lists ? cfg->f : 0;

    w->cap = !has_lists ? 0 : w->n_max * (arch->select == SAE_SELECT_EACH ? cfg->f : cfg->k);
    if (has_lists && arch->select == SAE_SELECT_EACH)
        w->cap = most(w->cap / LIST_SHARE, 64);
    TAKE(w->row_at, has_lists ? w->n_max + 1 : 0);
    TAKE(w->idx, w->cap);
    TAKE(w->val, w->cap);
    TAKE(w->at, has_lists ? f + 1 : 0);
    TAKE(w->row, w->cap);
    TAKE(w->by_f, w->cap);
    TAKE(w->topk.bound, f);
    TAKE(w->topk.key, is_rows                              ? f + TOPK_SLACK
                      : arch->select == SAE_SELECT_BATCH ? most(f, KTH_SCRATCH)
                                                         : 0);
    TAKE(w->topk.cand, has_lists ? (is_rows ? cfg->f : long_side) + TOPK_SLACK : 0);
}

/* The product in bfloat16 itself: rows of u meet the encoder, or features a layout of u. */
static void take_bf16(struct sae_work *w, const struct sae_cfg *cfg, struct taker *t)
{
    bool is_rows = cfg->arch->select == SAE_SELECT_ROW;
    size_t packed = is_rows ? cfg->f : w->n_max;

    TAKE(w->brief.pairs, bf16_len(packed, cfg->d));
    TAKE(w->brief.norm, packed);
    TAKE(w->brief.row, is_rows ? w->n_tile : cfg->f);
}

static void take_brief(struct sae_work *w, const struct sae_cfg *cfg, struct taker *t)
{
    struct shortlist *b = &w->brief;
    bool is_there = cfg->arch->select == SAE_SELECT_ROW && !cfg->is_bf16 &&
                    shortlist_is_there(cfg->f, cfg->d, cfg->k);
    bool has_brief = is_there && bf16_is_there();
    size_t f = is_there ? cfg->f : 0, slack = is_there ? TOPK_SLACK : 0;

    w->has_list = is_there;
    w->has_brief = has_brief;
    TAKE(b->pairs, has_brief ? bf16_len(f, cfg->d) : 0);
    TAKE(b->norm, f);
    TAKE(b->row, is_there ? w->n_tile : 0);
    TAKE(b->reach, f);
    TAKE(b->up, f);
    TAKE(b->lo, f);
    TAKE(b->value, f + slack);
    TAKE(b->cand, f + slack);
}

static void take_parts(struct sae_work *w, const struct sae_cfg *cfg, struct taker *t)
{
    const struct sae_arch *arch = cfg->arch;
    bool has_aux = cfg->aux.alpha > 0;
    size_t o = sae_out(cfg), rows = w->n_max * o, n_aux;
    bool has_second = has_aux || arch->has_gate;

    w->aux_stride = !has_aux ? 0 : cfg->aux.k ? cfg->aux.k : most(cfg->d / 2, 1);
    w->aux_stride = w->aux_stride < cfg->f ? w->aux_stride : cfg->f;
    n_aux = w->n_max * w->aux_stride;
    TAKE(w->xhat_aux, arch->has_gate ? rows : 0);
    TAKE(w->g_aux, has_second ? rows : 0);
    TAKE(w->prefix_g, arch->is_nested ? cfg->prefixes.n * rows : 0);
    TAKE(w->pair_n, cfg->jacobian > 0 ? cfg->f : 0);
    TAKE(w->pair_id, cfg->jacobian > 0 ? cfg->f : 0);
    TAKE(w->dead, has_aux ? cfg->f : 0);
    TAKE(w->aux_z, has_aux ? cfg->f : 0);
    TAKE(w->aux_at, has_aux ? cfg->f + 1 : 0);
    TAKE(w->aux_n, has_aux ? w->n_max : 0);
    TAKE(w->aux_idx, n_aux);
    TAKE(w->aux_val, n_aux);
    TAKE(w->aux_row, n_aux);
    TAKE(w->aux_by_f, n_aux);
    TAKE(w->pull_c, PULL_TILE * cfg->n_ref);
    TAKE(w->pull_cos, cfg->n_ref > 0 ? cfg->f : 0);
    TAKE(w->back_cos, cfg->n_ref);
    TAKE(w->back, cfg->n_ref);
}

static void lay_out(struct sae_work *w, const struct sae_cfg *cfg, struct taker *t)
{
    const struct sae_arch *arch = cfg->arch;
    bool is_rows = arch->select == SAE_SELECT_ROW;
    size_t block = w->n_max * (is_rows ? 1 : cfg->f < SAE_BLOCK_F ? cfg->f : SAE_BLOCK_F);
    size_t rows = w->n_max * sae_out(cfg);

    w->n_tile = TILE < w->n_max ? TILE : w->n_max;
    TAKE(w->xhat, rows);
    TAKE(w->g, rows);
    TAKE(w->u, arch->is_centred ? w->n_max * cfg->d : 0);
    TAKE(w->z, (is_rows ? w->n_tile : w->n_max) * cfg->f);
    TAKE(w->panel, is_rows ? panel_len(cfg->f, cfg->d) : 0);
    TAKE(w->block[0], block);
    TAKE(w->block[1], block);
    TAKE(w->block[2], arch->has_gate ? block : 0);
    TAKE(w->dz_sum, cfg->f);
    TAKE(w->fired, cfg->f);
    TAKE(w->peak, cfg->f);
    TAKE(w->db_dec, most(cfg->d, sae_out(cfg)));
    take_lists(w, cfg, t);
    if (cfg->is_bf16)
        take_bf16(w, cfg, t);
    else
        take_brief(w, cfg, t);
    take_parts(w, cfg, t);
}

size_t sae_work_bytes(const struct sae_cfg *cfg, size_t n_max)
{
    struct sae_work w = {.n_max = n_max};
    struct taker t = {NULL, 0};

    lay_out(&w, cfg, &t);
    return t.bytes;
}

void sae_work_new(struct sae_work *w, const struct sae_cfg *cfg, size_t n_max, struct arena *a)
{
    struct taker t = {a, 0};

    *w = (struct sae_work){.n_max = n_max};
    lay_out(w, cfg, &t);
}
