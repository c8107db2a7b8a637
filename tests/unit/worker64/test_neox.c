/* GPT-NeoX in double: gradients of every parameter and through every hook, causality, batches,
 * checkpointing, accumulation. */
#include "tests/lib/check.h"

#include <stdio.h>

#include "common/rng.h"
#include "tests/lib/gradcheck.h"
#include "worker/neox/neox_acts.h"
#include "worker/num/par.h"

enum { SEED = 5, V = 17, N_MAX = 40, T = 12 };

struct bench {
    struct arena arena;
    struct neox m;
    struct neox_acts s;
    struct neox_batch_mem batch;
};

struct variant {
    const char *name;
    bool is_sequential, is_tied, no_bias, is_checkpointed;
    enum neox_act act;
    int threads;
};

static const struct variant variants[] = {
    {.name = "parallel"},
    {.name = "sequential", .is_sequential = true},
    {.name = "tied, tanh", .is_tied = true, .act = NEOX_GELU_TANH},
    {.name = "no attention bias", .no_bias = true},
    {.name = "checkpointed", .is_checkpointed = true},
    {.name = "sequential, checkpointed", .is_sequential = true, .is_checkpointed = true},
    {.name = "two threads", .threads = 2},
};

static struct neox_cfg config(const struct variant *v)
{
    return (struct neox_cfg){.n_layers = 3, .d_model = 12, .n_heads = 2, .d_head = 6, .d_mlp = 20,
                             .n_vocab = V, .n_rot = 4, .n_ctx = 64, .rope_base = 100, .ln_eps = 1e-5,
                             .act = v->act, .is_parallel = !v->is_sequential, .is_tied = v->is_tied,
                             .has_attn_bias = !v->no_bias};
}

static void add(struct bench *b, size_t len, int32_t next, uint64_t seed)
{
    int32_t ids[T];
    struct rng r = rng_stream(seed, "ids");

    for (size_t i = 0; i < len; i++)
        ids[i] = (int32_t)rng_below(&r, V);
    assert_true(neox_batch_add(&b->batch, ids, len, next));
}

static void open_bench(struct bench *b, const struct variant *v)
{
    struct neox_cfg c = config(v);
    struct neox_shape shape = {.n_max = N_MAX, .t_max = T + 8, .head_rows = 5, .is_training = true,
                               .is_checkpointed = v->is_checkpointed, .threads = 2};
    struct rng r = rng_stream(SEED, "shake");
    struct err e;

    *b = (struct bench){0};
    par_threads_set(v->threads ? v->threads : 1);
    assert_ok(neox_cfg_check(&c, &e), e);
    assert_ok(arena_open(&b->arena, "test",
                         neox_bytes(&c, true) + neox_acts_bytes(&c, &shape) +
                             neox_batch_bytes(N_MAX, 8), &e), e);
    neox_init(&b->m, &c, true, &b->arena);
    neox_randomise(&b->m, SEED);
    for (size_t i = 0; i < b->m.n_flat; i++)
        b->m.flat[0][i] += 0.2 * rng_normal(&r);
    neox_acts_init(&b->s, &c, &shape, &b->arena);
    neox_batch_init(&b->batch, N_MAX, 8, &b->arena);
    assert_int_equal(b->arena.used, b->arena.size); /* the plan is what is used */
    add(b, 7, -1, 1);
    add(b, 12, 3, 2);
    add(b, 1, -1, 3); /* nothing to score */
    add(b, 9, -1, 4);
    assert_ok(neox_batch_check(&b->batch.view, &c, shape.t_max, &e), e);
}

static double loss_of(void *ctx)
{
    struct bench *b = ctx;

    return neox_loss(&b->m, &b->s, &b->batch.view) / (double)neox_batch_scored(&b->batch.view);
}

static double gradients(struct bench *b)
{
    double n = (double)neox_batch_scored(&b->batch.view), sum;

    neox_step_begin(&b->m);
    sum = neox_loss_grad(&b->m, &b->s, &b->batch.view, 1 / n);
    neox_backward(&b->m, &b->s, &b->batch.view);
    return sum / n;
}

static void check_params(struct bench *b, const char *what, double (*loss)(void *))
{
    for (size_t k = 0; k < b->m.n_params; k++) {
        struct param *p = &b->m.param[k];
        struct gradcheck g = {p->data, p->grad, p->n, loss, b};
        double worst = gradcheck_worst(&g, 2, SEED);

        if (!(worst < 1e-7))
            fail_msg("%s: d loss/d %s: relative error %.2e", what, p->name, worst);
    }
}

/* All parameters at once; what lies between two rows has no gradient and no effect. */
static void check_all(struct bench *b, const char *what, double (*loss)(void *))
{
    struct gradcheck g = {b->m.flat[0], b->m.flat[1], b->m.n_flat, loss, b};
    double worst = gradcheck_worst(&g, 3, SEED);

    if (!(worst < 1e-7))
        fail_msg("%s: relative error %.2e", what, worst);
}

static void gradients_of_every_parameter_are_exact(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(variants); i++) {
        struct bench b;

        open_bench(&b, &variants[i]);
        memset(b.m.flat[1], 0x7f, b.m.n_flat * sizeof(real)); /* what was there does not matter */
        assert_near(gradients(&b), loss_of(&b), 1e-14);
        if (variants[i].threads || variants[i].is_checkpointed)
            check_all(&b, variants[i].name, loss_of);
        else
            check_params(&b, variants[i].name, loss_of);
        arena_close(&b.arena);
    }
    par_threads_set(1);
}

/* --- hooks ---------------------------------------------------------------------------------- */
/* Replaces x by x * x / 2 + x and adds <c, x>: forward, loss term and both gradients. */
struct bend {
    double c[N_MAX * 12], x[N_MAX * 12], value;
    size_t d;
};

static void bend_fwd(void *ctx, real *x, const struct neox_batch *b, bool is_again)
{
    struct bend *t = ctx;

    if (!is_again)
        t->value = 0;
    for (size_t i = 0; i < b->n * t->d; i++) {
        t->x[i] = x[i];
        if (!is_again)
            t->value += t->c[i] * x[i];
        x[i] += x[i] * x[i] / 2;
    }
}

static void bend_bwd(void *ctx, real *dx, const struct neox_batch *b)
{
    const struct bend *t = ctx;

    for (size_t i = 0; i < b->n * t->d; i++)
        dx[i] = dx[i] * (1 + t->x[i]) + t->c[i];
}

static double bent_loss(void *ctx)
{
    struct bench *b = ctx;
    double loss = loss_of(b);

    return loss + ((struct bend *)b->s.taps[0].ctx)->value;
}

static void gradients_through_every_hook_are_exact(void **state)
{
    static struct bend t;

    (void)state;
    for (size_t i = 0; i < 6 * NEOX_HOOK_COUNT; i++) {
        const struct variant *v = &variants[i / NEOX_HOOK_COUNT];
        struct neox_tap tap = {.layer = 1, .hook = (enum neox_hook)(i % NEOX_HOOK_COUNT),
                               .fwd = bend_fwd, .bwd = bend_bwd, .ctx = &t};
        struct rng r = rng_stream(SEED, "bend");
        struct bench b;
        char what[80];

        open_bench(&b, v);
        t.d = b.m.cfg.d_model;
        for (size_t k = 0; k < ARRAY_LEN(t.c); k++)
            t.c[k] = 0.05 * rng_normal(&r);
        b.s.taps = &tap;
        b.s.n_taps = 1;
        gradients(&b);
        snprintf(what, sizeof what, "%s, %s", v->name, neox_hook_name(tap.hook));
        check_all(&b, what, bent_loss);
        arena_close(&b.arena);
    }
}

static void add_one(void *ctx, real *dx, const struct neox_batch *b)
{
    const size_t *d = ctx;

    for (size_t i = 0; i < b->n * *d; i++)
        dx[i] += 0.01;
}

/* A gradient added at block 1's output changes blocks 0 and 1 and the embedding, and nothing above. */
static void an_added_gradient_reaches_what_is_below_only(void **state)
{
    struct bench b;
    size_t d = 12;
    struct neox_tap tap = {.layer = 1, .hook = NEOX_HOOK_RESID_POST, .bwd = add_one, .ctx = &d};
    double *before;

    (void)state;
    open_bench(&b, &variants[0]);
    gradients(&b);
    before = malloc(b.m.n_flat * sizeof *before);
    memcpy(before, b.m.flat[1], b.m.n_flat * sizeof *before);
    b.s.taps = &tap;
    b.s.n_taps = 1;
    gradients(&b);
    for (size_t i = 0; i < b.m.n_params; i++) {
        const struct param *p = &b.m.param[i];
        bool is_above = strstr(p->name, "layers.2.") || strstr(p->name, "final") || strstr(p->name, "out.w");
        bool is_same = !memcmp(p->grad, before + (p->grad - b.m.flat[1]), p->n * sizeof *before);

        if (is_same != is_above)
            fail_msg("%s: gradient %s", p->name, is_same ? "unchanged" : "changed");
    }
    free(before);
    arena_close(&b.arena);
}

/* --- invariances ----------------------------------------------------------------------------- */
static void logits_of(struct bench *b, size_t row, double *out)
{
    neox_forward(&b->m, &b->s, &b->batch.view, b->m.cfg.n_layers);
    neox_logits(&b->m, &b->s, row, 1);
    memcpy(out, b->s.logits, V * sizeof *out);
}

static void a_later_token_moves_no_earlier_logit(void **state)
{
    struct bench b;
    double before[V], after[V], own[V];

    (void)state;
    open_bench(&b, &variants[0]);
    logits_of(&b, 12, before); /* position 5 of the second sequence */
    b.batch.tok[13] = (b.batch.tok[13] + 1) % V;
    logits_of(&b, 12, after);
    assert_memory_equal(before, after, sizeof before);
    b.batch.tok[11] = (b.batch.tok[11] + 1) % V;
    logits_of(&b, 12, own);
    assert_true(memcmp(before, own, sizeof before) != 0);
    arena_close(&b.arena);
}

static void logits_do_not_depend_on_the_batch(void **state)
{
    struct bench b;
    double with[V], alone[V], shifted[V];

    (void)state;
    open_bench(&b, &variants[0]);
    logits_of(&b, 12, with);
    neox_batch_clear(&b.batch);
    add(&b, 12, -1, 2);
    logits_of(&b, 5, alone);
    for (size_t i = 0; i < 12; i++)
        b.batch.pos[i] += 7; /* rotary positions matter by their differences only */
    logits_of(&b, 5, shifted);
    for (size_t j = 0; j < V; j++) {
        assert_near(with[j], alone[j], 1e-12);
        assert_near(shifted[j], alone[j], 1e-12);
    }
    arena_close(&b.arena);
}

/* Micro-batches with the denominator of the whole step give the gradient of the whole. */
static void micro_batches_add_up(void **state)
{
    struct bench b;
    double n, *whole;

    (void)state;
    open_bench(&b, &variants[2]);
    n = (double)neox_batch_scored(&b.batch.view);
    gradients(&b);
    whole = malloc(b.m.n_flat * sizeof *whole);
    memcpy(whole, b.m.flat[1], b.m.n_flat * sizeof *whole);
    neox_step_begin(&b.m);
    for (uint64_t part = 0; part < 3; part++) {
        const struct { size_t len; int32_t next; uint64_t seed; } seq[] = {
            {1, -1, 3}, {7, -1, 1}, {12, 3, 2}, {9, -1, 4}};

        neox_batch_clear(&b.batch);
        for (size_t i = 0; i < ARRAY_LEN(seq); i++)
            if (i == part || (part == 2 && i == 3)) /* the first one scores nothing */
                add(&b, seq[i].len, seq[i].next, seq[i].seed);
        neox_loss_grad(&b.m, &b.s, &b.batch.view, 1 / n);
        neox_backward(&b.m, &b.s, &b.batch.view);
    }
    for (size_t i = 0; i < b.m.n_flat; i++)
        assert_near(b.m.flat[1][i], whole[i], 1e-13);
    free(whole);
    arena_close(&b.arena);
}

static void checkpointing_changes_no_bit(void **state)
{
    struct bench a, b;

    (void)state;
    open_bench(&a, &variants[0]);
    open_bench(&b, &variants[4]);
    assert_true(gradients(&a) == gradients(&b));
    assert_memory_equal(a.m.flat[1], b.m.flat[1], a.m.n_flat * sizeof(real));
    assert_true(b.arena.size < a.arena.size);
    arena_close(&a.arena);
    arena_close(&b.arena);
}

static void bad_batches_are_refused(void **state)
{
    struct bench b;
    struct err e;
    int32_t long_one[N_MAX + 1] = {0};

    (void)state;
    open_bench(&b, &variants[0]);
    assert_false(neox_batch_add(&b.batch, long_one, N_MAX + 1, -1));
    b.batch.tok[3] = V;
    assert_fails(neox_batch_check(&b.batch.view, &b.m.cfg, T, &e), ERR_INVALID, e, "vocabulary of 17");
    b.batch.tok[3] = 0;
    b.batch.target[4] = V;
    assert_fails(neox_batch_check(&b.batch.view, &b.m.cfg, T, &e), ERR_INVALID, e, "target 4");
    b.batch.target[4] = -1;
    assert_fails(neox_batch_check(&b.batch.view, &b.m.cfg, 5, &e), ERR_INVALID, e, "position 5");
    arena_close(&b.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_of_every_parameter_are_exact),
        cmocka_unit_test(gradients_through_every_hook_are_exact),
        cmocka_unit_test(an_added_gradient_reaches_what_is_below_only),
        cmocka_unit_test(a_later_token_moves_no_earlier_logit),
        cmocka_unit_test(logits_do_not_depend_on_the_batch),
        cmocka_unit_test(micro_batches_add_up),
        cmocka_unit_test(checkpointing_changes_no_bit),
        cmocka_unit_test(bad_batches_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
