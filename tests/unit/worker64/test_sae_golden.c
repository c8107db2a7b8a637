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
        for (size_t j = 0; j < g.w.n_act[r]; j++)
            a[r][g.w.idx[r * GK + j]] = g.w.val[r * GK + j];
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(relu_loss_and_gradients_match_the_recorded_vectors),
        cmocka_unit_test(topk_loss_activations_and_gradients_match),
        cmocka_unit_test(topk_projected_adam_step_matches),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
