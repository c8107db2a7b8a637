/* test_eval_golden.c - reconstruction, matching and rank against recorded vectors, in double. */
#include "golden.h"

#include "worker/eval/match.h"
#include "worker/eval/rank.h"
#include "worker/eval/recon.h"

static void near(const char *what, double got, double want)
{
    if (!(fabs(got - want) <= 1e-6))
        fail_msg("%s: %.9f, expected %.9f", what, got, want);
}

static void reconstruction_metrics_match(void **state)
{
    struct sae_cfg cfg = {.arch = sae_arch_find("topk"), .d = GD, .f = GF, .k = GK};
    struct golden g;
    real x[GB * GD];
    float xf[GB * GD];
    double mean[GD] = {0}, room[2 * GD];
    struct recon rec;

    (void)state;
    golden_open(&g, &cfg, GB);
    golden_fill(&g.s, 1);
    golden_x(x);
    assert_true(sae_forward(&g.s, &g.w, x, GB));
    for (int i = 0; i < GB * GD; i++)
        xf[i] = (float)x[i];
    recon_means(mean, xf, GB, GD);
    recon_init(&rec, mean, room, GD);
    recon_add(&rec, x, g.w.xhat, 1); /* batches of any size give the same sums */
    recon_add(&rec, x + GD, g.w.xhat + GD, GB - 1);
    struct recon_result r = recon_result(&rec);
    near("mse", r.mse, .557571);
    near("mse_sum", r.mse_sum, 1.67271301);
    near("ev", r.ev, .18464595);
    near("ev_residvar", r.ev_residvar, .53124621);
    near("ev_husai_global", r.ev_husai_global, .27946823);
    near("ev_husai_train", r.ev_husai_train, 1 - (1 - .18464595) * (GB - 1) / GB);
    near("nmse_raw", r.nmse_raw, .76846164);
    near("ev_legacy", r.ev_legacy, -.14118386);
    near("cosine", r.cosine, .26867662);
    near("l2_ratio", r.l2_ratio, .66382455);
    near("rel_bias", r.rel_bias, 1.48453504);
    near("l0", g.w.l0, 1.75);
    arena_close(&g.a);
}

/* ev_husai_train sees the first rows only, whatever the others are. */
static void the_first_rows_alone_count_in_husais_training_metric(void **state)
{
    enum { N = RECON_FIRST + 300, D = 3 };
    static real x[N * D], y[N * D];
    double want = 0, got[2], sst = 0;

    (void)state;
    for (int i = 0; i < N * D; i++) {
        x[i] = golden_s(1, 1.3, i) + i % D;
        y[i] = x[i] + (i < RECON_FIRST * D ? 0.2 * golden_s(2, 0.7, i) : 5);
    }
    for (int c = 0; c < D; c++) {
        double mean = 0;

        for (int r = 0; r < RECON_FIRST; r++)
            mean += x[r * D + c] / RECON_FIRST;
        for (int r = 0; r < RECON_FIRST; r++) {
            sst += (x[r * D + c] - mean) * (x[r * D + c] - mean);
            want += (x[r * D + c] - y[r * D + c]) * (x[r * D + c] - y[r * D + c]);
        }
    }
    want = 1 - want / (RECON_FIRST * (sst / (RECON_FIRST - 1)));
    for (int all = 0; all < 2; all++) {
        double mean[D] = {0.3, 0.1, 2}, room[2 * D];
        struct recon r;

        recon_init(&r, mean, room, D);
        recon_add(&r, x, y, all ? N : RECON_FIRST);
        got[all] = recon_result(&r).ev_husai_train;
        near("ev_husai_train", got[all], want);
    }
    assert_true(want > 0.9 && got[0] == got[1]);
}

static void predicting_the_mean_explains_nothing(void **state)
{
    const real x[] = {2, 0, 0, 4}, half[] = {2, 1, 0, 3}, mu[] = {1, 2, 1, 2};
    const float xf[] = {2, 0, 0, 4};
    double mean[2], room[4];
    struct recon r;

    (void)state;
    recon_means(mean, xf, 2, 2);
    recon_init(&r, mean, room, 2);
    recon_add(&r, x, half, 2);
    near("ev", recon_result(&r).ev, 0.8);
    recon_init(&r, mean, room, 2);
    recon_add(&r, x, mu, 2);
    near("ev of the mean", recon_result(&r).ev, 0);
}

static void matching_metrics_match(void **state)
{
    static const uint32_t want_signed[] = {2, 1, 0, 3, 5, 4}, want_abs[] = {0, 5, 4, 3, 1, 2};
    real a[GF * GD], b[GF * GD];
    struct dict da = {a, GF, GD}, db = {b, GF, GD};
    struct subspace sub;
    double basis[2][2 * GD];
    struct match m;
    uint32_t partner[GF];
    double mean;
    struct err e;

    (void)state;
    golden_dir(a, 1);
    for (int f = 0; f < GF; f++) {
        double sq = 0;

        for (int j = 0; j < GD; j++) {
            b[3 * f + j] = golden_s(9, 1.9, 3 * f + j);
            sq += b[3 * f + j] * b[3 * f + j];
        }
        for (int j = 0; j < GD; j++)
            b[3 * f + j] /= sqrt(sq);
    }
    assert_int_equal(match_max(&m, &da, &db, &e), 0);
    near("pwmcc", m.pwmcc, .94018008);
    near("mmcs rows", m.mmcs_rows, .62381893);
    assert_int_equal(match_hungarian(&mean, partner, &da, &db, false, &e), 0);
    near("hungarian", mean, .23893986);
    assert_memory_equal(partner, want_signed, sizeof partner);
    assert_int_equal(match_hungarian(&mean, partner, &da, &db, true, &e), 0);
    near("hungarian abs", mean, .88984854);
    assert_memory_equal(partner, want_abs, sizeof partner);
    assert_int_equal(match_basis(basis[0], &da, 2, &e), 0);
    assert_int_equal(match_basis(basis[1], &db, 2, &e), 0);
    assert_int_equal(match_subspace(&sub, basis[0], basis[1], 2, GD, &e), 0);
    near("overlap", sub.overlap, .96130352);
    near("grassmann", sub.grassmann, .28191534);
    assert_int_equal(match_basis(basis[0], &da, 4, &e), ERR_INVALID);
}

static void effective_rank_matches(void **state)
{
    real x[GB * GD];
    double c[GD * GD] = {0}, mean[GD] = {0};
    float xf[GB * GD];
    struct rank r;
    struct err e;
    double s[GD];

    (void)state;
    golden_x(x);
    for (int i = 0; i < GB * GD; i++)
        mean[i % GD] += x[i] / GB;
    for (int r0 = 0; r0 < GB; r0++)
        for (int i = 0; i < GD; i++)
            for (int j = 0; j < GD; j++)
                c[i * GD + j] += (x[r0 * GD + i] - mean[i]) * (x[r0 * GD + j] - mean[j]);
    assert_int_equal(rank_of_covariance(&r, c, GD, &e), 0);
    near("erank", r.erank, 1.97017222);
    near("erank_sq", r.erank_sq, 1.88825972);
    near("participation", r.participation, 1.79732936);
    for (int i = 0; i < GB * GD; i++)
        xf[i] = (float)x[i];
    assert_int_equal(rank_spectrum(&r, s, xf, GB, GD, &e), 0);
    near("erank of rows", r.erank, 1.97017222);
    double sq = 0, fourth = 0;
    for (int i = 0; i < GD; i++) {
        assert_true(i == 0 || s[i] <= s[i - 1]);
        sq += s[i] * s[i];
        fourth += s[i] * s[i] * s[i] * s[i];
    }
    near("participation of the singular values", sq * sq / fourth, 1.79732936);
    memset(xf, 0, sizeof xf);
    assert_int_equal(rank_spectrum(&r, s, xf, GB, GD, &e), 0);
    near("rank of constant rows", r.erank, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reconstruction_metrics_match),
        cmocka_unit_test(the_first_rows_alone_count_in_husais_training_metric),
        cmocka_unit_test(predicting_the_mean_explains_nothing),
        cmocka_unit_test(matching_metrics_match),
        cmocka_unit_test(effective_rank_matches),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
