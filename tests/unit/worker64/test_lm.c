/* The whole transformer in double: gradients, causality, hooks' identities, read-outs. */
#include "tests/lib/check.h"

#include "common/rng.h"
#include "tests/lib/gradcheck.h"
#include "worker/lm/lm_batch.h"

enum { SEED = 5, P = 7, ROWS = 12 };

struct bench {
    struct arena arena;
    struct task task;
    struct batch batch;
    struct lm_batch view;
    struct lm lm;
    struct lm_acts acts;
};

static struct lm_cfg small(const struct task *t, enum lm_act act, size_t n_layers)
{
    return (struct lm_cfg){.n_layers = n_layers, .d_model = 12, .n_heads = 3, .d_head = 4,
                           .d_mlp = 20, .n_ctx = t->len, .n_vocab = t->n_vocab, .act = act,
                           .ln_eps = 1e-5};
}

/* Biases and LayerNorm away from 0 and 1, so that every gradient counts. */
static void shake(struct lm *m)
{
    struct rng r = rng_stream(SEED, "shake");

    for (size_t i = 0; i < m->n_params; i++)
        for (size_t j = 0; j < m->param[i].n; j++)
            m->param[i].data[j] += 0.3 * rng_normal(&r);
}

static void open_bench(struct bench *s, const char *task, enum lm_act act, size_t n_layers,
                       struct batch_read read)
{
    struct err e;
    struct lm_cfg c;

    *s = (struct bench){0};
    assert_ok(arena_open(&s->arena, "test", 1 << 24, &e), e);
    task_plan(&s->task, task, P, 40);
    task_make(&s->task, SEED, "test.task", &s->arena);
    if (read.count == 0)
        read = batch_answers(&s->task);
    batch_init(&s->batch, &s->task, 40, read, &s->arena);
    c = small(&s->task, act, n_layers);
    lm_init(&s->lm, &c, true, &s->arena);
    lm_randomise(&s->lm, SEED);
    shake(&s->lm);
    lm_acts_init(&s->acts, &c, s->batch.n_max, 40 * read.count, true, &s->arena);
    batch_build(&s->batch, &s->task, NULL, 3, ROWS, read);
    s->view = lm_batch_of(&s->batch);
}

static double loss_of(void *ctx)
{
    struct bench *s = ctx;

    return lm_loss(&s->lm, &s->acts, &s->view, NULL) / (double)s->view.n_out;
}

static void gradients_of_every_parameter_are_exact(void **state)
{
    const struct {
        const char *task;
        enum lm_act act;
        size_t n_layers;
    } row[] = {{"modadd", LM_RELU, 2}, {"modadd", LM_GELU, 2}, {"modadd_husai", LM_RELU, 1},
               {"copy", LM_GELU, 3}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(row); i++) {
        struct bench s;

        open_bench(&s, row[i].task, row[i].act, row[i].n_layers, (struct batch_read){0, 0});
        loss_of(&s);
        lm_backward(&s.lm, &s.acts, &s.view, 1.0 / (double)s.view.n_out);
        for (size_t k = 0; k < s.lm.n_params; k++) {
            struct param *p = &s.lm.param[k];
            struct gradcheck g = {p->data, p->grad, p->n, loss_of, &s};
            double worst = gradcheck_worst(&g, 4, SEED);

            if (!(worst < 1e-7))
                fail_msg("%s, row %zu: d loss/d %s: relative error %.2e", row[i].task, i, p->name,
                         worst);
        }
        arena_close(&s.arena);
    }
}

static void the_loss_starts_near_log_of_the_vocabulary(void **state)
{
    struct bench s;

    (void)state;
    open_bench(&s, "modadd", LM_RELU, 2, (struct batch_read){0, 0});
    lm_randomise(&s.lm, SEED);
    assert_near(lm_loss(&s.lm, &s.acts, &s.view, NULL) / ROWS, log(P + 4), 0.5);
    arena_close(&s.arena);
}

/* Outputs at all positions, no nodes shared. */
static void dense_outputs(struct bench *s, double *out, size_t n_rows)
{
    struct batch_read read = {0, s->task.len};
    struct lm_batch b;

    batch_build_dense(&s->batch, &s->task, 0, n_rows, read);
    b = lm_batch_of(&s->batch);
    lm_logits(&s->lm, &s->acts, &b);
    memcpy(out, s->acts.logits, n_rows * s->task.len * s->task.n_vocab * sizeof *out);
}

static void a_future_token_never_moves_an_earlier_output(void **state)
{
    struct bench s;
    static double before[64 * 64], after[64 * 64];
    size_t v;

    (void)state;
    open_bench(&s, "modadd_husai", LM_GELU, 2, (struct batch_read){0, 7});
    v = s.task.n_vocab;
    dense_outputs(&s, before, 2);
    for (size_t at = 1; at < 7; at++) {
        int32_t old = s.task.tok[at];

        s.task.tok[at] = (old + 1) % (int32_t)v;
        dense_outputs(&s, after, 2);
        s.task.tok[at] = old;
        assert_memory_equal(before, after, at * v * sizeof *before);
        assert_true(fabs(after[at * v] - before[at * v]) > 1e-9);
    }
    arena_close(&s.arena);
}

static void shared_prefixes_and_answers_only_give_the_full_pass(void **state)
{
    const char *tasks[] = {"modadd", "modadd_husai", "copy"};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(tasks); i++) {
        struct bench full, part;
        static double want[20 * 21 * 32];
        size_t v, len, first;

        open_bench(&part, tasks[i], LM_RELU, 2, (struct batch_read){0, 0});
        open_bench(&full, tasks[i], LM_RELU, 2, (struct batch_read){0, part.task.len});
        len = full.task.len, v = full.task.n_vocab, first = full.task.answer_pos;
        dense_outputs(&full, want, ROWS);
        batch_build(&part.batch, &part.task, NULL, 0, ROWS, batch_answers(&part.task));
        part.view = lm_batch_of(&part.batch);
        assert_true(part.view.n < ROWS * len);
        lm_logits(&part.lm, &part.acts, &part.view);
        for (size_t r = 0; r < ROWS; r++)
            for (size_t a = 0; a < full.task.n_answers; a++)
                for (size_t j = 0; j < v; j++)
                    assert_near(part.acts.logits[(r * full.task.n_answers + a) * v + j],
                                want[(r * len + first + a) * v + j], 1e-11);
        arena_close(&full.arena);
        arena_close(&part.arena);
    }
}

static void gradients_do_not_depend_on_sharing(void **state)
{
    struct bench s;
    static double want[1 << 16];
    size_t at = 0;

    (void)state;
    open_bench(&s, "modadd", LM_RELU, 2, (struct batch_read){0, 0});
    loss_of(&s);
    lm_backward(&s.lm, &s.acts, &s.view, 1);
    for (size_t k = 0; k < s.lm.n_params; at += s.lm.param[k++].n)
        memcpy(want + at, s.lm.param[k].grad, s.lm.param[k].n * sizeof *want);
    grads_zero(s.lm.param, s.lm.n_params);
    batch_build_dense(&s.batch, &s.task, 3, ROWS, batch_answers(&s.task));
    s.view = lm_batch_of(&s.batch);
    loss_of(&s);
    lm_backward(&s.lm, &s.acts, &s.view, 1);
    at = 0;
    for (size_t k = 0; k < s.lm.n_params; at += s.lm.param[k++].n)
        for (size_t j = 0; j < s.lm.param[k].n; j++)
            assert_near(s.lm.param[k].grad[j], want[at + j], 1e-10);
    arena_close(&s.arena);
}

static void logits_do_not_depend_on_the_rest_of_the_batch(void **state)
{
    struct bench s;
    double alone[P + 4];
    const uint32_t one[] = {17}, many[] = {40, 2, 17, 16, 18, 30};

    (void)state;
    open_bench(&s, "modadd", LM_GELU, 2, (struct batch_read){0, 0});
    batch_build(&s.batch, &s.task, one, 0, 1, batch_answers(&s.task));
    s.view = lm_batch_of(&s.batch);
    lm_logits(&s.lm, &s.acts, &s.view);
    memcpy(alone, s.acts.logits, sizeof alone);
    batch_build(&s.batch, &s.task, many, 0, 6, batch_answers(&s.task));
    s.view = lm_batch_of(&s.batch);
    lm_logits(&s.lm, &s.acts, &s.view);
    for (size_t j = 0; j < P + 4; j++)
        assert_near(s.acts.logits[2 * (P + 4) + j], alone[j], 1e-12);
    arena_close(&s.arena);
}

static void the_stream_is_the_sum_of_its_branches(void **state)
{
    struct bench s;
    const size_t d = 12;

    (void)state;
    open_bench(&s, "modadd", LM_RELU, 3, (struct batch_read){0, 5});
    lm_forward(&s.lm, &s.acts, &s.view, 3);
    for (size_t l = 0; l < 3; l++) {
        const struct lm_block_acts *a = &s.acts.block[l];

        if (l > 0)
            assert_ptr_equal(a->x, s.acts.block[l - 1].out);
        for (size_t i = 0; i < a->rows; i++) {
            size_t from = a->sel ? (size_t)a->sel[i] : i;

            for (size_t j = 0; j < d; j++)
                assert_near(a->out[i * d + j],
                            a->x[from * d + j] + a->attn_out[i * d + j] + a->mlp_out[i * d + j],
                            1e-12);
        }
    }
    arena_close(&s.arena);
}

static void memory_used_is_memory_planned(void **state)
{
    struct bench s;
    size_t read;

    (void)state;
    open_bench(&s, "copy", LM_GELU, 2, (struct batch_read){0, 0});
    read = task_bytes(&s.task) + batch_bytes(40, s.task.len, s.task.n_answers) +
           lm_bytes(&s.lm.cfg, true) +
           lm_acts_bytes(&s.lm.cfg, 40 * s.task.len, 40 * s.task.n_answers, true);
    assert_int_equal(s.arena.peak, read);
    arena_close(&s.arena);
}

/* A patch that writes back what it finds changes nothing; one that writes zeros does. */
static size_t n_patched;
static void leave(void *ctx, real *rows, const int32_t *node, size_t n)
{
    (void)node;
    n_patched += n;
    for (size_t i = 0; *(bool *)ctx && i < n * 12; i++)
        rows[i] = 0;
}

static void a_patch_that_changes_nothing_leaves_the_logits(void **state)
{
    static const enum lm_hook hooks[] = {LM_HOOK_RESID_PRE, LM_HOOK_ATTN_OUT, LM_HOOK_LN2_NORMALIZED,
                                         LM_HOOK_MLP_OUT, LM_HOOK_RESID_POST};
    bool is_zero = false;
    struct bench s;

    (void)state;
    assert_int_equal(ARRAY_LEN(hooks), LM_HOOK_COUNT);
    open_bench(&s, "modadd", LM_GELU, 2, (struct batch_read){0, 0});
    double own = loss_of(&s);
    for (size_t i = 0; i < 2 * ARRAY_LEN(hooks); i++) {
        const struct lm_patch p = {.layer = i % 2, .hook = hooks[i / 2], .rewrite = leave, .ctx = &is_zero};

        n_patched = 0;
        is_zero = false;
        s.acts.patch = &p;
        assert_near(loss_of(&s), own, 1e-12);
        assert_true(n_patched >= ROWS);
        is_zero = true;
        assert_true(fabs(loss_of(&s) - own) > 1e-3);
    }
    arena_close(&s.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_of_every_parameter_are_exact),
        cmocka_unit_test(the_loss_starts_near_log_of_the_vocabulary),
        cmocka_unit_test(a_future_token_never_moves_an_earlier_output),
        cmocka_unit_test(shared_prefixes_and_answers_only_give_the_full_pass),
        cmocka_unit_test(gradients_do_not_depend_on_sharing),
        cmocka_unit_test(logits_do_not_depend_on_the_rest_of_the_batch),
        cmocka_unit_test(the_stream_is_the_sum_of_its_branches),
        cmocka_unit_test(memory_used_is_memory_planned),
        cmocka_unit_test(a_patch_that_changes_nothing_leaves_the_logits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
