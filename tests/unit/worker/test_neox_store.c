/* Weights, moments and activations in bfloat16, gradients of one block at a time: what is rounded, what
 * is the same to the bit, and that the plan is what is taken. */
#include "tests/lib/check.h"

#include <stdio.h>

#include "common/rng.h"
#include "worker/neox/neox_acts.h"
#include "worker/neox/neox_plan.h"
#include "worker/neox/neox_step.h"
#include "worker/nn/adam_half.h"
#include "worker/nn/half.h"
#include "worker/num/par.h"

enum { V = 37, T = 16, N_SEQ = 3, N = T * N_SEQ, SEED = 11 };

struct model {
    struct arena arena;
    struct neox m;
    struct neox_acts s;
    struct neox_batch_mem batch;
    struct adam adam;
};

struct form {
    struct neox_store store;
    bool is_half, is_checkpointed, is_tied, is_sequential, is_bf16;
    int threads;
};

static void open_model(struct model *b, const struct form *f)
{
    struct neox_cfg c = {.n_layers = 3, .d_model = 24, .n_heads = 2, .d_head = 12, .d_mlp = 40, .n_vocab = V,
                         .n_rot = 4, .rope_base = 100, .ln_eps = 1e-5, .is_parallel = !f->is_sequential,
                         .is_tied = f->is_tied, .has_attn_bias = true};
    struct neox_shape shape = {.n_max = N, .t_max = T, .head_rows = 20, .is_training = true, .threads = 2,
                               .is_checkpointed = f->is_checkpointed, .is_half = f->is_half, .is_bf16 = f->is_bf16};
    struct neox_need need;
    struct rng r = rng_stream(SEED, "ids");
    struct err e;

    *b = (struct model){.adam = {.beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8, .wd = 0.1}};
    par_threads_set(f->threads ? f->threads : 1);
    neox_need(&need, &c, &shape, &f->store, neox_batch_bytes(N, N_SEQ));
    assert_int_equal(need.total - need.library, neox_bytes_stored(&c, &f->store) + neox_acts_bytes(&c, &shape) +
                                     neox_batch_bytes(N, N_SEQ));
    assert_ok(arena_open(&b->arena, "test", need.total - need.library, &e), e);
    neox_init_stored(&b->m, &c, &f->store, &b->arena);
    neox_randomise(&b->m, SEED);
    neox_acts_init(&b->s, &c, &shape, &b->arena);
    neox_batch_init(&b->batch, N, N_SEQ, &b->arena);
    assert_int_equal(b->arena.used, b->arena.size); /* the plan is what is taken */
    for (size_t i = 0; i < N_SEQ; i++) {
        int32_t ids[T];

        for (size_t k = 0; k < T; k++)
            ids[k] = (int32_t)rng_below(&r, V);
        assert_true(neox_batch_add(&b->batch, ids, T, 3));
    }
}

static void close_model(struct model *b)
{
    arena_close(&b->arena);
    par_threads_set(1);
}

static double passes(struct model *b)
{
    double sum;

    neox_step_begin(&b->m);
    sum = neox_loss_grad(&b->m, &b->s, &b->batch.view, 1.0 / N);
    neox_backward(&b->m, &b->s, &b->batch.view);
    return sum / N;
}

/* One step without clipping; its loss. */
static double step(struct model *b, double lr, double *norm)
{
    struct neox_lean lean;
    double loss;

    if (!b->m.store.grads_block) {
        loss = passes(b);
        *norm = neox_grad_norm(&b->m);
        neox_adam(&b->m, &b->adam, lr, 1);
        return loss;
    }
    neox_lean_norm(&lean, &b->m);
    loss = passes(b);
    *norm = sqrt(lean.sumsq);
    neox_lean_adam(&lean, &b->m, &b->adam, lr, 1);
    (void)passes(b);
    return loss;
}

/* Losses and gradient norms of some steps. */
enum { STEPS = 6 };
struct curve {
    double loss[STEPS], norm[STEPS];
};

static struct curve curve_of(const struct form *f)
{
    struct model b;
    struct curve c;

    open_model(&b, f);
    for (int i = 0; i < STEPS; i++)
        c.loss[i] = step(&b, 0.01, &c.norm[i]);
    close_model(&b);
    return c;
}

static void assert_same_curve(const struct form *a, const struct form *b)
{
    struct curve x = curve_of(a), y = curve_of(b);

    for (int i = 0; i < STEPS; i++) {
        if (x.loss[i] != y.loss[i])
            fail_msg("step %d: losses %.17g and %.17g", i + 1, x.loss[i], y.loss[i]);
        assert_near(x.norm[i], y.norm[i], 1e-9 * x.norm[i]); /* summed in another order */
    }
}

/* Gradients of one block at a time are those of all at once. */
static void a_lean_step_is_a_step(void **state)
{
    (void)state;
    for (int i = 0; i < 16; i++) {
        struct form all = {.is_tied = i & 1, .is_sequential = i & 2, .is_checkpointed = i & 4,
                           .is_half = i & 8}, lean;

        all.store.weights16 = all.store.moments16 = i & 8;
        lean = all;
        lean.store.grads_block = true;
        assert_same_curve(&all, &lean);
    }
}

/* What is kept in 16 bits is what the forward pass used: made again it has the same bits. */
static void checkpointing_is_exact_in_16_bits(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct form kept = {.is_half = true, .is_sequential = i & 1, .is_bf16 = i & 2}, again = kept;

        again.is_checkpointed = true;
        assert_same_curve(&kept, &again);
    }
}

static void threads_change_no_rounding(void **state)
{
    struct form one = {.store = {.moments16 = true}}, two;
    struct model a, b;
    double norm;

    (void)state;
    two = one;
    two.threads = 2;
    open_model(&a, &one);
    step(&a, 0.01, &norm);
    open_model(&b, &one);
    (void)passes(&b);
    par_threads_set(two.threads);
    neox_adam(&b.m, &b.adam, 0.01, 1);
    for (int k = NEOX_MOMENT1; k <= NEOX_MOMENT2; k++)
        assert_memory_equal(a.m.half[k], b.m.half[k], a.m.n_half * sizeof(uint16_t));
    close_model(&a);
    close_model(&b);
}

/* Rounding costs little: losses stay beside those of float32, which themselves fall. */
static void every_form_learns(void **state)
{
    const struct form plain = {0}, forms[] = {
        {.store = {.weights16 = true}},
        {.store = {.is_master = true}},
        {.store = {.moments16 = true}},
        {.is_half = true},
        {.is_half = true, .is_tied = true, .store = {.is_master = true, .moments16 = true}},
        {.is_half = true, .is_checkpointed = true, .store = {.weights16 = true, .moments16 = true}},
        {.is_bf16 = true},
        {.is_bf16 = true, .is_half = true, .is_sequential = false, .store = {.weights16 = true, .moments16 = true}},
    };
    struct curve want[2];

    (void)state;
    want[0] = curve_of(&plain);
    want[1] = curve_of(&(struct form){.is_tied = true});
    assert_true(want[0].loss[STEPS - 1] < want[0].loss[0] - 0.2);
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        struct curve have = curve_of(&forms[i]), *w = &want[forms[i].is_tied];

        for (int k = 0; k < STEPS; k++) {
            assert_near(have.loss[k], w->loss[k], 0.02);
            assert_near(have.norm[k], w->norm[k], 0.1 * w->norm[k]);
        }
        assert_true(memcmp(have.loss, w->loss, sizeof have.loss) != 0); /* it does round */
    }
}

/* --- rounding ------------------------------------------------------------------------------------- */

enum { ROW = 40000 };

struct row {
    struct param p;
    real grad[ROW];
    uint16_t data[ROW], m[ROW], v[ROW];
};

/* Weights of 1 and a gradient of 1: each step goes down by lr. */
static struct row *make_row(void)
{
    struct row *r = calloc(1, sizeof *r);

    assert_non_null(r);
    r->p = (struct param){.grad = r->grad, .data16 = r->data, .m16 = r->m, .v16 = r->v, .n = ROW};
    for (size_t i = 0; i < ROW; i++) {
        r->grad[i] = 1;
        r->data[i] = bf16_of_f32(1);
    }
    return r;
}

static double mean_after(int n_steps, double lr, const struct adam_round *round, struct row *r)
{
    struct adam o = {.beta1 = 0, .beta2 = 0.5, .eps = 0};
    double sum = 0;

    for (o.t = 1; o.t <= n_steps; o.t++) {
        struct adam_coef c = adam_coef(&o, lr, 1);

        adam_half_range(&r->p, 3, 0, ROW, &c, o.t, round);
    }
    for (size_t i = 0; i < ROW; i++)
        sum += (double)f32_of_bf16(r->data[i]);
    return sum / ROW;
}

/* A step of 1e-4 is far below half a unit of 1 - eps, 2^-9. */
static void small_steps_arrive_only_when_rounded_stochastically(void **state)
{
    struct adam_round nearest = {SEED, true}, stochastic = {SEED, false};
    struct row *a = make_row(), *b = make_row();

    (void)state;
    assert_near(mean_after(50, 1e-4, &nearest, a), 1, 0);
    assert_near(mean_after(50, 1e-4, &stochastic, b), 1 - 50e-4, 2e-4); /* six standard errors */
    free(a), free(b);
}

static void random_bits_depend_on_place_and_step_alone(void **state)
{
    struct adam o = {.beta1 = 0.9, .beta2 = 0.95, .eps = 1e-8, .t = 1};
    const struct adam_coef c = adam_coef(&o, 1e-3, 1);
    const struct adam_round round = {SEED, false}, other = {SEED + 1, false};
    struct row *whole = make_row(), *parts = make_row(), *later = make_row(), *row = make_row(),
               *seed = make_row();
    size_t n_up = 0, n_same = 0;

    (void)state;
    adam_half_range(&whole->p, 3, 0, ROW, &c, 1, &round);
    for (size_t at = 0, len = 1; at < ROW; at += len, len = len * 3 % 2999 + 1)
        adam_half_range(&parts->p, 3, at, ROW - at < len ? ROW - at : len, &c, 1, &round);
    adam_half_range(&later->p, 3, 0, ROW, &c, 2, &round);
    adam_half_range(&row->p, 4, 0, ROW, &c, 1, &round);
    adam_half_range(&seed->p, 3, 0, ROW, &c, 1, &other);
    assert_memory_equal(whole->data, parts->data, sizeof whole->data);
    assert_memory_equal(whole->m, parts->m, sizeof whole->m);
    assert_memory_equal(whole->v, parts->v, sizeof whole->v);
    assert_memory_not_equal(whole->data, later->data, sizeof whole->data);
    assert_memory_not_equal(whole->data, row->data, sizeof whole->data);
    assert_memory_not_equal(whole->data, seed->data, sizeof whole->data);
    for (size_t i = 0; i < ROW; i++) { /* weights and moments have bits of their own */
        n_up += whole->data[i] == bf16_of_f32(1);
        n_same += (whole->data[i] == bf16_of_f32(1)) == (whole->m[i] > bf16_of_f32(0.1f));
    }
    assert_true(n_up > ROW / 2 && n_up < ROW); /* 1 - 1e-3 lies between 1 - 2^-8 and 1 */
    assert_true(n_same > ROW / 10 && n_same < ROW - ROW / 10);
    free(whole), free(parts), free(later), free(row), free(seed);
}

/* --- plans ---------------------------------------------------------------------------------------- */

static struct neox_cfg pythia(size_t layers, size_t d, size_t h, size_t v)
{
    return (struct neox_cfg){.n_layers = layers, .d_model = d, .n_heads = h, .d_head = d / h, .d_mlp = 4 * d,
                             .n_vocab = v, .n_rot = d / h / 4, .rope_base = 10000, .ln_eps = 1e-5,
                             .is_parallel = true, .has_attn_bias = true};
}

/* 1.4 billion weights at 512 ids: the refusal names what fits. */
static void a_plan_for_a_billion_weights(void **state)
{
    struct neox_cfg c = pythia(24, 2048, 16, 50304);
    struct neox_shape s = {.n_max = 512, .t_max = 512, .is_training = true};
    struct neox_store f32 = {0}, half = {.weights16 = true, .moments16 = true}, lean = half;
    struct neox_need n;
    struct err e;

    (void)state;
    assert_int_equal(neox_n_weights(&c), 1414647808);
    neox_need(&n, &c, &s, &f32, 0);
    assert_near((double)(n.weights + n.gradients + n.moments), 16 * 1414647808.0, 1e6);
    assert_fails(neox_fits(&c, &s, &f32, 0, (size_t)217 * (1 << 30) / 10, "the limit", &e), ERR_INVALID, e,
                 "would fit: checkpoint: true (");
    assert_fails(neox_fits(&c, &s, &f32, 0, (size_t)20 << 30, "the limit", &e), ERR_INVALID, e,
                 "would fit: checkpoint: true, micro: 1, moments: bf16 (");
    s.is_checkpointed = true;
    neox_need(&n, &c, &s, &half, 0);
    assert_near((double)(n.weights + n.moments), 6 * 1414647808.0, 1e7);
    assert_near((double)n.gradients, 4 * 1414647808.0, 1e6);
    assert_ok(neox_fits(&c, &s, &half, 0, (size_t)15 << 30, "the limit", &e), e);
    lean.grads_block = true;
    assert_fails(neox_fits(&c, &s, &half, 0, (size_t)10 << 30, "the limit", &e), ERR_INVALID, e,
                 "gradients: block (");
    assert_ok(neox_fits(&c, &s, &lean, 0, (size_t)10 << 30, "the limit", &e), e);
    assert_fails(neox_fits(&c, &s, &lean, 0, (size_t)8 << 30, "the limit", &e), ERR_INVALID, e,
                 "GiB with all): a smaller model");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lean_step_is_a_step),
        cmocka_unit_test(checkpointing_is_exact_in_16_bits),
        cmocka_unit_test(threads_change_no_rounding),
        cmocka_unit_test(every_form_learns),
        cmocka_unit_test(small_steps_arrive_only_when_rounded_stochastically),
        cmocka_unit_test(random_bits_depend_on_place_and_step_alone),
        cmocka_unit_test(a_plan_for_a_billion_weights),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
