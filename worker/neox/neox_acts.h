/* neox_acts.h - the passes of a model over a batch, and the memory they work in.
 *
 *   neox_acts_init(&s, &cfg, &shape, arena);
 *   neox_forward(&m, &s, &b, n_layers);          up to and with block n_layers - 1
 *   sum = neox_loss(&m, &s, &b);                 forward and loss
 *
 *   neox_step_begin(&m);                         a step of one or several micro-batches
 *   sum += neox_loss_grad(&m, &s, &b, 1.0 / N);  N: positions scored in the whole step
 *   neox_backward(&m, &s, &b);                   adds to the gradients, once a micro-batch
 *   ... clip and adam_step over m.param: the update is apart from the gradient.
 *
 * Logits of all tokens are never held: the loss goes through rows in blocks of `head_rows`, making
 * the gradient of the head on the way.
 */
#pragma once
#include "worker/neox/neox.h"
#include "worker/neox/neox_batch.h"
#include "worker/neox/neox_tap.h"
#include "worker/num/flash.h"
#include "worker/num/linear.h"

struct neox_shape {
    size_t n_max, t_max;    /* tokens of a batch, of its longest sequence */
    size_t head_rows;       /* rows of logits at a time; 0: NEOX_HEAD_ROWS */
    bool is_training;       /* backward passes will follow */
    bool is_checkpointed;   /* keep only the input of each block, make the rest again */
    bool is_half;           /* training: what is kept for the backward pass is rounded to bfloat16, and
                               the forward pass goes on with the rounded numbers */
    bool is_bf16;           /* linear layers multiply in bfloat16 */
    int threads;            /* as par_threads_set was or will be told */
};
enum { NEOX_HEAD_ROWS = 256 };

/* What the backward pass needs of a block. */
struct neox_block_acts {
    real *mean1, *rstd1, *mean2, *rstd2; /* [n]; the second pair is the first when parallel */
    real *qkv;                           /* [n,3d], q and k turned */
    real *lse;                           /* [n,h] log-sum-exp of the scores */
    real *z;                             /* [n,d] mixed values */
    real *mid;                           /* [n,d] sequential: the stream between; parallel: x */
    real *a;                             /* [n,f] pre-activations of the MLP */
};

/* What is kept of a block in bfloat16 while others are worked on; NULL: made again. */
struct neox_block_half {
    uint16_t *x, *qkv, *z, *mid, *a;
};

struct neox_acts {
    struct neox_shape shape;
    const struct neox_tap *taps;   /* [n_taps]; set by the caller after init, may be NULL */
    size_t n_taps;
    real **x;                      /* [n_layers + 1] streams [n,d]: x[l] enters block l */
    struct neox_block_acts *block; /* [n_layers]; the same memory when checkpointed or not training */
    struct neox_block_half *half;  /* [n_layers] of shape.is_half; large members of `block` and all but
                                      two streams are then the same memory too */
    real *meanf, *rstdf, *y;       /* [n], [n,d] final norm, of the rows in `row` after a loss */
    double *logprob;               /* [n] log p(target) after a loss; 0 where not scored */
    int32_t *row;                  /* [n] scored rows */
    real *logits;                  /* [head_rows,v] */
    real *rope;                    /* [t_max,r] */
    real *u, *g;                   /* [n,d], [n,f]: normalised input, gelu */
    real *branch;                  /* [n,d] what a tap sees */
    struct flash flash;
    struct linear linear;
    /* backward only */
    real *dx, *du, *dv, *dz, *dqkv, *da;
    size_t n_run;                  /* blocks of the last forward pass */
};

size_t neox_acts_bytes(const struct neox_cfg *c, const struct neox_shape *shape);
void neox_acts_init(struct neox_acts *s, const struct neox_cfg *c, const struct neox_shape *shape,
                    struct arena *a);

/* Blocks 0..n_layers-1: s->x[n_layers].  The batch must be checked (neox_batch_check). */
void neox_forward(const struct neox *m, struct neox_acts *s, const struct neox_batch *b,
                  size_t n_layers);
/* After a forward pass of all blocks: logits of rows [from, from + count), count <= head_rows, in
 * s->logits [count,v]. */
void neox_logits(const struct neox *m, struct neox_acts *s, size_t from, size_t count);
/* Sum of -log p(target) over scored positions, in nats; s->logprob has each of them.  Runs the
 * forward pass. */
double neox_loss(const struct neox *m, struct neox_acts *s, const struct neox_batch *b);

/* The next backward pass overwrites the gradients, later ones add. */
void neox_step_begin(struct neox *m);
/* As neox_loss; the loss whose gradient is taken is `scale` times the sum.  Also makes d loss / d x
 * of the last block's output in s->dx, and adds to the gradients of final norm and unembedding. */
double neox_loss_grad(struct neox *m, struct neox_acts *s, const struct neox_batch *b, double scale);
/* From s->dx back to the embedding, with the taps' gradients. */
void neox_backward(struct neox *m, struct neox_acts *s, const struct neox_batch *b);

/* Floating-point operations of the products of one pass over n tokens in sequences of t. */
double neox_flop(const struct neox_cfg *c, size_t n, size_t t, bool is_training, bool is_checkpointed);
