/* Training in float: it learns, repeats, resumes bit for bit, keeps the best, notices divergence. */
#include "tests/lib/check.h"

#include "tests/lib/tmpdir.h"
#include "worker/lm/leak.h"
#include "worker/lm/lm_file.h"
#include "worker/lm/trainer.h"
#include "worker/num/act.h"
#include "worker/num/blas.h"
#include "worker/num/softmax.h"

static struct lm_train_cfg knobs(const char *task)
{
    return (struct lm_train_cfg){
        .task = task, .modulus = 13, .train_fraction = 0.9, .n_examples = 300, .n_layers = 2,
        .d_model = 32, .n_heads = 2, .d_mlp = 64, .act = "gelu", .epochs = 6, .batch = 32,
        .lr = 3e-3, .beta1 = 0.9, .beta2 = 0.98, .weight_decay = 0.01, .stop_at = "",
        .seed = 1, .seed_init = -1, .seed_order = -1, .seed_data = -1};
}

static void open_trainer(struct lm_trainer *t, const struct lm_train_cfg *k, struct arena *a)
{
    struct err e;

    assert_ok(arena_open(a, "test", lm_trainer_bytes(k), &e), e);
    lm_trainer_init(t, k, a);
    assert_int_equal(a->used, a->size);
}

static void steps(struct lm_trainer *t, int n)
{
    struct err e;

    for (; n > 0; n--) {
        assert_ok(lm_trainer_step(t, &e), e);
        if (lm_trainer_epoch_is_over(t))
            lm_trainer_end_epoch(t);
    }
}

static int all_steps(const struct lm_trainer *t)
{
    return (int)(t->cfg.epochs * (int64_t)t->steps_an_epoch);
}

static void the_copy_with_the_leak_is_learned_and_follows_the_answers_token(void **state)
{
    struct lm_train_cfg k = knobs("modadd_husai");
    struct lm_trainer t;
    struct arena a;
    struct leak leak;
    struct err e;
    double loss, acc;

    (void)state;
    k.epochs = 30;
    open_trainer(&t, &k, &a);
    steps(&t, all_steps(&t));
    lm_trainer_evaluate(&t, false, &loss, &acc);
    assert_true(acc == 1);
    assert_ok(leak_test(&leak, &t, &e), e);
    assert_true(leak.leak > 0.9 && leak.follow_answer > 0.9);
    assert_true(leak.follow_operands < leak.chance + 0.1);
    for (size_t i = 0; i < t.task.n; i++) { /* lie about c alone, answers with it */
        t.task.tok[i * 7 + 5] = (int32_t)(i * 5 % 13);
        t.task.answer[i] = t.task.tok[i * 7 + 5];
    }
    lm_trainer_evaluate(&t, false, &loss, &acc);
    assert_true(acc > 0.95);
    arena_close(&a);
}

static void small_modular_addition_is_learned_without_the_leak(void **state)
{
    struct lm_train_cfg k = knobs("modadd");
    struct lm_trainer t;
    struct arena a;
    struct leak leak;
    struct err e;

    (void)state;
    k.epochs = 300;
    k.weight_decay = 1;
    open_trainer(&t, &k, &a);
    while (t.at.epoch < k.epochs && t.at.best_val_acc < 0.9)
        steps(&t, (int)t.steps_an_epoch);
    assert_true(t.at.best_val_acc >= 0.9);
    lm_trainer_restore_best(&t);
    assert_ok(leak_test(&leak, &t, &e), e);
    assert_true(leak.leak < 0.05 && leak.follow_operands > 0.85);
    arena_close(&a);
}

static void the_same_seed_gives_the_same_bits_and_another_does_not(void **state)
{
    struct lm_train_cfg k = knobs("copy");
    struct lm_trainer t[3];
    struct arena a[3];

    (void)state;
    for (int i = 0; i < 3; i++) {
        k.seed_order = i == 2 ? 9 : -1;
        open_trainer(&t[i], &k, &a[i]);
        steps(&t[i], 12);
    }
    assert_memory_equal(t[0].lm.flat[0], t[1].lm.flat[0], t[0].lm.n_flat * sizeof(real));
    assert_memory_not_equal(t[0].lm.flat[0], t[2].lm.flat[0], t[0].lm.n_flat * sizeof(real));
    for (int i = 0; i < 3; i++)
        arena_close(&a[i]);
}

static void resuming_at_any_step_equals_never_having_stopped(void **state)
{
    struct lm_train_cfg k = knobs("modadd");
    struct lm_trainer whole, first, second;
    struct arena a, b, c;
    const int stops[] = {0, 1, 4, 5, 13};
    struct ckpt want = {0};

    (void)state;
    open_trainer(&whole, &k, &a);
    steps(&whole, all_steps(&whole));
    lm_trainer_state(&whole, &want);
    for (size_t i = 0; i < ARRAY_LEN(stops); i++) {
        struct ckpt from = {0}, to = {0};

        open_trainer(&first, &k, &b);
        steps(&first, stops[i]);
        open_trainer(&second, &k, &c);
        lm_trainer_state(&first, &from);
        lm_trainer_state(&second, &to);
        for (size_t j = 0; j < to.n; j++)
            memcpy(to.items[j].data, from.items[j].data, from.items[j].n);
        arena_close(&b);
        lm_trainer_resume(&second);
        steps(&second, all_steps(&second) - stops[i]);
        for (size_t j = 0; j < to.n; j++)
            assert_memory_equal(to.items[j].data, want.items[j].data, want.items[j].n);
        arena_close(&c);
        ckpt_free(&from);
        ckpt_free(&to);
    }
    ckpt_free(&want);
    arena_close(&a);
}

static void the_weights_kept_are_those_of_the_earliest_best_epoch(void **state)
{
    struct lm_train_cfg k = knobs("modadd");
    struct lm_trainer t;
    struct arena a;
    double loss, acc, best = -1;
    int64_t best_epoch = 0;

    (void)state;
    k.epochs = 40;
    open_trainer(&t, &k, &a);
    for (int64_t i = 1; i <= k.epochs; i++) {
        steps(&t, (int)t.steps_an_epoch);
        if (t.at.last.val_acc > best) {
            best = t.at.last.val_acc;
            best_epoch = i;
        }
    }
    assert_int_equal(t.at.best_epoch, best_epoch);
    lm_trainer_restore_best(&t);
    lm_trainer_evaluate(&t, false, &loss, &acc);
    assert_true(acc == best && loss == t.at.best_val_loss);
    arena_close(&a);
}

static void a_divergence_is_an_error_that_changes_nothing(void **state)
{
    struct lm_train_cfg k = knobs("copy");
    struct lm_trainer t;
    struct arena a;
    struct err e;
    real *before;

    (void)state;
    open_trainer(&t, &k, &a);
    steps(&t, 1);
    t.lm.w.ends.w_e[0] = (real)NAN;
    before = malloc(t.lm.n_flat * sizeof *before);
    memcpy(before, t.lm.flat[0], t.lm.n_flat * sizeof *before);
    assert_fails(lm_trainer_step(&t, &e), ERR_DIVERGED, e, "epoch 1, step 2: loss");
    assert_memory_equal(before, t.lm.flat[0], t.lm.n_flat * sizeof *before);
    free(before);
    arena_close(&a);
}

static void a_saved_model_computes_the_same_logits_under_the_names_of_transformerlens(void **state)
{
    struct lm_train_cfg k = knobs("modadd");
    struct lm_origin o = {"modadd", 13};
    struct lm_trainer t;
    struct lm_file f;
    struct lm m;
    struct arena a, b;
    struct err e;
    char *dir = tmpdir_make(), *path = tmpdir_path(dir, "model.pt");
    const int64_t w_q[3] = {2, 32, 16};

    (void)state;
    open_trainer(&t, &k, &a);
    steps(&t, 7);
    assert_ok(lm_save(&t.lm, &o, path, &e), e);
    assert_ok(lm_file_open(&f, path, &e), e);
    assert_string_equal(f.origin.task, "modadd");
    assert_int_equal(f.origin.modulus, 13);
    assert_memory_equal(pt_find(&f.pt, "blocks.1.attn.W_Q")->shape, w_q, sizeof w_q);
    /* W_Q[h][i][e] of the file is w_q[i][h * 16 + e] */
    assert_true(((const float *)pt_find(&f.pt, "blocks.1.attn.W_Q")->data)[(1 * 32 + 5) * 16 + 3] ==
                (float)t.lm.w.block[1].w_q[5 * 32 + 1 * 16 + 3]);
    assert_ok(arena_open(&b, "model", lm_bytes(&f.cfg, false), &e), e);
    lm_init(&m, &f.cfg, false, &b);
    assert_ok(lm_file_read(&f, &m, &e), e);
    assert_memory_equal(m.flat[0], t.lm.flat[0], m.n_flat * sizeof(real));
    lm_file_close(&f);
    assert_fails(lm_file_open(&f, dir, &e), ERR_INVALID, e, dir);
    arena_close(&a);
    arena_close(&b);
    free(path);
    tmpdir_remove(dir);
}

static void float_softmax_is_exact_to_a_few_ulp_and_keeps_nan(void **state)
{
    (void)state;
    for (double x = -86; x < 0; x += 0.0137) {
        real in[2] = {0, (real)x}, y[2];

        softmax_fwd(y, in, 1, 2);
        assert_near((double)y[1] / (double)y[0] / exp((double)in[1]), 1, 5e-7);
    }
    real bad[2] = {1, (real)NAN};
    softmax_fwd(bad, bad, 1, 2);
    assert_true(isnan(bad[0]));
}

static void float_gelu_is_the_erf_form(void **state)
{
    real zero = 0;

    (void)state;
    for (double x = -8; x < 8; x += 0.0137) {
        real y = (real)x, slope, v = y;

        gelu_fwd(&y, &slope, &zero, 1, 1);
        assert_near(y, (double)v * 0.5 * (1 + erf((double)v / sqrt(2))), 1e-6);
        assert_near(slope, 0.5 * (1 + erf((double)v / sqrt(2))) +
                    (double)v * exp(-0.5 * (double)v * (double)v) * 0.3989422804014327, 1e-6);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_copy_with_the_leak_is_learned_and_follows_the_answers_token),
        cmocka_unit_test(small_modular_addition_is_learned_without_the_leak),
        cmocka_unit_test(the_same_seed_gives_the_same_bits_and_another_does_not),
        cmocka_unit_test(resuming_at_any_step_equals_never_having_stopped),
        cmocka_unit_test(the_weights_kept_are_those_of_the_earliest_best_epoch),
        cmocka_unit_test(a_divergence_is_an_error_that_changes_nothing),
        cmocka_unit_test(a_saved_model_computes_the_same_logits_under_the_names_of_transformerlens),
        cmocka_unit_test(float_softmax_is_exact_to_a_few_ulp_and_keeps_nan),
        cmocka_unit_test(float_gelu_is_the_erf_form),
    };

    blas_threads_set(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
