/* test_sae_input.c - rows before an SAE, folding, the median, resampling, the bias rule. */
#include "tests/lib/check.h"

#include "common/rng.h"
#include "worker/num/vec.h"
#include "worker/sae/bias_rule.h"
#include "worker/sae/resample.h"
#include "worker/sae/sae_input.h"

enum { D = 10, F = 40, K = 5, N = 50, SEED = 4 };

struct rig {
    struct arena a;
    struct sae s;
    struct sae_work w;
};

static void rig_open(struct rig *r, const char *arch)
{
    struct sae_cfg cfg = {.arch = sae_arch_find(arch), .d = D, .f = F, .k = K, .l1 = 0.01,
                          .is_tied = true, .jump = {.bandwidth = 0.1, .theta = 0.1},
                          .prefixes = {{F / 2, F}, 2, SAE_PREFIX_MEAN},
                          .adam = {.beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8}};
    struct err e;

    cfg.norm = cfg.arch->norm;
    assert_ok(sae_cfg_check(&cfg, &e), e);
    assert_ok(arena_open(&r->a, "rig", sae_bytes(&cfg) + sae_work_bytes(&cfg, N) +
                         bias_rule_bytes(F), &e), e);
    sae_new(&r->s, &cfg, &r->a);
    sae_work_new(&r->w, &cfg, N, &r->a);
    sae_init(&r->s, SEED, NULL);
}

static void fill(float *x, size_t n)
{
    struct rng r = rng_stream(SEED, "rows");

    for (size_t i = 0; i < n; i++)
        x[i] = (float)(3 * rng_normal(&r) + 1);
}

/* Trained on factor * x, the folded weights reconstruct x as factor * x was, scaled back. */
static void folding_a_scale_into_the_weights_is_exact(void **state)
{
    static const char *const archs[] = {"topk", "batchtopk", "relu_bricken", "jumprelu", "gated",
                                        "linear"};
    static const enum sae_input_mode modes[] = {SAE_INPUT_EXPECTED_AVERAGE, SAE_INPUT_UNIT_MEAN_SQ};
    float x[N * D];
    real seen[N * D], raw[N * D], want[N * D], shift, scale;

    (void)state;
    fill(x, N * D);
    for (size_t t = 0; t < ARRAY_LEN(archs) * ARRAY_LEN(modes); t++) {
        enum sae_input_mode mode = modes[t % ARRAY_LEN(modes)];
        double factor = sae_input_scale(mode, x, N, D), norm = 0, sq = 0;
        struct rig r;

        rig_open(&r, archs[t / ARRAY_LEN(modes)]);
        for (size_t i = 0; i < N; i++) {
            sae_input_row(seen + i * D, x + i * D, D, mode, factor, &shift, &scale);
            norm += sqrt(vec_sumsq(seen + i * D, D)) / N;
            sq += vec_sumsq(seen + i * D, D) / N;
        }
        assert_near(mode == SAE_INPUT_UNIT_MEAN_SQ ? sq : norm / sqrt(D), 1, 1e-5);
        for (int i = 0; i < 30; i++)
            assert_null(sae_step(&r.s, &r.w, seen, N, 1e-2));
        assert_true(sae_use(&r.s, &r.w, seen, seen, N));
        for (size_t i = 0; i < N * D; i++) {
            raw[i] = x[i];
            want[i] = r.w.xhat[i] / (real)factor;
        }
        double l0 = r.w.l0;
        sae_fold(&r.s, factor);
        assert_true(sae_use(&r.s, &r.w, raw, raw, N));
        for (size_t i = 0; i < N * D; i++)
            assert_near(r.w.xhat[i], want[i], 2e-4);
        assert_near(r.w.l0, l0, 0.05);
        arena_close(&r.a);
    }
}

static void row_modes_are_undone(void **state)
{
    static const enum sae_input_mode modes[] = {SAE_INPUT_CONSTANT_NORM, SAE_INPUT_LAYER_NORM};
    float x[N * D];
    real row[D], shift, scale;

    (void)state;
    fill(x, N * D);
    memset(x, 0, D * sizeof *x); /* a row of zeros stays finite */
    for (size_t m = 0; m < 2; m++)
        for (size_t r = 0; r < N; r++) {
            sae_input_row(row, x + r * D, D, modes[m], 1, &shift, &scale);
            assert_true(vec_is_finite(row, D));
            if (r > 0 && modes[m] == SAE_INPUT_CONSTANT_NORM)
                assert_near(vec_sumsq(row, D), D, 1e-4);
            sae_input_undo(row, D, shift, scale);
            for (size_t i = 0; i < D; i++)
                assert_near(row[i], x[r * D + i], 1e-5);
        }
    assert_string_equal(sae_input_saved_as(SAE_INPUT_UNIT_MEAN_SQ), "none");
    assert_string_equal(sae_input_saved_as(SAE_INPUT_LAYER_NORM), "layer_norm");
}

/* Where the unit vectors to all points cancel; an outlier hardly moves it. */
static void the_geometric_median_cancels_unit_vectors(void **state)
{
    double m[2] = {0, 0}, next[2], pull[2] = {0, 0};
    const real x[] = {0, 0, 1, 0, 0, 1, 1, 1, 100, 90};

    (void)state;
    for (size_t i = 0; i < 5; i++)
        for (size_t c = 0; c < 2; c++)
            m[c] += (double)x[2 * i + c] / 5;
    sae_geometric_median(m, next, x, 5, 2);
    for (size_t i = 0; i < 5; i++) {
        double dx = (double)x[2 * i] - m[0], dy = (double)x[2 * i + 1] - m[1];

        pull[0] += dx / hypot(dx, dy);
        pull[1] += dy / hypot(dx, dy);
    }
    assert_true(m[0] < 1.01 && m[1] < 1.01);
    assert_true(hypot(pull[0], pull[1]) < 0.05);
}

static void dead_features_restart_at_rows_of_high_error(void **state)
{
    struct rng rng = rng_stream(SEED, "resample");
    double weight[N] = {0};
    float x[N * D];
    real rows[N * D];
    struct rig r;

    (void)state;
    fill(x, N * D);
    for (size_t i = 0; i < N * D; i++)
        rows[i] = x[i];
    rig_open(&r, "relu_bricken");
    for (int i = 0; i < 3; i++)
        assert_null(sae_step(&r.s, &r.w, rows, N, 1e-3));
    r.s.quiet[7] = r.s.quiet[9] = 1000;
    weight[12] = 5; /* the only row with an error: the only one that can be drawn */
    real before = r.s.p[SAE_DECODER].data[9 * D];
    assert_int_equal(sae_resample(&r.s, rows, weight, N, 1000, &rng), 1);
    real cos = 0, sq = 0;
    for (size_t i = 0; i < D; i++) {
        real want = rows[12 * D + i] - r.s.p[SAE_B_DEC].data[i];

        cos += want * r.s.p[SAE_DECODER].data[7 * D + i];
        sq += want * want;
        assert_true(r.s.p[SAE_DECODER].m[7 * D + i] == 0 && r.s.p[SAE_ENCODER].v[7 * D + i] == 0);
    }
    assert_near(cos / sqrt(sq), 1, 1e-5);
    assert_near(sqrt(vec_sumsq(r.s.p[SAE_ENCODER].data + 7 * D, D)), 0.2, 0.01);
    assert_true(r.s.p[SAE_B_ENC].data[7] == 0 && r.s.quiet[7] == 0);
    assert_true(r.s.p[SAE_DECODER].data[9 * D] == before);
    arena_close(&r.a);
}

static void the_bias_rule_lowers_the_frequent_and_raises_the_silent(void **state)
{
    struct bias_rule b = {.high = 0.1, .low = 0.001, .gamma = 0.01, .eps = 1e-6, .every = 2,
                          .n_groups = 4};
    real bias[F];
    struct rig r;
    size_t n_in[4] = {0};

    (void)state;
    rig_open(&r, "gba");
    bias_rule_new(&b, F, &r.a);
    bias_rule_split(&b, F, 1);
    for (size_t f = 0; f < F; f++) {
        n_in[b.group[f]]++;
        r.s.p[SAE_B_ENC].data[f] = -0.5;
        r.w.fired[f] = f % 2 ? 40 : 0;
        r.w.peak[f] = f % 2 ? 2 : 0;
    }
    for (int g = 0; g < 4; g++)
        assert_int_equal(n_in[g], F / 4);
    r.w.n = N;
    bias_rule_step(&b, &r.s, &r.w);
    assert_true(r.s.p[SAE_B_ENC].data[0] == (real)-0.5); /* only every other step */
    bias_rule_step(&b, &r.s, &r.w);
    memcpy(bias, r.s.p[SAE_B_ENC].data, sizeof bias);
    for (size_t f = 0; f < F; f++)
        assert_near(bias[f], f % 2 ? -0.5 - 0.01 * 2 : -0.5 + 0.01 * 2, 1e-6);
    assert_true(b.since[0] == 0 && b.fired[1] == 0 && b.peak[1] == 0);
    arena_close(&r.a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folding_a_scale_into_the_weights_is_exact),
        cmocka_unit_test(row_modes_are_undone),
        cmocka_unit_test(the_geometric_median_cancels_unit_vectors),
        cmocka_unit_test(dead_features_restart_at_rows_of_high_error),
        cmocka_unit_test(the_bias_rule_lowers_the_frequent_and_raises_the_silent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
