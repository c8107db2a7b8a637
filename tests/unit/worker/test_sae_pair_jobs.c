/* Rows of two hooks and what is trained on them: a pair of SAEs around an MLP, transcoders, evaluation
 * with a transcoder in the place of the MLP. */
#include "tests/unit/worker/jobs.h"

#include "worker/nn/pt.h"

#define TRAIN "\"d_sae\": 24, \"k\": 3, \"batch\": 32, \"lr\": 1e-3, \"steps\": 60"
#define AROUND "\"layer\": 0, \"hook\": \"ln2_normalized\", \"hook_out\": \"mlp_out\""

static const char *const on_model[] = {"model", "lm", NULL};
static const char *const on_rows[] = {"acts", "rows", "model", "lm", NULL};

static int setup(void **state)
{
    (void)state;
    root = tmpdir_make();
    must_run("lm", "lm_train", "\"modulus\": 11, \"n_layers\": 1, \"d_model\": 12, \"n_heads\": 2, "
             "\"d_mlp\": 20, \"act\": \"gelu\", \"batch\": 64, \"epochs\": 3", NULL);
    must_run("rows", "acts_extract", AROUND, on_model);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tmpdir_remove(root);
    return 0;
}

static void same_tensors(const char *a, const char *b, const char *file)
{
    struct buf path[2] = {{0}, {0}};
    struct pt_file f[2];
    struct err e;

    for (int i = 0; i < 2; i++) {
        buf_fmt(&path[i], "%s/%s/%s", root, i ? b : a, file);
        assert_ok(pt_open(&f[i], path[i].data, &e), e);
    }
    assert_int_equal(f[0].n_tensors, f[1].n_tensors);
    for (size_t t = 0; t < f[0].n_tensors; t++) {
        const struct pt_tensor *x = &f[0].tensors[t], *y = pt_find(&f[1], x->name);
        size_t n = 1;

        for (int d = 0; d < x->n_dims; d++)
            n *= (size_t)x->shape[d];
        assert_memory_equal(x->data, y->data, n * sizeof(float));
    }
    for (int i = 0; i < 2; i++) {
        pt_close(&f[i]);
        buf_free(&path[i]);
    }
}

static void a_stopped_pair_goes_on_with_the_same_bits(void **state)
{
    static const char knobs[] = "\"arch\": \"jsae_pair\", \"clip\": 1, \"l1_warmup\": 30, " TRAIN;
    struct stopper s = {.clock = {counted_us, counted_wall, NULL, &s}, .stop_after = 45};
    struct err e = {0};

    (void)state;
    must_run("whole", "sae_train", knobs, on_rows);
    assert_fails(run("parts", "sae_train", knobs, on_rows, &s, &e), ERR_STOPPED, e, "stopped");
    must_run("parts", "sae_train", knobs, on_rows);
    same_tensors("whole", "parts", "checkpoints/sae.pt");
    same_tensors("whole", "parts", "checkpoints/sae_out.pt");
    assert_near(metric("whole", "jacobian_mean"), metric("parts", "jacobian_mean"), 0);
    assert_near(metric("whole", "ev_out"), metric("parts", "ev_out"), 0);
}

static void the_penalty_makes_the_jacobian_sparser(void **state)
{
    (void)state;
    must_run("free", "sae_train", "\"arch\": \"jsae_pair\", \"jacobian\": 0, \"d_sae\": 24, \"k\": 4, "
             "\"batch\": 64, \"lr\": 3e-3, \"steps\": 500", on_rows);
    must_run("held", "sae_train", "\"arch\": \"jsae_pair\", \"jacobian\": 3, \"d_sae\": 24, \"k\": 4, "
             "\"batch\": 64, \"lr\": 3e-3, \"steps\": 500", on_rows);
    assert_true(metric("free", "ev_out") > 0.7 && metric("free", "ev") > 0.7);
    assert_true(metric("held", "jacobian_mean") < 0.6 * metric("free", "jacobian_mean"));
    assert_true(metric("held", "ev_out") > 0.5);
}

static void a_transcoder_stands_in_for_the_mlp(void **state)
{
    const char *const on_tc[] = {"sae", "tc", "acts", "rows", "model", "lm", NULL};
    const char *const rows_only[] = {"acts", "rows", NULL};

    (void)state;
    must_run("tc", "sae_train", "\"arch\": \"skip_transcoder\", \"d_sae\": 96, \"k\": 12, \"batch\": 64, "
             "\"lr\": 5e-3, \"steps\": 1500", rows_only);
    must_run("tc_eval", "sae_eval", "", on_tc);
    assert_near(metric("tc_eval", "ev"), metric("tc", "ev"), 1e-5); /* two programs' inference */
    assert_true(metric("tc_eval", "ev") > 0.9);
    assert_true(metric("tc_eval", "ce_score") > 0.8);
    assert_true(fabs(metric("tc_eval", "acc_sae") - metric("tc_eval", "acc_orig")) < 0.1);
}

static void rows_that_do_not_belong_together_are_refused(void **state)
{
    const char *const other_share[] = {"acts", "rows", "target", "half", NULL};
    const char *const other_position[] = {"acts", "rows", "target", "at_bos", NULL};
    const char *const aligned[] = {"acts", "rows", "target", "again", NULL};
    const char *const no_model[] = {"acts", "rows", NULL};
    const char *const one_hook[] = {"acts", "again", "target", "rows", "model", "lm", NULL};
    struct err e = {0};

    (void)state;
    must_run("half", "acts_extract", "\"layer\": 0, \"hook\": \"mlp_out\", \"data_fraction\": 0.5", on_model);
    must_run("at_bos", "acts_extract", "\"layer\": 0, \"hook\": \"mlp_out\", \"position\": \"bos\"", on_model);
    must_run("again", "acts_extract", "\"layer\": 0, \"hook\": \"mlp_out\"", on_model);
    assert_fails(run("bad_a", "sae_train", "\"arch\": \"transcoder\", " TRAIN, other_share, NULL, &e),
                 ERR_INVALID, e, "acts has");
    assert_fails(run("bad_b", "sae_train", "\"arch\": \"transcoder\", " TRAIN, other_position, NULL, &e),
                 ERR_INVALID, e, "another position");
    assert_fails(run("bad_c", "sae_train", "\"arch\": \"jsae_pair\", " TRAIN, no_model, NULL, &e),
                 ERR_INVALID, e, "needs the model");
    assert_fails(run("bad_d", "sae_train", "\"arch\": \"jsae_pair\", " TRAIN, one_hook, NULL, &e),
                 ERR_INVALID, e, "goes around an MLP");
    assert_fails(run("bad_e", "sae_train", "\"arch\": \"jsae_pair\", \"normalize\": \"layer_norm\", " TRAIN,
                     on_rows, NULL, &e), ERR_INVALID, e, "normalize: has no meaning for a pair");
    must_run("one", "sae_train", "\"arch\": \"transcoder\", " TRAIN, no_model);
    must_run("two", "sae_train", "\"arch\": \"transcoder\", " TRAIN, aligned);
    same_tensors("one", "two", "checkpoints/sae.pt"); /* hook_out and target say the same */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stopped_pair_goes_on_with_the_same_bits),
        cmocka_unit_test(the_penalty_makes_the_jacobian_sparser),
        cmocka_unit_test(a_transcoder_stands_in_for_the_mlp),
        cmocka_unit_test(rows_that_do_not_belong_together_are_refused),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
