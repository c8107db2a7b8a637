/* neox_trainer.c - see neox_trainer.h. */
#include "worker/jobs/neox_trainer.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "worker/neox/neox_step.h"
#include "worker/num/par.h"

static uint64_t seed_of(const struct lm_pretrain_cfg *k, int64_t own)
{
    return (uint64_t)(own < 0 ? k->seed : own);
}

void neox_trainer_shape(struct neox_cfg *c, const struct lm_pretrain_cfg *k, size_t n_vocab)
{
    const size_t d = (size_t)k->d_model, e = d / (size_t)k->n_heads;

    *c = (struct neox_cfg){
        .n_layers = (size_t)k->n_layers,
        .d_model = d,
        .n_heads = (size_t)k->n_heads,
        .d_head = e,
        .d_mlp = k->d_mlp ? (size_t)k->d_mlp : 4 * d,
        .n_vocab = n_vocab,
        .n_rot = (size_t)((double)e * k->rotary_pct),
        .n_ctx = (size_t)k->context,
        .rope_base = k->rotary_base,
        .ln_eps = 1e-5,
        .init_range = 0.02,
        .act = strcmp(k->act, "gelu") ? NEOX_GELU_TANH : NEOX_GELU,
        .is_parallel = k->parallel,
        .is_tied = k->tied,
        .has_attn_bias = true,
    };
}

static void plan_steps(struct neox_trainer *t)
{
    const struct lm_pretrain_cfg *k = &t->cfg;
    double steps = k->epochs * (double)t->train.n_seq / (double)k->batch;
    enum lr_shape shape = LR_COSINE;

    t->n_steps = k->steps ? k->steps : (int64_t)ceil(steps);
    (void)lr_shape_parse(k->schedule, &shape); /* the knob allows no other */
    t->lr = (struct lr_curve){.shape = shape, .lr = k->lr, .floor = k->lr_floor,
                              .warmup = (int64_t)round(k->warmup * (double)t->n_steps),
                              .n_steps = t->n_steps};
}

static bool is(const char *knob, const char *value)
{
    return !strcmp(knob, value);
}

static enum err_code plan_store(struct neox_trainer *t, struct err *e)
{
    const struct lm_pretrain_cfg *k = &t->cfg;

    t->store = (struct neox_store){.weights16 = is(k->weights, "bf16"), .is_master = is(k->weights, "master"),
                                   .moments16 = is(k->moments, "bf16"), .grads_block = is(k->gradients, "block"),
                                   .is_nearest = is(k->rounding, "nearest"), .seed = (uint64_t)k->seed};
    if (t->store.grads_block && (int64_t)t->micro < k->batch)
        return err_set(e, ERR_INVALID, "gradients: block holds no sums over micro-batches: micro, %zu, must be "
                       "batch, %" PRId64 ", or 0", t->micro, k->batch);
    return ERR_OK;
}

/* A table with more rows than there are ids is fine: Pythia's is such a one. */
static enum err_code check_vocab(const struct neox_trainer *t, struct err *e)
{
    const size_t asked = (size_t)t->cfg.n_vocab, rows = t->m.cfg.n_vocab, ids = t->train.t.n_vocab;

    if (asked && asked != rows)
        return err_set(e, ERR_INVALID, "n_vocab: %zu, but the model that it goes on from has %zu", asked, rows);
    if (asked && asked < ids)
        return err_set(e, ERR_INVALID, "n_vocab: %zu is less than the %zu ids of the data", asked, ids);
    return ERR_OK;
}

enum err_code neox_trainer_open(struct neox_trainer *t, const struct lm_pretrain_cfg *k,
                                const char *data_dir, const struct neox_cfg *base, int threads,
                                struct err *e)
{
    const size_t context = (size_t)k->context;

    *t = (struct neox_trainer){.cfg = *k, .micro = (size_t)(k->micro ? k->micro : k->batch)};
    if (neox_feed_open(&t->train, data_dir, "train", context, base ? base->n_vocab : 0, false, e))
        return err_wrap(e, "split train");
    t->has_valid = !neox_feed_open(&t->valid, data_dir, "valid", context, base ? base->n_vocab : 0, false,
                                   NULL);
    if (base)
        t->m.cfg = *base;
    else
        neox_trainer_shape(&t->m.cfg, k, k->n_vocab ? (size_t)k->n_vocab : t->train.t.n_vocab);
    if (check_vocab(t, e) || neox_cfg_check(&t->m.cfg, e) || plan_store(t, e)) {
        neox_trainer_close(t);
        return e->code;
    }
    t->shape = (struct neox_shape){.n_max = t->micro * context, .t_max = context, .is_training = true,
                                   .is_checkpointed = k->checkpoint, .is_half = is(k->activations, "bf16"),
                                   .is_bf16 = is(k->precision, "bf16"), .threads = threads};
    plan_steps(t);
    return ERR_OK;
}

size_t neox_trainer_other(const struct neox_trainer *t)
{
    return neox_batch_bytes(t->shape.n_max, t->micro) + arena_need(t->micro, sizeof *t->sequence) + neox_feed_bytes(&t->train, true) +
           (t->has_valid ? neox_feed_bytes(&t->valid, false) : 0);
}

size_t neox_trainer_bytes(const struct neox_trainer *t)
{
    return neox_bytes_stored(&t->m.cfg, &t->store) + neox_acts_bytes(&t->m.cfg, &t->shape) + neox_trainer_other(t);
}

void neox_trainer_init(struct neox_trainer *t, const struct neox_file *base, struct arena *a)
{
    const struct lm_pretrain_cfg *k = &t->cfg;
    const struct neox_cfg c = t->m.cfg;

    par_threads_set(t->shape.threads);
    neox_init_stored(&t->m, &c, &t->store, a);
    if (base)
        neox_file_load(base, &t->m);
    else
        neox_randomise(&t->m, seed_of(k, k->seed_init));
    if (!strcmp(k->decay, "matrices"))
        neox_decay_matrices(&t->m);
    neox_acts_init(&t->acts, &c, &t->shape, a);
    neox_batch_init(&t->batch, t->shape.n_max, t->micro, a);
    t->sequence = arena_new(a, uint64_t, t->micro);
    neox_feed_init(&t->train, true, seed_of(k, k->seed_order), a);
    if (t->has_valid)
        neox_feed_init(&t->valid, false, 0, a);
    t->adam = (struct adam){.lr = k->lr, .beta1 = k->beta1, .beta2 = k->beta2, .eps = k->eps,
                            .wd = k->weight_decay};
}

void neox_trainer_close(struct neox_trainer *t)
{
    neox_feed_close(&t->train);
    if (t->has_valid)
        neox_feed_close(&t->valid);
}

/* Positions [from, to) of a feed as the next batch. */
static void fill(struct neox_trainer *t, struct neox_feed *f, uint64_t from, uint64_t to)
{
    neox_batch_clear(&t->batch);
    for (uint64_t p = from; p < to; p++) {
        (void)neox_feed_add(f, p, &t->batch); /* there is room: micro sequences of context */
        t->sequence[p - from] = neox_feed_sequence(f, p);
    }
}

void neox_trainer_batch(struct neox_trainer *t)
{
    fill(t, &t->train, 0, t->micro);
    if (t->aux.batch)
        t->aux.batch(t->aux.ctx, &t->batch.view, t->sequence);
}

/* Passes over all of a step; sum of the losses. */
static double passes(struct neox_trainer *t, uint64_t from, uint64_t to, size_t n)
{
    double sum = 0;

    neox_step_begin(&t->m);
    for (uint64_t p = from; p < to; p += t->micro) {
        fill(t, &t->train, p, p + t->micro < to ? p + t->micro : to);
        if (t->aux.batch)
            t->aux.batch(t->aux.ctx, &t->batch.view, t->sequence);
        sum += neox_loss_grad(&t->m, &t->acts, &t->batch.view, 1 / (double)n);
        neox_backward(&t->m, &t->acts, &t->batch.view);
    }
    return sum;
}

enum err_code neox_trainer_step(struct neox_trainer *t, struct err *e)
{
    struct neox_progress *at = &t->at;
    const uint64_t batch = (uint64_t)t->cfg.batch, from = (uint64_t)at->step * batch, to = from + batch;
    double sum, norm, lr = lr_at(&t->lr, at->step);
    struct neox_lean lean;
    size_t n = 0;

    for (uint64_t p = from; p < to; p++)
        n += neox_feed_len(&t->train, p);
    if (t->aux.step)
        t->aux.step(t->aux.ctx, n);
    if (t->store.grads_block)
        neox_lean_norm(&lean, &t->m);
    sum = passes(t, from, to, n);
    norm = t->store.grads_block ? sqrt(lean.sumsq) : neox_grad_norm(&t->m);
    if (!isfinite(sum) || !isfinite(norm))
        return err_set(e, ERR_DIVERGED, "step %" PRId64 ": loss %g, gradient norm %g", at->step + 1,
                       sum / (double)n, norm);
    if (t->store.grads_block) {
        neox_lean_adam(&lean, &t->m, &t->adam, lr, clip_scale(norm, t->cfg.clip));
        (void)passes(t, from, to, n);
    } else
        neox_adam(&t->m, &t->adam, lr, clip_scale(norm, t->cfg.clip));
    t->step_loss = sum / (double)n;
    t->step_norm = norm;
    at->adam_t = t->adam.t;
    at->step++;
    at->n_seen += (int64_t)n;
    at->loss_sum += sum;
    at->n_sum += (int64_t)n;
    at->norm_sum += norm;
    at->n_norm++;
    at->last_lr = lr;
    return ERR_OK;
}

double neox_trainer_validate(struct neox_trainer *t, size_t max, double *n)
{
    double sum = 0;
    size_t done = 0;

    for (uint64_t p = 0; p < t->valid.n_seq && (max == 0 || done < max); p += t->micro) {
        uint64_t end = p + t->micro < t->valid.n_seq ? p + t->micro : t->valid.n_seq;

        fill(t, &t->valid, p, end);
        sum += neox_loss(&t->m, &t->acts, &t->batch.view);
        done += neox_batch_scored(&t->batch.view);
    }
    *n = (double)done;
    return sum / (double)done;
}

void neox_trainer_point(struct neox_trainer *t, double *loss, double *norm)
{
    struct neox_progress *at = &t->at;

    *loss = at->last_loss = at->n_sum ? at->loss_sum / (double)at->n_sum : NAN;
    *norm = at->n_norm ? at->norm_sum / (double)at->n_norm : NAN;
    at->loss_sum = at->norm_sum = 0;
    at->n_sum = at->n_norm = 0;
}

void neox_trainer_state(struct neox_trainer *t, struct ckpt *c)
{
    static const struct {
        enum neox_part part;
        const char *name, *half;
    } row[] = {{NEOX_WEIGHTS, "weights", "weights, bf16"},
               {NEOX_MOMENT1, "moment 1", "moment 1, bf16"},
               {NEOX_MOMENT2, "moment 2", "moment 2, bf16"}};

    ckpt_bytes(c, "progress", &t->at, sizeof t->at);
    for (size_t i = 0; i < ARRAY_LEN(row); i++) {
        const enum neox_part k = row[i].part;

        ckpt_bytes(c, row[i].name, t->m.flat[k], t->m.n_part[k] * sizeof(real));
        if (t->m.half[k])
            ckpt_bytes(c, row[i].half, t->m.half[k], t->m.n_half * sizeof(uint16_t));
    }
}

void neox_trainer_resume(struct neox_trainer *t)
{
    t->adam.t = t->at.adam_t;
}
