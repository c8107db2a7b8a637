/* test_sae_golden.c - losses, gradients and one Adam step against recorded vectors, in double. */
#include "golden.h"

#define NEAR(what, got, ...)                                                                       \
    do {                                                                                           \
        static const double want_[] = {__VA_ARGS__};                                               \
        golden_near(what, got, want_, ARRAY_LEN(want_), 1e-6);                                     \
    } while (0)

static void relu_loss_and_gradients_match_the_recorded_vectors(void **state)
{
    struct sae_arch arch = *sae_arch_find("relu");
    struct golden g;
    real x[GB * GD];

    (void)state;
    arch.is_centred = arch.has_b_dec = true;
    arch.is_elem_mean = false;
    struct sae_cfg cfg = {.arch = &arch, .d = GD, .f = GF, .k = GF, .l1 = 0.3};
    golden_open(&g, &cfg, GB);
    golden_fill(&g.s, 1.5);
    golden_x(x);
    assert_true(sae_forward(&g.s, &g.w, x, GB));
    sae_backward(&g.s, &g.w);
    NEAR("loss", &g.w.loss, 3.71437411);
    NEAR("recon", &g.w.recon, 3.05512501);
    NEAR("penalty", &g.w.penalty, 0.3 * 2.19749699);
    NEAR("b_enc", g.s.p[SAE_B_ENC].grad, .29798356, .88149578, .42265209, 2.18565724, 2.36506193,
         3.09497919);
    NEAR("b_dec", g.s.p[SAE_B_DEC].grad, 1.66038345, -2.10173588, -.88555492);
    NEAR("W", g.s.p[SAE_ENCODER].grad, .22344203, -.21410758, -.32749578, .58279155, -.60633446,
         -.87613774, -.47801821, -.02880118, .47749308, -1.75147686, .54444018, 2.11971764,
         -1.4248021, 1.04186541, 2.06548183, -.84153852, 1.7409739, 1.88194323);
    NEAR("d", g.s.p[SAE_DECODER].grad, -.07984563, -.1521889, .44832126, -.19262067, .01981063,
         .16926851, -.7720579, .08791646, .50300188, -1.23172311, .19416772, .75205227, -1.53548217,
         .17729908, .55672602, -1.17454251, -.00015369, .21734545);
    arena_close(&g.a);
}

static struct sae_cfg topk_cfg(enum sae_norm norm)
{
    return (struct sae_cfg){
        .arch = sae_arch_find("topk"), .d = GD, .f = GF, .k = GK, .norm = norm,
        .adam = {.beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8}};
}

static void topk_loss_activations_and_gradients_match(void **state)
{
    static const double want_a[GB][GF] = {{0, 0, 0, 0, 0, .06276708},
                                          {0, 0, 0, 1.17763428, 1.11245342, 0},
                                          {.71251764, .05527293, 0, 0, 0, 0},
                                          {0, 0, 0, 0, .46392264, .61972833}};
    struct sae_cfg cfg = topk_cfg(SAE_NORM_NONE);
    struct golden g;
    real x[GB * GD], a[GB][GF] = {{0}};

    (void)state;
    golden_open(&g, &cfg, GB);
    golden_fill(&g.s, 1);
    golden_x(x);
    assert_true(sae_forward(&g.s, &g.w, x, GB));
    sae_backward(&g.s, &g.w);
    for (size_t r = 0; r < GB; r++)
        for (size_t j = g.w.row_at[r]; j < g.w.row_at[r + 1]; j++)
            a[r][g.w.idx[j]] = g.w.val[j];
    golden_near("a", a[0], want_a[0], GB * GF, 1e-6);
    NEAR("loss", &g.w.loss, 1.67271301);
    NEAR("l0", &g.w.l0, 1.75);
    NEAR("b_enc", g.s.p[SAE_B_ENC].grad, -.06282515, .36347152, 0, .07607646, .64966759, .63243884);
    NEAR("b_dec", g.s.p[SAE_B_DEC].grad, -.75157797, -.76082393, .26456563);
    NEAR("d", g.s.p[SAE_DECODER].grad, -.15651268, .01641049, .42665898, -.01214133, .00127303,
         .0330977, 0, 0, 0, -.24914115, .45217518, -.0780177, -.49725643, .27467326, -.18944213,
         -.384803, -.2318448, -.13816927);
    arena_close(&g.a);
}

static void topk_projected_adam_step_matches(void **state)
{
    struct sae_cfg cfg = topk_cfg(SAE_NORM_PROJECT);
    struct golden g;
    real x[GB * GD];

    (void)state;
    golden_open(&g, &cfg, GB);
    golden_fill(&g.s, 1);
    golden_x(x);
    assert_null(sae_step(&g.s, &g.w, x, GB, 0.01));
    NEAR("projected", g.s.p[SAE_DECODER].grad, -.13862543, -.02448017, .43009685, -.02152222,
         .00912171, .01715998, 0, 0, 0, -.19887809, .44933218, -.15212543, -.04833837, -.05817329,
         -.2010661, -.17253593, -.34276611, -.12719071);
    NEAR("d", g.s.p[SAE_DECODER].data, .41196824, -.90871776, .06718775, .47656226, -.40035575,
         .78269003, -.06960416, -.86509588, .49675383, -.54966342, .0216793, .83510487, -.79448065,
         .60650547, .03084834, -.87935523, .47480695, -.0359546);
    arena_close(&g.a);
}

static void auxk_matches_with_two_dead_features(void **state)
{
    struct sae_cfg cfg = topk_cfg(SAE_NORM_NONE);
    double plain[GF];
    struct golden g;
    real x[GB * GD];

    (void)state;
    golden_x(x);
    golden_open(&g, &cfg, GB);
    golden_fill(&g.s, 1);
    assert_true(sae_forward(&g.s, &g.w, x, GB));
    sae_backward(&g.s, &g.w);
    memcpy(plain, g.s.p[SAE_B_ENC].grad, sizeof plain);
    arena_close(&g.a);

    cfg.aux = (struct sae_aux){.alpha = 1, .k = 1};
    cfg.dead_rows = 1;
    golden_open(&g, &cfg, GB);
    golden_fill(&g.s, 1);
    g.s.quiet[0] = g.s.quiet[3] = 1;
    assert_true(sae_forward(&g.s, &g.w, x, GB));
    sae_backward(&g.s, &g.w);
    NEAR("aux", &g.w.aux, 2.28736812);
    NEAR("loss", &g.w.loss, 1.67271301 + 2.28736812);
    for (size_t f = 0; f < GF; f++)
        plain[f] = g.s.p[SAE_B_ENC].grad[f] - plain[f];
    NEAR("b_enc", plain, .30513354, 0, 0, .83277593, 0, 0);
    arena_close(&g.a);
}

static void batchtopk_matches_and_keeps_exactly_k_times_n(void **state)
{
    struct sae_cfg cfg = topk_cfg(SAE_NORM_NONE);
    struct golden g;
    real x[GB * GD];

    (void)state;
    cfg.arch = sae_arch_find("batchtopk");
    golden_open(&g, &cfg, GB);
    golden_fill(&g.s, 1);
    golden_x(x);
    assert_true(sae_forward(&g.s, &g.w, x, GB));
    sae_backward(&g.s, &g.w);
    NEAR("loss", &g.w.loss, 1.69601207);
    static const size_t l0[GB] = {0, 5, 1, 2};
    for (size_t r = 0; r < GB; r++)
        assert_int_equal(g.w.row_at[r + 1] - g.w.row_at[r], l0[r]);
    NEAR("least kept", &g.w.least_kept, .203878);
    NEAR("b_enc", g.s.p[SAE_B_ENC].grad, -.07952806, -.0973158, .02136487, .42107616, .69011434,
         .80308706);
    NEAR("b_dec", g.s.p[SAE_B_DEC].grad, -.50091726, -1.42540467, .58130359);
    arena_close(&g.a);
}

static void jumprelu_matches(void **state)
{
    struct sae_cfg cfg = topk_cfg(SAE_NORM_PROJECT);
    struct golden g;
    real x[GB * GD], d_theta[GF];

    (void)state;
    cfg.arch = sae_arch_find("jumprelu");
    cfg.l1 = 0.2;
    cfg.jump = (struct sae_jump){.bandwidth = 0.8, .theta = 0.1};
    golden_open(&g, &cfg, GB);
    golden_fill(&g.s, 1);
    for (int f = 0; f < GF; f++)
        g.s.p[SAE_LOG_THETA].data[f] = log(0.10 + 0.05 * f);
    golden_x(x);
    assert_true(sae_forward(&g.s, &g.w, x, GB));
    sae_backward(&g.s, &g.w);
    NEAR("loss", &g.w.loss, 2.09601207);
    NEAR("recon", &g.w.recon, 1.69601207);
    NEAR("l0", &g.w.l0, 2.0);
    NEAR("b_enc", g.s.p[SAE_B_ENC].grad, -.07952806, -.0973158, .02136487, .42107616, .69011434,
         .80308706);
    NEAR("log theta", g.s.p[SAE_LOG_THETA].grad, -.00915038, -.02545835, 0, -.02343176, -.04715611,
         -.22563292);
    for (int f = 0; f < GF; f++)
        d_theta[f] = g.s.p[SAE_LOG_THETA].grad[f] / (0.10 + 0.05 * f);
    NEAR("theta", d_theta, -.09150384, -.16972236, 0, -.09372702, -.15718704, -.64466549);
    arena_close(&g.a);
}

static void gated_matches(void **state)
{
    struct sae_cfg cfg = topk_cfg(SAE_NORM_PROJECT);
    struct golden g;
    real x[GB * GD];

    (void)state;
    cfg.arch = sae_arch_find("gated");
    cfg.l1 = 0.3;
    golden_open(&g, &cfg, GB);
    golden_fill(&g.s, 1);
    for (int f = 0; f < GF; f++) {
        g.s.p[SAE_R_MAG].data[f] = 0.1 * golden_s(6, .5, f);
        g.s.p[SAE_B_ENC].data[f] = 0.1 * golden_s(7, .8, f);
        g.s.p[SAE_B_MAG].data[f] = 0.1 * golden_s(8, .4, f);
    }
    golden_x(x);
    assert_true(sae_forward(&g.s, &g.w, x, GB));
    sae_backward(&g.s, &g.w);
    NEAR("loss", &g.w.loss, 3.89601624);
    NEAR("recon", &g.w.recon, 1.82318509);
    NEAR("aux", &g.w.aux, 1.64337657);
    double l1 = g.w.cost / GB;
    NEAR("L1", &l1, 1.43151526);
    NEAR("r_mag", g.s.p[SAE_R_MAG].grad, .00535743, .10000301, .22172908, .71110907, .45045284,
         .35758736);
    NEAR("b_gate", g.s.p[SAE_B_ENC].grad, .4148613, .77411158, .3093484, .61372862, .43090836,
         .54661654);
    NEAR("b_mag", g.s.p[SAE_B_MAG].grad, .28552025, .5862144, .23174905, .65577894, .52489045,
         .64117282);
    NEAR("b_dec", g.s.p[SAE_B_DEC].grad, -.39998883, -.24638696, -1.00182623);
    arena_close(&g.a);
}

static void matryoshka_matches(void **state)
{
    struct sae_cfg cfg = topk_cfg(SAE_NORM_NONE);
    struct golden g;
    real x[GB * GD];

    (void)state;
    cfg.arch = sae_arch_find("matryoshka");
    cfg.prefixes = (struct sae_prefixes){{2, 4, 6}, 3, SAE_PREFIX_MEAN};
    golden_open(&g, &cfg, GB);
    golden_fill(&g.s, 1);
    golden_x(x);
    assert_true(sae_forward(&g.s, &g.w, x, GB));
    sae_backward(&g.s, &g.w);
    NEAR("loss", &g.w.loss, 1.77015652);
    NEAR("b_enc", g.s.p[SAE_B_ENC].grad, -.07952806, .07303731, .13193443, .14532737, .23003811,
         .26769569);
    NEAR("b_dec", g.s.p[SAE_B_DEC].grad, -.44756482, -1.18391574, .36242824);
    const struct {
        enum sae_prefix_rule rule;
        double want;
    } rules[] = {{SAE_PREFIX_SUM, 2.00258765 + 1.61186984 + 1.69601207},
                 {SAE_PREFIX_DL, 1.77015652 / 3},
                 {SAE_PREFIX_HUSAI, 1.69601207 + 0.2 * 1.77015652}};
    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        g.s.cfg.prefixes.rule = rules[i].rule;
        assert_true(sae_forward(&g.s, &g.w, x, GB));
        golden_near("rule", &g.w.loss, &rules[i].want, 1, 1e-6);
    }
    arena_close(&g.a);
}

static void assignment_penalty_matches(void **state)
{
    static const uint32_t partner[GF] = {0, 5, 4, 3, 1, 2};
    struct sae_cfg cfg = topk_cfg(SAE_NORM_NONE);
    struct golden g;
    real x[GB * GD], ref[GF * GD], plain[GF * GD];

    (void)state;
    for (int f = 0; f < GF; f++) {
        double sq = 0;

        for (int j = 0; j < GD; j++) {
            ref[3 * f + j] = golden_s(9, 1.9, 3 * f + j);
            sq += ref[3 * f + j] * ref[3 * f + j];
        }
        for (int j = 0; j < GD; j++)
            ref[3 * f + j] /= sqrt(sq);
    }
    cfg.n_ref = GF;
    golden_open(&g, &cfg, GB);
    golden_fill(&g.s, 1.3);
    golden_x(x);
    assert_true(sae_forward(&g.s, &g.w, x, GB));
    sae_backward(&g.s, &g.w);
    memcpy(plain, g.s.p[SAE_DECODER].grad, sizeof plain);
    g.s.pull.ref = ref;
    g.s.pull.lambda = 1;
    g.s.pull.rule = SAE_PULL_ASSIGNED;
    memcpy(g.s.pull.partner, partner, sizeof partner);
    assert_true(sae_forward(&g.s, &g.w, x, GB));
    sae_backward(&g.s, &g.w);
    NEAR("penalty", &g.w.pull_loss, .11015146);
    for (int i = 0; i < GF * GD; i++)
        plain[i] = g.s.p[SAE_DECODER].grad[i] - plain[i];
    NEAR("d", plain, .00280825, -.00021591, -.01717939, .02211349, .07742637, .02511341, .03158417,
         -.02159894, -.033189, .01024175, .03020382, .00578769, -.00830584, -.01001303, -.03405398,
         .01207653, .01494122, -.08253819);
    arena_close(&g.a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(relu_loss_and_gradients_match_the_recorded_vectors),
        cmocka_unit_test(topk_loss_activations_and_gradients_match),
        cmocka_unit_test(topk_projected_adam_step_matches),
        cmocka_unit_test(auxk_matches_with_two_dead_features),
        cmocka_unit_test(batchtopk_matches_and_keeps_exactly_k_times_n),
        cmocka_unit_test(jumprelu_matches),
        cmocka_unit_test(gated_matches),
        cmocka_unit_test(matryoshka_matches),
        cmocka_unit_test(assignment_penalty_matches),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
