/* Trainings as the runner does them: every knob resumes, odd inputs, transcoders, consistency. */
#include "tests/unit/worker/jobs.h"

#include "worker/nn/pt.h"

#define TRAIN "\"d_sae\": 24, \"k\": 3, \"batch\": 64, \"lr\": 1e-3, \"steps\": 60"

static const char *const on_data[] = {"acts", "data", NULL};

static int setup(void **state)
{
    (void)state;
    root = tmpdir_make();
    must_run("data", "data_make", "\"n_rows\": 500, \"d_model\": 8, \"n_atoms\": 12", NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tmpdir_remove(root);
    return 0;
}

static void whatever_is_trained_resumes_with_the_same_bits(void **state)
{
    static const char *const knobs[] = {
        "\"arch\": \"batchtopk\", \"aux\": \"auxk\", \"dead_rows\": 100, " TRAIN,
        "\"arch\": \"gba\", \"bias_every\": 7, \"normalize\": \"unit_mean_sq\", " TRAIN,
        "\"arch\": \"gated\", \"b_dec_init\": \"geometric_median\", \"l1_warmup\": 40, " TRAIN,
        "\"arch\": \"jumprelu\", \"resample_every\": 9, \"dead_rows\": 100, \"bandwidth\": 0.1, "
        "\"normalize\": \"layer_norm\", " TRAIN,
        "\"arch\": \"topk\", \"consistency\": \"assignment\", \"consistency_lambda\": 0.1, "
        "\"consistency_every\": 7, " TRAIN,
        "\"arch\": \"matryoshka\", \"aligned\": true, \"prefixes\": \"6,24\", " TRAIN,
    };
    const char *const with_ref[] = {"acts", "data", "reference", "ref", NULL};

    (void)state;
    must_run("ref", "sae_train", "\"seed\": 9, " TRAIN, on_data);
    for (size_t i = 0; i < ARRAY_LEN(knobs); i++) {
        const char *const *inputs = strstr(knobs[i], "consistency") ? with_ref : on_data;
        struct stopper s = {.clock = {counted_us, counted_wall, NULL, &s}, .stop_after = 45};
        struct err e = {0};
        char whole[] = "whole0", parts[] = "parts0";

        whole[5] = parts[5] = (char)('0' + i);
        must_run(whole, "sae_train", knobs[i], inputs);
        assert_fails(run(parts, "sae_train", knobs[i], inputs, &s, &e), ERR_STOPPED, e, "stopped");
        must_run(parts, "sae_train", knobs[i], inputs);
        assert_near(metric(whole, "ev"), metric(parts, "ev"), 0);
        assert_near(metric(whole, "loss"), metric(parts, "loss"), 0);
        assert_near(metric(whole, "l0"), metric(parts, "l0"), 0);
    }
}

/* Constant rows, one row, rows of rank one: no crash, no NaN but where a ratio is undefined. */
static void odd_inputs_give_correct_answers(void **state)
{
    static const char *const archs[] = {"topk", "batchtopk", "jumprelu"};
    static const char *const inputs[] = {"constant", "single", "line"};
    float constant[40 * 4], line[40 * 4];

    (void)state;
    for (int i = 0; i < 40 * 4; i++) {
        constant[i] = 0.5F;
        line[i] = (float)(i / 4) * 0.1F * (float)(1 + i % 4);
    }
    put_acts("constant", constant, 40, 4);
    put_acts("single", line + 4, 1, 4);
    put_acts("line", line, 40, 4);
    for (size_t a = 0; a < ARRAY_LEN(archs); a++)
        for (size_t i = 0; i < ARRAY_LEN(inputs); i++) {
            const char *const on[] = {"acts", inputs[i], NULL};
            struct buf knobs = {0}, name = {0};

            buf_fmt(&knobs, "\"arch\": \"%s\", \"aux\": \"%s\", \"dead_rows\": 10, \"d_sae\": 8, "
                    "\"k\": 2, \"batch\": 16, \"lr\": 1e-2, \"steps\": 200",
                    archs[a], a < 2 ? "auxk" : "none");
            buf_fmt(&name, "odd_%s_%s", archs[a], inputs[i]);
            must_run(name.data, "sae_train", knobs.data, on);
            assert_true(isfinite(metric(name.data, "mse")) && isfinite(metric(name.data, "l0")));
            if (i == 2)
                assert_true(metric(name.data, "ev") > 0.5);
            else /* a constant is undefined variance; it is reconstructed all the same */
                assert_true(metric(name.data, "mse") < 0.05);
            buf_free(&knobs);
            buf_free(&name);
        }
}

static void checkpoints_are_written_at_the_steps_asked_for(void **state)
{
    struct buf path = {0};

    (void)state;
    must_run("marks", "sae_train", "\"checkpoints_at\": \"10,60\", " TRAIN, on_data);
    for (int step = 10; step <= 60; step += 50) {
        struct pt_file f;
        struct err e;

        buf_reset(&path);
        buf_fmt(&path, "%s/marks/checkpoints/sae_step%d.pt", root, step);
        assert_ok(pt_open(&f, path.data, &e), e);
        assert_non_null(pt_find(&f, "decoder.weight"));
        for (size_t i = 0; i < f.n_scalars; i++)
            if (!strcmp(f.scalars[i].name, "step"))
                assert_int_equal(f.scalars[i].i, step);
        pt_close(&f);
    }
    buf_free(&path);
}

static void a_transcoder_predicts_another_matrix(void **state)
{
    const char *const inputs[] = {"acts", "from", "target", "to", NULL};
    float x[300 * 4], y[300 * 3];

    (void)state;
    for (int r = 0; r < 300; r++) {
        for (int i = 0; i < 4; i++)
            x[r * 4 + i] = sinf((float)(r * 4 + i) * 1.7F);
        for (int i = 0; i < 3; i++)
            y[r * 3 + i] = 2 * x[r * 4 + i] - x[r * 4 + i + 1] + 1;
    }
    put_acts("from", x, 300, 4);
    put_acts("to", y, 300, 3);
    must_run("tc", "sae_train", "\"arch\": \"transcoder\", \"d_sae\": 16, \"k\": 8, \"lr\": 1e-2, "
             "\"batch\": 64, \"steps\": 600", inputs);
    must_run("skip", "sae_train", "\"arch\": \"skip_transcoder\", \"d_sae\": 16, \"k\": 8, "
             "\"lr\": 1e-2, \"batch\": 64, \"steps\": 600", inputs);
    assert_true(metric("tc", "ev") > 0.8);
    assert_true(metric("skip", "ev") > 0.98); /* the map is linear */
}

static void consistency_moves_a_decoder_towards_its_reference(void **state)
{
    static const char *const rules[] = {"max_cosine", "assignment", "mutual"};
    const char *const inputs[] = {"acts", "data", "reference", "anchor", NULL};
    double without;

    (void)state;
    must_run("anchor", "sae_train", "\"seed\": 5, " TRAIN, on_data);
    must_run("free", "sae_train", TRAIN, on_data);
    const char *const free_pair[] = {"saes", "free", "saes", "anchor", NULL};
    must_run("free_cmp", "sae_compare", "\"n_boot\": 100", free_pair);
    without = metric("free_cmp", "pwmcc_mean");
    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        const char *const pair[] = {"saes", rules[i], "saes", "anchor", NULL};
        struct buf knobs = {0}, cmp = {0};

        buf_fmt(&knobs, "\"consistency\": \"%s\", \"consistency_lambda\": 20, " TRAIN, rules[i]);
        buf_fmt(&cmp, "%s_cmp", rules[i]);
        must_run(rules[i], "sae_train", knobs.data, inputs);
        must_run(cmp.data, "sae_compare", "\"n_boot\": 100", pair);
        assert_true(metric(cmp.data, "pwmcc_mean") > without + 0.03);
        buf_free(&knobs);
        buf_free(&cmp);
    }
}

static void what_does_not_fit_is_an_error_that_says_so(void **state)
{
    const char *const with_ref[] = {"acts", "data", "reference", "ref", NULL};
    const char *const with_target[] = {"acts", "data", "target", "data", NULL};
    const struct {
        const char *knobs;
        const char *const *inputs;
        const char *says;
    } rows[] = {
        {"\"arch\": \"batchtopk\", \"d_sae\": 4, \"k\": 5", on_data, "5 is outside [1, 4]"},
        {"\"arch\": \"matryoshka\", \"prefixes\": \"2,8\", " TRAIN, on_data, "must be d_sae"},
        {"\"consistency\": \"mutual\", " TRAIN, on_data, "needs the input `reference`"},
        {TRAIN, with_ref, "has no effect while consistency is none"},
        {TRAIN, with_target, "does not centre its input"},
        {"\"checkpoints_at\": \"61\", " TRAIN, on_data, "past the last step"},
        {"\"aligned\": true, \"decoder_norm\": \"none\", " TRAIN, on_data, "unit decoder"},
        {"\"arch\": \"transcoder\", \"aligned\": true, " TRAIN, with_target, "reads and writes at different"},
        {"\"arch\": \"transcoder\", \"resample_every\": 9, " TRAIN, with_target, "resampling is for autoenc"},
        {"\"arch\": \"transcoder\", " TRAIN, on_data, "rows of a second hook are needed"},
        {"\"consistency\": \"assignment\", \"d_sae\": 30, \"k\": 3", with_ref, "fewer than d_sae"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err e = {0};
        char name[] = "bad_a";

        name[4] = (char)('a' + i);
        assert_fails(run(name, "sae_train", rows[i].knobs, rows[i].inputs, NULL, &e), ERR_INVALID,
                     e, rows[i].says);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_is_trained_resumes_with_the_same_bits),
        cmocka_unit_test(odd_inputs_give_correct_answers),
        cmocka_unit_test(checkpoints_are_written_at_the_steps_asked_for),
        cmocka_unit_test(a_transcoder_predicts_another_matrix),
        cmocka_unit_test(consistency_moves_a_decoder_towards_its_reference),
        cmocka_unit_test(what_does_not_fit_is_an_error_that_says_so),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
