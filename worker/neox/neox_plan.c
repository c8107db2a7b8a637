/* neox_plan.c - see neox_plan.h. */
#include "worker/neox/neox_plan.h"

#include <unistd.h>

#define GIB ((double)(1 << 30))

void neox_need(struct neox_need *n, const struct neox_cfg *c, const struct neox_shape *shape,
               bool is_training, size_t other)
{
    const size_t flat = arena_need(neox_n_flat(c), sizeof(real));
    size_t rows, passes = shape ? neox_acts_bytes(c, shape) : 0;

    *n = (struct neox_need){.weights = flat, .other = other + neox_bytes(c, false) - flat};
    if (is_training) {
        n->gradients = flat;
        n->moments = 2 * flat;
    }
    if (shape) {
        rows = shape->head_rows ? shape->head_rows : NEOX_HEAD_ROWS;
        rows = rows < shape->n_max ? rows : shape->n_max;
        n->logits = arena_need(rows * c->n_vocab, sizeof(real));
        n->activations = passes - n->logits;
    }
    n->total = n->weights + n->gradients + n->moments + n->activations + n->logits + n->other;
}

void neox_need_text(struct buf *out, const struct neox_need *n)
{
    const struct {
        const char *name;
        size_t bytes;
    } row[] = {{"weights", n->weights},         {"gradients", n->gradients}, {"moments", n->moments},
               {"activations", n->activations}, {"logits", n->logits},       {"other", n->other}};
    const char *sep = ": ";

    buf_fmt(out, "%.3f GiB", (double)n->total / GIB);
    for (size_t i = 0; i < ARRAY_LEN(row); i++) {
        if (!row[i].bytes)
            continue;
        buf_fmt(out, "%s%s %.3f", sep, row[i].name, (double)row[i].bytes / GIB);
        sep = ", ";
    }
}

/* Adds what would fit to the text. */
static void options(struct buf *out, const struct neox_cfg *c, const struct neox_shape *shape,
                    size_t other, size_t limit)
{
    static const char *const names[] = {"checkpoint: true", "micro: 1", "checkpoint: true with micro: 1"};
    bool any = false;

    for (int i = 0; i < 3; i++) {
        struct neox_shape s = *shape;
        struct neox_need n;

        s.is_checkpointed = s.is_checkpointed || i != 1;
        s.n_max = i == 0 ? s.n_max : s.t_max;
        neox_need(&n, c, &s, shape->is_training, other);
        if (n.total > limit)
            continue;
        buf_fmt(out, "%s%s (%.3f GiB)", any ? ", or " : "; would fit: ", names[i], (double)n.total / GIB);
        any = true;
    }
    if (!any)
        buf_str(out, "; neither checkpointing nor micro-batches of one sequence would fit: a smaller "
                     "model or context is needed");
}

enum err_code neox_fits(const struct neox_cfg *c, const struct neox_shape *shape, size_t other,
                        size_t limit, const char *what, struct err *e)
{
    struct buf text = {0};
    struct neox_need n;

    neox_need(&n, c, shape, shape->is_training, other);
    if (n.total <= limit)
        return ERR_OK;
    neox_need_text(&text, &n);
    buf_fmt(&text, "; %s is %.3f GiB", what, (double)limit / GIB);
    if (shape->is_training)
        options(&text, c, shape, other, limit);
    err_set(e, ERR_INVALID, "memory: %s", text.data);
    buf_free(&text);
    return ERR_INVALID;
}

size_t neox_machine_bytes(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);

    return pages > 0 && size > 0 ? (size_t)pages * (size_t)size : SIZE_MAX;
}
