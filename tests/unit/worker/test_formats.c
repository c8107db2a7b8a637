/* SAE files: what one format writes, it and the others read with the same reconstructions; what it
 * cannot say it refuses; rewritings are exact; inference is the architecture's own. */
#include "tests/lib/check.h"

#include <stdio.h>

#include "common/buf.h"
#include "common/fs.h"
#include "common/rng.h"
#include "tests/lib/tmpdir.h"
#include "worker/nn/pt.h"
#include "worker/sae/format.h"
#include "worker/sae/sae.h"
#include "worker/sae/sae_io.h"

enum { D = 6, F = 9, K = 3, N = 40 };

static const struct sae_format_opts exact = {0};

static void fill(struct sae_model *m, enum sae_act act, bool is_centred)
{
    const struct sae_model shape = {.act = act, .is_centred = is_centred, .d = D, .f = F, .seed = 5,
                                    .k = act == SAE_ACT_TOPK || act == SAE_ACT_TOPK_RAW ? K : 0};
    struct rng r = rng_stream(11, "test");
    struct err e;

    assert_ok(sae_model_new(m, &shape, &e), e);
    snprintf(m->arch, sizeof m->arch, "test");
    for (size_t i = 0; i < F * D; i++) {
        m->enc[i] = (real)rng_normal(&r);
        m->dir[i] = (real)rng_normal(&r);
    }
    for (size_t i = 0; i < F; i++) {
        m->b_enc[i] = (real)(0.3 * rng_normal(&r));
        m->threshold[i] = act == SAE_ACT_JUMPRELU ? (real)(0.1 + 0.05 * (double)i) : 0;
        m->r_mag[i] = act == SAE_ACT_GATED ? (real)(0.2 * rng_normal(&r)) : 0;
        m->b_mag[i] = act == SAE_ACT_GATED ? (real)(0.2 * rng_normal(&r)) : 0;
    }
    for (size_t i = 0; i < D; i++)
        m->b_dec[i] = (real)(0.5 * rng_normal(&r));
}

static const float *rows(void)
{
    static float x[N * D];
    struct rng r = rng_stream(12, "rows");

    for (size_t i = 0; i < N * D; i++)
        x[i] = (float)rng_normal(&r);
    return x;
}

/* x_hat of the rows, [N,D] */
static void reconstruct(real *out, const struct sae_model *m)
{
    struct arena a;
    struct sae_infer w;
    struct err e;

    assert_ok(arena_open(&a, "test", sae_infer_bytes(m, N), &e), e);
    sae_infer_new(&w, m, N, &a);
    assert_true(sae_infer_run(&w, rows(), N));
    memcpy(out, w.xhat, N * D * sizeof *out);
    arena_close(&a);
}

static void same(const real *a, const real *b, double tol, const char *what)
{
    for (size_t i = 0; i < N * D; i++)
        if (!(fabs((double)a[i] - (double)b[i]) <= tol))
            fail_msg("%s: x_hat[%zu]: %g and %g", what, i, (double)a[i], (double)b[i]);
}

/* --- round trips -------------------------------------------------------------------------------- */

static const struct {
    enum sae_act act;
    bool is_centred, has_b_dec;
    const char *formats; /* that can say it */
} cases[] = {
    {SAE_ACT_RELU, true, true, "saegrid saelens dictionary_learning safetensors"},
    {SAE_ACT_RELU, false, true, "saegrid saelens dictionary_learning safetensors"},
    {SAE_ACT_RELU, false, false, "saegrid saelens dictionary_learning safetensors husai"},
    {SAE_ACT_TOPK, true, true, "saegrid saelens dictionary_learning safetensors"},
    {SAE_ACT_TOPK_RAW, false, false, "saegrid safetensors husai"},
    {SAE_ACT_JUMPRELU, true, true, "saegrid saelens dictionary_learning safetensors"},
    {SAE_ACT_GATED, true, true, "saegrid saelens dictionary_learning safetensors"},
    {SAE_ACT_GATED, false, true, "saegrid saelens dictionary_learning safetensors"},
    {SAE_ACT_LINEAR, true, true, "saegrid safetensors"},
};

static void through_file(const char *dir, size_t i, const struct sae_format *f)
{
    struct sae_model m, back;
    real want[N * D], got[N * D];
    char path[512], what[128];
    bool can_say = strstr(cases[i].formats, f->name) != NULL;
    struct err e;

    fill(&m, cases[i].act, cases[i].is_centred);
    if (!cases[i].has_b_dec)
        memset(m.b_dec, 0, D * sizeof *m.b_dec);
    reconstruct(want, &m);
    snprintf(what, sizeof what, "%s, centred %d, as %s", sae_act_name(m.act), m.is_centred, f->name);
    snprintf(path, sizeof path, "%s/%zu-%s%s", dir, i, f->name,
             !strcmp(f->name, "safetensors") ? ".safetensors" : strchr("sd", f->name[0]) &&
             strcmp(f->name, "saegrid") ? "" : ".pt");
    enum err_code rc = sae_format_write(&m, path, f->name, &exact, &e);
    if (!rc != can_say)
        fail_msg("%s: %s", what, rc ? e.text : "was written");
    if (!rc) {
        assert_ok(sae_format_read(&back, path, "auto", &exact, &e), e);
        reconstruct(got, &back);
        same(want, got, 2e-5, what);
        sae_model_free(&back);
    }
    sae_model_free(&m);
}

static void test_each_format_says_what_it_can_and_refuses_the_rest(void **state)
{
    char *dir = tmpdir_make();
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        for (size_t f = 0; sae_format_at(f); f++)
            through_file(dir, i, sae_format_at(f));
    tmpdir_remove(dir);
}

static void test_scales_and_rescaling_survive_where_they_can(void **state)
{
    static const enum sae_scale scales[] = {SAE_SCALE_CONSTANT_NORM, SAE_SCALE_LAYER_NORM};
    char *dir = tmpdir_make(), *lens = tmpdir_path(dir, "lens"), *own = tmpdir_path(dir, "own.pt");
    char *dl = tmpdir_path(dir, "dl");
    real want[N * D], got[N * D];
    struct sae_model m, back;
    struct err e;
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(scales); i++) {
        fill(&m, SAE_ACT_TOPK, true);
        m.scale = scales[i];
        m.is_rescaled = true;
        reconstruct(want, &m);
        assert_ok(sae_format_write(&m, lens, "saelens", &exact, &e), e);
        assert_ok(sae_format_write(&m, own, "saegrid", &exact, &e), e);
        assert_fails(sae_format_write(&m, dl, "dictionary_learning", &exact, &e), ERR_INVALID, e,
                     sae_scale_name(scales[i]));
        for (int k = 0; k < 2; k++) {
            assert_ok(sae_format_read(&back, k ? own : lens, "auto", &exact, &e), e);
            reconstruct(got, &back);
            same(want, got, 0, "scaled");
            sae_model_free(&back);
        }
        sae_model_free(&m);
    }
    free(lens);
    free(own);
    free(dl);
    tmpdir_remove(dir);
}

/* --- rewritings --------------------------------------------------------------------------------- */

static void test_rewritings_leave_the_reconstruction_alone(void **state)
{
    static const enum sae_act acts[] = {SAE_ACT_RELU, SAE_ACT_TOPK, SAE_ACT_JUMPRELU, SAE_ACT_GATED};
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(acts); i++) {
        struct sae_model m;
        real want[N * D], got[N * D];

        fill(&m, acts[i], true);
        m.is_rescaled = acts[i] == SAE_ACT_TOPK;
        reconstruct(want, &m);
        sae_model_centre(&m, false);
        assert_false(m.is_centred);
        reconstruct(got, &m);
        same(want, got, 2e-5, "not centred");
        sae_model_fold_norms(&m);
        for (size_t f = 0; f < F; f++)
            assert_near(sae_model_norm(&m, f), 1, 1e-6);
        reconstruct(got, &m);
        same(want, got, 2e-5, "unit directions");
        sae_model_free(&m);
    }
}

static void test_infers_as_the_architectures_of_this_program_do(void **state)
{
    static const char *const archs[] = {"topk", "topk_husai", "relu", "linear"};
    char *dir = tmpdir_make(), *path = tmpdir_path(dir, "sae.pt");
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(archs); i++) {
        struct sae_cfg cfg = {.arch = sae_arch_find(archs[i]), .d = D, .f = F, .k = K,
                              .is_tied = true};
        struct rng r = rng_stream(3, "bias");
        double mean[D] = {0.1, -0.2, 0.3, 0, 0.5, -0.1};
        real x[N * D], got[N * D];
        struct sae_work work;
        struct sae_model m;
        struct arena a;
        struct sae s;
        struct err e;

        assert_ok(sae_cfg_check(&cfg, &e), e);
        assert_ok(arena_open(&a, "t", sae_bytes(&cfg) + sae_work_bytes(&cfg, N), &e), e);
        sae_new(&s, &cfg, &a);
        sae_work_new(&work, &cfg, N, &a);
        sae_init(&s, 4, mean);
        for (size_t f = 0; f < F; f++)
            s.p[SAE_B_ENC].data[f] = (real)(0.2 * rng_normal(&r));
        for (size_t k = 0; k < N * D; k++)
            x[k] = (real)rows()[k];
        assert_true(sae_forward(&s, &work, x, N));
        assert_ok(sae_save(path, &s, 4, &e), e);
        assert_ok(sae_format_read(&m, path, "auto", &exact, &e), e);
        assert_int_equal(m.seed, 4);
        reconstruct(got, &m);
        same(work.xhat, got, 1e-6, archs[i]);
        sae_model_free(&m);
        arena_close(&a);
    }
    free(path);
    tmpdir_remove(dir);
}

/* --- HUSAI's three layouts, and what is refused -------------------------------------------------- */

static void test_husai_layouts_read_alike_and_ask_for_what_they_do_not_say(void **state)
{
    static const char *const groups[] = {"", "model_state_dict/", "sae_state_dict/"};
    char *dir = tmpdir_make(), *path = tmpdir_path(dir, "h.pt");
    const struct sae_format_opts with_k = {.k = K}, relu = {.arch = "relu"};
    real want[N * D], got[N * D];
    float enc[F * D], dec[D * F], bias[F];
    struct sae_model m, back;
    struct err e;
    (void)state;

    fill(&m, SAE_ACT_TOPK_RAW, false);
    memset(m.b_dec, 0, D * sizeof *m.b_dec);
    reconstruct(want, &m);
    for (size_t i = 0; i < F; i++) {
        for (size_t c = 0; c < D; c++) {
            enc[i * D + c] = (float)m.enc[i * D + c];
            dec[c * F + i] = (float)m.dir[i * D + c];
        }
        bias[i] = (float)m.b_enc[i];
    }
    for (size_t g = 0; g < ARRAY_LEN(groups); g++) {
        char names[3][64];
        snprintf(names[0], 64, "%sencoder.weight", groups[g]);
        snprintf(names[1], 64, "%sencoder.bias", groups[g]);
        snprintf(names[2], 64, "%sdecoder.weight", groups[g]);
        const struct pt_tensor t[] = {{names[0], PT_F32, 2, {F, D}, enc},
                                      {names[1], PT_F32, 1, {F}, bias},
                                      {names[2], PT_F32, 2, {D, F}, dec}};
        assert_ok(pt_write(path, t, 3, NULL, 0, &e), e);
        assert_fails(sae_format_read(&back, path, "husai", &exact, &e), ERR_INVALID, e, "give k");
        assert_ok(sae_format_read(&back, path, "husai", &with_k, &e), e);
        assert_int_equal(back.act, SAE_ACT_TOPK_RAW);
        reconstruct(got, &back);
        same(want, got, 0, groups[g]);
        sae_model_free(&back);
        assert_ok(sae_format_read(&back, path, "auto", &relu, &e), e);
        assert_int_equal(back.act, SAE_ACT_RELU);
        sae_model_free(&back);
    }
    sae_model_free(&m);
    free(path);
    tmpdir_remove(dir);
}

static void test_cfg_that_would_change_results_is_refused(void **state)
{
    static const char *const lies[][3] = {
        {"\"standard\"", "\"temporal\"", "architecture"},
        {"\"none\",\n  \"reshape", "\"covariance_whitening\",\n  \"reshape", "normalize_activations"},
        {"activations\": \"none\",\n  \"metadata", "activations\": \"hook_z\",\n  \"metadata", "hook_z"},
        {"\"d_in\": 6", "\"d_in\": 9", "W_enc"},
        {"\"d_sae\": 9", "\"d_sae\": 0", "d_sae"},
        {"{", "[", "cfg.json"},
    };
    char *dir = tmpdir_make(), *lens = tmpdir_path(dir, "lens"), *cfg = tmpdir_path(dir, "lens/cfg.json");
    struct sae_model m, back;
    struct buf good = {0};
    struct err e;
    (void)state;

    fill(&m, SAE_ACT_RELU, true);
    assert_ok(sae_format_write(&m, lens, "saelens", &exact, &e), e);
    assert_ok(fs_read(cfg, 1 << 20, &good, &e), e);
    for (size_t i = 0; i < ARRAY_LEN(lies); i++) {
        const char *at = strstr(good.data, lies[i][0]);
        struct buf bad = {0};

        assert_non_null(at);
        buf_add(&bad, good.data, (size_t)(at - good.data));
        buf_str(&bad, lies[i][1]);
        buf_str(&bad, at + strlen(lies[i][0]));
        assert_ok(fs_replace(cfg, bad.data, bad.len, &e), e);
        enum err_code rc = sae_format_read(&back, lens, "auto", &exact, &e);
        if (!rc || !strstr(e.text, lies[i][2]))
            fail_msg("%s: %s", lies[i][1], rc ? e.text : "was taken");
        buf_free(&bad);
    }
    buf_free(&good);
    sae_model_free(&m);
    assert_fails(sae_format_read(&back, "/nonexistent", "auto", &exact, &e), ERR_NOT_FOUND, e,
                 "/nonexistent");
    assert_fails(sae_format_read(&back, dir, "auto", &exact, &e), ERR_INVALID, e, "looks like none");
    assert_fails(sae_format_read(&back, lens, "sealens", &exact, &e), ERR_INVALID, e, "saelens");
    free(lens);
    free(cfg);
    tmpdir_remove(dir);
}

static void test_values_that_no_sae_has_are_refused(void **state)
{
    char *dir = tmpdir_make(), *path = tmpdir_path(dir, "own.pt");
    struct sae_model m, back;
    struct err e;
    (void)state;

    fill(&m, SAE_ACT_JUMPRELU, true);
    m.threshold[4] = -1;
    assert_ok(sae_format_write(&m, path, "saegrid", &exact, &e), e);
    assert_fails(sae_format_read(&back, path, "auto", &exact, &e), ERR_INVALID, e, "feature 4");
    m.threshold[4] = 0;
    m.dir[7] = (real)NAN;
    assert_ok(sae_format_write(&m, path, "saegrid", &exact, &e), e);
    assert_fails(sae_format_read(&back, path, "auto", &exact, &e), ERR_INVALID, e, "element 10 is not a number");
    sae_model_free(&m);
    fill(&m, SAE_ACT_TOPK, true);
    m.k = F + 1;
    assert_ok(sae_format_write(&m, path, "saegrid", &exact, &e), e);
    assert_fails(sae_format_read(&back, path, "auto", &exact, &e), ERR_INVALID, e, "k: 10 is outside [1, 9]");
    sae_model_free(&m);
    free(path);
    tmpdir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_format_says_what_it_can_and_refuses_the_rest),
        cmocka_unit_test(test_scales_and_rescaling_survive_where_they_can),
        cmocka_unit_test(test_rewritings_leave_the_reconstruction_alone),
        cmocka_unit_test(test_infers_as_the_architectures_of_this_program_do),
        cmocka_unit_test(test_husai_layouts_read_alike_and_ask_for_what_they_do_not_say),
        cmocka_unit_test(test_cfg_that_would_change_results_is_refused),
        cmocka_unit_test(test_values_that_no_sae_has_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
