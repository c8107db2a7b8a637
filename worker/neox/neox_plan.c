/* neox_plan.c - see neox_plan.h. */
#include "worker/neox/neox_plan.h"

#include <unistd.h>

#define GIB ((double)(1 << 30))

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t head_rows(const struct neox_shape *s)
{
    return least(s->head_rows ? s->head_rows : NEOX_HEAD_ROWS, s->n_max);
}

/* OpenBLAS copies up to PART terms of the longer operand of a product whole, and a little for each thread
 * (measured with its Haswell and SkylakeX kernels); the largest is the gradient of the unembedding. */
size_t neox_library_bytes(const struct neox_cfg *c, const struct neox_shape *s)
{
    enum { PART = 384, THREAD = 1 << 20 };
    const size_t threads = s->threads < 1 ? 1 : (size_t)s->threads, wide = c->d_mlp > 3 * c->d_model ? c->d_mlp : 3 * c->d_model;
    const size_t block = wide * least(s->n_max, PART), head = c->n_vocab * least(head_rows(s), PART);

    return threads * THREAD + (s->is_training && !s->is_bf16 ? sizeof(real) * (block > head ? block : head) : 0);
}

void neox_need(struct neox_need *n, const struct neox_cfg *c, const struct neox_shape *shape,
               const struct neox_store *store, size_t other)
{
    const struct neox_store none = {0}, *s = store ? store : &none;
    const size_t half = arena_need(neox_n_half(c), sizeof(uint16_t));
    size_t flat[NEOX_PARTS], passes = shape ? neox_acts_bytes(c, shape) : 0;

    for (int k = 0; k < NEOX_PARTS; k++)
        flat[k] = arena_need(neox_n_part(c, s, (enum neox_part)k), sizeof(real));
    *n = (struct neox_need){.weights = flat[NEOX_WEIGHTS] + (s->weights16 ? half : 0), .other = other};
    if (s->weights16 || s->is_master)
        n->view = arena_need(neox_n_wide(c), sizeof(real));
    if (store) {
        n->gradients = flat[NEOX_GRADS];
        n->gradients += s->grads_block ? arena_need(neox_n_shared(c), sizeof(real)) : 0;
        n->moments = flat[NEOX_MOMENT1] + flat[NEOX_MOMENT2] + (s->moments16 ? 2 * half : 0);
    }
    n->other += (store ? neox_bytes_stored(c, s) : neox_bytes(c, false)) -
                (n->weights + n->view + n->gradients + n->moments);
    if (shape) {
        n->logits = arena_need(head_rows(shape) * c->n_vocab, sizeof(real));
        n->activations = passes - n->logits;
        n->library = neox_library_bytes(c, shape);
    }
    n->total = n->weights + n->view + n->gradients + n->moments + n->activations + n->logits + n->library + n->other;
}

void neox_need_text(struct buf *out, const struct neox_need *n)
{
    const struct {
        const char *name;
        size_t bytes;
    } row[] = {{"weights", n->weights},         {"view", n->view},     {"gradients", n->gradients},
               {"moments", n->moments},         {"activations", n->activations},
               {"logits", n->logits},           {"library", n->library}, {"other", n->other}};
    const char *sep = ": ";

    buf_fmt(out, "%.3f GiB", (double)n->total / GIB);
    for (size_t i = 0; i < ARRAY_LEN(row); i++) {
        if (!row[i].bytes)
            continue;
        buf_fmt(out, "%s%s %.3f", sep, row[i].name, (double)row[i].bytes / GIB);
        sep = ", ";
    }
}

/* Knobs that save memory, mildest first: the first two give the same bits or the same gradient to
 * rounding, the others round what is held. */
static const struct option {
    const char *knobs;
    bool is_checkpointed, is_single, moments16, weights16, is_half, grads_block;
} options[] = {
    {"checkpoint: true", .is_checkpointed = true},
    {"micro: 1", .is_single = true},
    {"checkpoint: true, micro: 1", .is_checkpointed = true, .is_single = true},
    {"checkpoint: true, micro: 1, moments: bf16", .is_checkpointed = true, .is_single = true, .moments16 = true},
    {"checkpoint: true, micro: 1, moments: bf16, weights: bf16, activations: bf16", .is_checkpointed = true,
     .is_single = true, .moments16 = true, .weights16 = true, .is_half = true},
    {"checkpoint: true, batch: 1, moments: bf16, weights: bf16, activations: bf16, gradients: block",
     .is_checkpointed = true, .is_single = true, .moments16 = true, .weights16 = true, .is_half = true,
     .grads_block = true},
};

static size_t bytes_with(const struct option *o, const struct neox_cfg *c, const struct neox_shape *shape,
                         const struct neox_store *store, size_t other)
{
    struct neox_shape s = *shape;
    struct neox_store t = *store;
    struct neox_need n;

    s.is_checkpointed |= o->is_checkpointed;
    s.is_half |= o->is_half;
    s.n_max = o->is_single ? s.t_max : s.n_max;
    t.moments16 |= o->moments16;
    t.weights16 |= o->weights16;
    t.is_master &= !t.weights16;
    t.grads_block |= o->grads_block;
    neox_need(&n, c, &s, &t, other);
    return n.total;
}

/* Adds what would fit to the text: the mildest three. */
static void say_options(struct buf *out, const struct neox_cfg *c, const struct neox_shape *shape,
                        const struct neox_store *store, size_t other, size_t limit)
{
    size_t least = SIZE_MAX;
    int n = 0;

    for (size_t i = 0; i < ARRAY_LEN(options) && n < 3; i++) {
        size_t bytes = bytes_with(&options[i], c, shape, store, other);

        least = bytes < least ? bytes : least;
        if (bytes > limit)
            continue;
        buf_fmt(out, "%s%s (%.3f GiB)", n++ ? ", or " : "; would fit: ", options[i].knobs, (double)bytes / GIB);
    }
    if (n == 0)
        buf_fmt(out, "; none of the knobs checkpoint, micro, weights, moments, activations and gradients "
                     "saves enough (%.3f GiB with all): a smaller model or context is needed",
                (double)least / GIB);
}

enum err_code neox_fits(const struct neox_cfg *c, const struct neox_shape *shape,
                        const struct neox_store *store, size_t other, size_t limit, const char *what,
                        struct err *e)
{
    struct buf text = {0};
    struct neox_need n;

    neox_need(&n, c, shape, store, other);
    if (n.total <= limit)
        return ERR_OK;
    neox_need_text(&text, &n);
    buf_fmt(&text, "; %s is %.3f GiB", what, (double)limit / GIB);
    if (store)
        say_options(&text, c, shape, store, other, limit);
    err_set(e, ERR_INVALID, "memory: %s", text.data);
    buf_free(&text);
    return ERR_INVALID;
}

size_t neox_machine_bytes(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);

    return pages > 0 && size > 0 ? (size_t)pages * (size_t)size : SIZE_MAX;
}
