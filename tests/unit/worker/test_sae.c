/* test_sae.c - training steps in single precision: what must not matter, and what must hold. */
#include "tests/lib/check.h"

#include "common/rng.h"
#include "worker/num/vec.h"
#include "worker/sae/sae.h"

enum { D = 24, F = 96, K = 8, N = 64, SEED = 9 };

struct rig {
    struct arena a;
    struct sae s;
    struct sae_work w;
};

static struct sae_cfg cfg_of(const char *name)
{
    const struct sae_arch *arch = sae_arch_find(name);

    return (struct sae_cfg){.arch = arch, .d = D, .f = F, .k = arch->select != SAE_SELECT_EACH ? K : F, .l1 = 1e-3,
                            .prefixes = {{F / 4, F / 2, F}, 3, SAE_PREFIX_MEAN},
                            .jump = {.bandwidth = 0.2, .theta = 0.05},
                            .jacobian = strcmp(name, "jsae") ? 0 : 0.1,
                            .norm = arch->norm, .is_tied = arch->is_tied,
                            .adam = {.beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8}};
}

static void rig_open(struct rig *r, const struct sae_cfg *cfg)
{
    struct err e;

    assert_ok(arena_open(&r->a, "rig", sae_bytes(cfg) + sae_work_bytes(cfg, N), &e), e);
    sae_new(&r->s, cfg, &r->a);
    sae_work_new(&r->w, cfg, N, &r->a);
    assert_int_equal(r->a.peak, r->a.size); /* the plan is exact */
    sae_init(&r->s, SEED, NULL);
}

static void fill(real *x, size_t n)
{
    struct rng r = rng_stream(SEED, "rows");

    for (size_t i = 0; i < n; i++)
        x[i] = (real)(rng_normal(&r) + 0.3);
}

static const char *const names[] = {
    "topk",         "topk_husai", "batchtopk", "matryoshka", "jsae",       "relu",
    "relu_bricken", "relu_april", "jumprelu",  "gated",      "transcoder", "skip_transcoder",
    "gba",          "linear"};

static void every_arch_learns_and_keeps_its_decoder_constraint(void **state)
{
    real x[N * D];

    (void)state;
    fill(x, N * D);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct sae_cfg cfg = cfg_of(names[i]);
        struct rig r;
        double first = 0;

        rig_open(&r, &cfg);
        for (int t = 0; t < 300; t++) {
            assert_null(sae_step(&r.s, &r.w, x, N, 1e-3));
            first = t == 0 ? r.w.loss : first;
        }
        if (!(r.w.loss < 0.7 * first))
            fail_msg("%s: loss %g after 300 steps, %g at the start", names[i], r.w.loss, first);
        for (size_t f = 0; f < F && cfg.norm != SAE_NORM_NONE; f++)
            assert_near(vec_sumsq(r.s.p[SAE_DECODER].data + f * D, D), 1, 1e-5);
        assert_true(sae_cos_init(&r.s) < 1 && sae_cos_init(&r.s) > 0);
        arena_close(&r.a);
    }
}

static void same_seed_gives_the_same_bits_and_another_seed_does_not(void **state)
{
    struct sae_cfg cfg = cfg_of("topk");
    struct rig a, b;
    real x[N * D];

    (void)state;
    fill(x, N * D);
    rig_open(&a, &cfg);
    rig_open(&b, &cfg);
    for (int t = 0; t < 20; t++) {
        assert_null(sae_step(&a.s, &a.w, x, N, 1e-3));
        assert_null(sae_step(&b.s, &b.w, x, N, 1e-3));
    }
    for (size_t p = 0; p < a.s.n_params; p++)
        assert_memory_equal(a.s.p[p].data, b.s.p[p].data, a.s.p[p].n * sizeof(real));
    sae_init(&b.s, SEED + 1, NULL);
    sae_init(&a.s, SEED, NULL);
    assert_memory_not_equal(a.s.p[0].data, b.s.p[0].data, a.s.p[0].n * sizeof(real));
    arena_close(&a.a);
    arena_close(&b.a);
}

static void topk_keeps_exactly_k_of_raw_values(void **state)
{
    struct sae_cfg cfg = cfg_of("topk_husai");
    struct rig r;
    real x[N * D];

    (void)state;
    fill(x, N * D);
    rig_open(&r, &cfg);
    assert_true(sae_forward(&r.s, &r.w, x, N));
    for (size_t i = 0; i < N; i++)
        assert_int_equal(r.w.row_at[i + 1] - r.w.row_at[i], K);
    assert_near(r.w.l0, K, 1e-12);
    arena_close(&r.a);
}

/* Counts, sums and peaks of features with few and with many active rows. */
static void tallies_are_those_of_the_lists(void **state)
{
    struct sae_cfg cfg = cfg_of("topk_husai");
    size_t longest = 0, shortest = N;
    double l1 = 0;
    struct rig r;
    real x[N * D];

    (void)state;
    fill(x, N * D);
    rig_open(&r, &cfg);
    for (size_t f = 0; f < F; f++) /* from features that are always chosen to some that seldom are */
        r.s.p[SAE_B_ENC].data[f] = (real)(f % 7 == 0 ? -9 : f % 11 == 0 ? 4 : 0);
    assert_true(sae_forward(&r.s, &r.w, x, N));
    for (size_t f = 0; f < F; f++) {
        size_t n = r.w.at[f + 1] - r.w.at[f], on = 0;
        real peak = 0;
        double sum = 0;

        for (size_t j = r.w.at[f]; j < r.w.at[f + 1]; j++) {
            real a = r.w.by_f[j];

            on += a != 0;
            sum += fabs((double)a);
            peak = a > peak ? a : peak;
        }
        assert_int_equal(r.w.fired[f], on);
        assert_true(r.w.peak[f] == peak);
        l1 += sum;
        longest = n > longest ? n : longest;
        shortest = n < shortest ? n : shortest;
    }
    assert_true(shortest == 0 && longest > 32);
    assert_near(r.w.l1, l1 / N, 1e-12 * l1);
    arena_close(&r.a);
}

/* Loss and gradients do not depend on the order of the rows, nor on batches of a forward pass. */
static void row_order_and_batch_split_do_not_matter(void **state)
{
    real x[N * D], y[N * D], hat[N * D];

    (void)state;
    fill(x, N * D);
    for (size_t i = 0; i < N; i++)
        memcpy(y + i * D, x + (N - 1 - i) * D, D * sizeof *x);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct sae_cfg cfg = cfg_of(names[i]);
        struct rig a, b;

        rig_open(&a, &cfg);
        rig_open(&b, &cfg);
        assert_true(sae_forward(&a.s, &a.w, x, N));
        sae_backward(&a.s, &a.w);
        assert_true(sae_forward(&b.s, &b.w, y, N));
        sae_backward(&b.s, &b.w);
        assert_near(a.w.loss, b.w.loss, 1e-5 * a.w.loss);
        for (size_t p = 0; p < a.s.n_params; p++)
            for (size_t j = 0; j < a.s.p[p].n; j++)
                assert_near(a.s.p[p].grad[j], b.s.p[p].grad[j], 2e-5);
        memcpy(hat, a.w.xhat, sizeof hat);
        for (size_t at = 0; at < N; at += 5) {
            size_t n = N - at < 5 ? N - at : 5;

            if (cfg.arch->select == SAE_SELECT_BATCH)
                break; /* what is kept depends on the batch */
            assert_true(sae_forward(&a.s, &a.w, x + at * D, n));
            for (size_t j = 0; j < n * D; j++)
                assert_near(a.w.xhat[j], hat[at * D + j], 2e-5);
        }
        arena_close(&a.a);
        arena_close(&b.a);
    }
}

/* The fused pass and the one that clips are the same step when the clip does not bite. */
static void fused_and_separate_updates_agree(void **state)
{
    struct sae_cfg cfg = cfg_of("topk"), clipped = cfg;
    struct rig a, b;
    real x[N * D];

    (void)state;
    clipped.clip = 1e9;
    fill(x, N * D);
    rig_open(&a, &cfg);
    rig_open(&b, &clipped);
    for (int t = 0; t < 10; t++) {
        assert_null(sae_step(&a.s, &a.w, x, N, 1e-3));
        assert_null(sae_step(&b.s, &b.w, x, N, 1e-3));
    }
    for (size_t p = 0; p < a.s.n_params; p++)
        assert_memory_equal(a.s.p[p].data, b.s.p[p].data, a.s.p[p].n * sizeof(real));
    arena_close(&a.a);
    arena_close(&b.a);
}

static void what_is_not_finite_stops_a_step_before_it_changes_anything(void **state)
{
    struct sae_cfg cfg = cfg_of("topk");
    struct rig r;
    real x[N * D], before;

    (void)state;
    fill(x, N * D);
    rig_open(&r, &cfg);
    before = r.s.p[SAE_DECODER].data[0];
    x[7] = NAN;
    assert_string_equal(sae_step(&r.s, &r.w, x, N, 1e-3), "pre-activations");
    assert_true(r.s.p[SAE_DECODER].data[0] == before);
    assert_int_equal(r.s.cfg.adam.t, 0);
    arena_close(&r.a);
}

/* Constant rows, one row, rows of rank one: learnt like any other. */
static void odd_rows_are_learnt_by_every_arch(void **state)
{
    real x[N * D];

    (void)state;
    for (size_t i = 0; i < 3 * ARRAY_LEN(names); i++) {
        size_t form = i % 3, n = form == 1 ? 1 : N;
        struct sae_cfg cfg = cfg_of(names[i / 3]);
        struct rig r;
        double first = 0;

        cfg.aux.alpha = cfg.arch->select == SAE_SELECT_EACH ? 0 : 1.0 / 32;
        cfg.dead_rows = 64;
        for (size_t j = 0; j < N * D; j++)
            x[j] = form == 2 ? (real)(0.1 * (double)(j / D) * (1 + (double)(j % D) / D))
                             : (real)0.5;
        rig_open(&r, &cfg);
        for (int t = 0; t < 300; t++) {
            const char *bad = sae_step(&r.s, &r.w, x, n, 1e-3);

            if (bad)
                fail_msg("%s, form %zu: %s at step %d", names[i / 3], form, bad, t);
            first = t == 0 ? r.w.recon : first;
        }
        if (!(r.w.recon < 0.7 * first) || !sae_is_finite(&r.s))
            fail_msg("%s, form %zu: error %g after 300 steps, %g at the start", names[i / 3], form,
                     r.w.recon, first);
        arena_close(&r.a);
    }
}

static void k_above_d_sae_is_an_error_except_where_the_source_clips_it(void **state)
{
    struct sae_cfg cfg = cfg_of("topk");
    struct err e;

    (void)state;
    cfg.k = F + 1;
    assert_fails(sae_cfg_check(&cfg, &e), ERR_INVALID, e, "97 is outside [1, 96]");
    cfg.arch = sae_arch_find("topk_husai");
    assert_ok(sae_cfg_check(&cfg, &e), e);
    assert_int_equal(cfg.k, F);
    assert_null(sae_arch_find("nothing"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_arch_learns_and_keeps_its_decoder_constraint),
        cmocka_unit_test(same_seed_gives_the_same_bits_and_another_seed_does_not),
        cmocka_unit_test(topk_keeps_exactly_k_of_raw_values),
        cmocka_unit_test(tallies_are_those_of_the_lists),
        cmocka_unit_test(row_order_and_batch_split_do_not_matter),
        cmocka_unit_test(fused_and_separate_updates_agree),
        cmocka_unit_test(what_is_not_finite_stops_a_step_before_it_changes_anything),
        cmocka_unit_test(odd_rows_are_learnt_by_every_arch),
        cmocka_unit_test(k_above_d_sae_is_an_error_except_where_the_source_clips_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
