/* test_sharpen.c - which features a sharpened target keeps, and what its controls are. */
#include "tests/lib/check.h"

#include "worker/sae/sharpen.h"

enum { D = 6, F = 5, K = 4 };

static struct sae_model model;
static struct arena arena;
static struct sharpen s;

/* W = D = the first five unit vectors: z is x without its last entry. */
static int setup(void **state)
{
    const struct sae_model shape = {.act = SAE_ACT_TOPK, .d = D, .f = F, .k = K, .seed = -1};
    struct err e;

    (void)state;
    assert_ok(sae_model_new(&model, &shape, &e), e);
    for (size_t i = 0; i < F; i++)
        model.enc[i * D + i] = model.dir[i * D + i] = 1;
    model.b_dec[D - 1] = 7;
    assert_ok(arena_open(&arena, "test", sharpen_bytes(&model, 3), &e), e);
    sharpen_new(&s, &model, 3, &arena);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_close(&arena);
    sae_model_free(&model);
    return 0;
}

static const real x[2 * D] = {5, 1, 4, 2, 3, 9, -1, 2, -1, 2, -1, 0};
static const uint64_t key[2] = {11, 12};

static void the_largest_stay_and_ties_go_to_the_lower_feature(void **state)
{
    const real want[2 * D] = {5, 0, 4, 0, 0, 7, 0, 2, 0, 2, 0, 7};
    real t[2 * D], energy[2];
    uint32_t n_active[2];

    (void)state;
    s.target = SHARPEN_TOP;
    s.k = 2;
    assert_true(sharpen_rows(&s, t, x, NULL, 2, &(struct sharpen_stats){n_active, energy}));
    for (size_t i = 0; i < 2 * D; i++)
        assert_near(t[i], want[i], 1e-6);
    assert_int_equal(n_active[0], K);
    assert_int_equal(n_active[1], 2);
    assert_near(energy[0], 41.0 / 54, 1e-6); /* 25 + 16 of 25 + 16 + 9 + 4 */
    s.k = 1;
    assert_true(sharpen_rows(&s, t, x, NULL, 2, NULL));
    assert_near(t[D + 1], 2, 1e-6);
    assert_near(t[D + 3], 0, 0);
}

static void k_itself_is_the_reconstruction(void **state)
{
    real t[2 * D];
    float xf[2 * D];

    (void)state;
    s.target = SHARPEN_TOP;
    s.k = K;
    assert_true(sharpen_rows(&s, t, x, NULL, 2, NULL));
    for (size_t i = 0; i < 2 * D; i++)
        xf[i] = (float)x[i];
    assert_true(sae_infer_run(&s.infer, xf, 2));
    for (size_t i = 0; i < 2 * D; i++)
        assert_near(t[i], s.infer.xhat[i], 0);
}

static void random_targets_depend_on_seed_and_key_alone(void **state)
{
    static const enum sharpen_target kinds[] = {SHARPEN_UNIT, SHARPEN_NORM_MATCHED, SHARPEN_RANDOM_K};
    real a[2 * D], b[2 * D];

    (void)state;
    s.k = 2;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        s.target = kinds[i];
        s.seed = 3;
        assert_true(sharpen_rows(&s, a, x, key, 2, NULL));
        assert_true(sharpen_rows(&s, b, x + D, key + 1, 1, NULL)); /* in another batch */
        assert_memory_equal(b, a + D, D * sizeof *b);
        s.seed = 4;
        assert_true(sharpen_rows(&s, b, x, key, 2, NULL));
        if (kinds[i] != SHARPEN_RANDOM_K) /* few choices may coincide */
            assert_memory_not_equal(a, b, sizeof a);
    }
}

static void lengths_are_one_or_the_targets(void **state)
{
    real t[2 * D], top[2 * D];

    (void)state;
    s.k = 2;
    s.target = SHARPEN_TOP;
    assert_true(sharpen_rows(&s, top, x, NULL, 2, NULL));
    for (int matched = 0; matched < 2; matched++) {
        s.target = matched ? SHARPEN_NORM_MATCHED : SHARPEN_UNIT;
        assert_true(sharpen_rows(&s, t, x, key, 2, NULL));
        for (size_t r = 0; r < 2; r++) {
            double sq = 0, want = 0;

            for (size_t i = 0; i < D; i++) {
                sq += (double)t[r * D + i] * (double)t[r * D + i];
                want += (double)top[r * D + i] * (double)top[r * D + i];
            }
            assert_near(sqrt(sq), matched ? sqrt(want) : 1, 1e-5);
        }
    }
}

static void random_k_keeps_active_features_at_random(void **state)
{
    size_t kept[F] = {0};

    (void)state;
    s.target = SHARPEN_RANDOM_K;
    s.k = 2;
    for (uint64_t i = 0; i < 400; i++) {
        real t[D];

        assert_true(sharpen_rows(&s, t, x, &i, 1, NULL));
        for (size_t f = 0; f < F; f++)
            kept[f] += t[f] != 0;
    }
    assert_int_equal(kept[1], 0); /* z = 1 is not among the four largest: not active */
    for (size_t f = 0; f < F; f++)
        if (f != 1)
            assert_in_range(kept[f], 150, 250); /* 200 expected, sd 10 */
}

static void what_cannot_be_a_target_is_refused(void **state)
{
    struct sae_model scaled = model, coder = model;
    struct err e;

    (void)state;
    scaled.scale = SAE_SCALE_LAYER_NORM;
    coder.is_transcoder = true;
    assert_fails(sharpen_check(&scaled, 1, &e), ERR_INVALID, e, "input scaling layer_norm");
    assert_fails(sharpen_check(&coder, 1, &e), ERR_INVALID, e, "transcoder");
    assert_fails(sharpen_check(&model, K + 1, &e), ERR_INVALID, e, "k_sharp: 5 is outside [1, 4]");
    assert_fails(sharpen_check(&model, 0, &e), ERR_INVALID, e, "k_sharp: 0 is outside");
    assert_ok(sharpen_check(&model, K, &e), e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_largest_stay_and_ties_go_to_the_lower_feature),
        cmocka_unit_test(k_itself_is_the_reconstruction),
        cmocka_unit_test(random_targets_depend_on_seed_and_key_alone),
        cmocka_unit_test(lengths_are_one_or_the_targets),
        cmocka_unit_test(random_k_keeps_active_features_at_random),
        cmocka_unit_test(what_cannot_be_a_target_is_refused),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
