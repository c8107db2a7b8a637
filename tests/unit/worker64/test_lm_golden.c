/* The transformer and its training against numbers that PyTorch computed in float64.
 *
 * p = 7, 2 blocks of 3 heads of 4, MLP of 20; entry j of parameter i (order of lm.h, layout of
 * files) is 0.5 sin(0.1 + 0.7 j + 1.3 i).  Full batches of all 49 pairs; AdamW, lr 1e-2, betas
 * 0.9 and 0.98, weight decay 0.5: the gradient at the start and the losses of six steps.
 */
#include "tests/lib/check.h"

#include "worker/lm/lm_batch.h"
#include "worker/nn/adam.h"

enum { N = 49, STEPS = 6, D = 12, H = 3, E = 4 };

static const struct golden {
    const char *task;
    enum lm_act act;
    double norm, dw_q; /* of the whole gradient; of blocks.0.attn.W_Q[1][0][2] */
    double loss[STEPS];
} golden[] = {
    {"modadd", LM_RELU, 6.6277811791678, -5.8114320332094e-05,
     {2.7968902715866, 2.3596944763495, 2.3042372674352, 2.2668025207891, 2.2331304327617,
      2.2046811828016}},
    {"modadd", LM_GELU, 5.7451705107645, -7.5478422350532e-05,
     {2.7298017831929, 2.334722859723, 2.2975698581283, 2.2615687779837, 2.2284750570997,
      2.2000871725935}},
    {"modadd_husai", LM_GELU, 2.2808604573722, -9.3227585561823e-06,
     {2.8073269438157, 2.4102037369743, 2.3063771778827, 2.2604366557861, 2.2235245286148,
      2.1934243263627}},
};

static void fill(struct lm *m)
{
    for (size_t i = 0; i < m->n_params; i++) {
        struct param *p = &m->param[i];

        for (size_t j = 0; j < p->n; j++) {
            size_t h = j / (D * E), c = j / E % D, e = j % E;
            size_t to = lm_param_is_per_head(p) ? c * H * E + h * E + e : j;

            p->data[to] = 0.5 * sin(0.1 + 0.7 * (double)j + 1.3 * (double)i);
        }
    }
}

static void check(const struct golden *g, struct arena *a)
{
    struct adam o = {.lr = 1e-2, .beta1 = 0.9, .beta2 = 0.98, .eps = 1e-8, .wd = 0.5};
    struct task t;
    struct batch batch;
    struct lm m;
    struct lm_acts s;

    task_plan(&t, g->task, 7, 0);
    task_make(&t, 0, "golden", a);
    struct lm_cfg c = {.n_layers = 2, .d_model = D, .n_heads = H, .d_head = E, .d_mlp = 20,
                       .n_ctx = t.len, .n_vocab = t.n_vocab, .act = g->act, .ln_eps = 1e-5};
    batch_init(&batch, &t, N, batch_answers(&t), a);
    batch_build(&batch, &t, NULL, 0, N, batch_answers(&t));
    struct lm_batch b = lm_batch_of(&batch);
    lm_init(&m, &c, true, a);
    lm_acts_init(&s, &c, b.n, N, true, a);
    fill(&m);
    for (int i = 0; i < STEPS; i++) {
        grads_zero(m.param, m.n_params);
        assert_near(lm_loss(&m, &s, &b, NULL) / N, g->loss[i], 1e-11);
        lm_backward(&m, &s, &b, 1.0 / N);
        if (i == 0) {
            assert_near(grads_clip(m.param, m.n_params, 0), g->norm, 1e-11);
            assert_near(m.g.block[0].w_q[1 * E + 2], g->dw_q, 1e-15);
        }
        adam_step(&o, m.param, m.n_params, o.lr);
    }
}

static void six_steps_give_the_losses_that_pytorch_gives(void **state)
{
    struct err e;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(golden); i++) {
        struct arena a;

        assert_ok(arena_open(&a, "golden", 1 << 24, &e), e);
        check(&golden[i], &a);
        arena_close(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(six_steps_give_the_losses_that_pytorch_gives),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
