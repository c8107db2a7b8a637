/* test_sae_brief.c - training where bfloat16 chooses the candidates: the same bits as without. */
#include "tests/lib/check.h"

#include "common/rng.h"
#include "worker/sae/sae.h"

enum { D = 64, F = 1024, K = 16, N = 300, STEPS = 30, SEED = 3 };

static real x[STEPS][N * D];

static void fill(double shift)
{
    struct rng r = rng_stream(SEED, "brief");

    for (size_t s = 0; s < STEPS; s++)
        for (size_t i = 0; i < N * D; i++)
            x[s][i] = (real)(rng_normal(&r) + shift);
}

struct trained {
    struct arena arena;
    struct sae s;
    struct sae_work w;
};

static void train(struct trained *t, struct sae_cfg cfg, bool has_brief)
{
    struct err e;

    cfg.norm = cfg.arch->norm;
    assert_ok(sae_cfg_check(&cfg, &e), e);
    assert_ok(arena_open(&t->arena, "test", sae_bytes(&cfg) + sae_work_bytes(&cfg, N), &e), e);
    sae_new(&t->s, &cfg, &t->arena);
    sae_work_new(&t->w, &cfg, N, &t->arena);
    assert_int_equal(t->arena.peak, t->arena.size);
    sae_init(&t->s, SEED, NULL);
    t->w.has_brief = t->w.has_brief && has_brief;
    for (size_t s = 0; s < STEPS; s++)
        assert_null(sae_step(&t->s, &t->w, x[s], s % 3 ? N : N - 7, 1e-3));
}

static void same_bits(const struct trained *a, const struct trained *b, const char *name)
{
    for (size_t i = 0; i < a->s.n_params; i++)
        if (memcmp(a->s.p[i].data, b->s.p[i].data, a->s.p[i].n * sizeof(real)))
            fail_msg("%s: %s differs", name, a->s.p[i].name);
    if (a->w.loss != b->w.loss || a->w.aux != b->w.aux)
        fail_msg("%s: loss %.17g, %.17g", name, a->w.loss, b->w.loss);
}

static void both_ways(const struct sae_cfg *cfg, const char *name)
{
    static struct trained brief, plain;

    train(&brief, *cfg, true);
    train(&plain, *cfg, false);
    same_bits(&brief, &plain, name);
    arena_close(&brief.arena);
    arena_close(&plain.arena);
}

static struct sae_cfg config(const char *arch)
{
    return (struct sae_cfg){.arch = sae_arch_find(arch), .d = D, .f = F, .k = K, .is_tied = true,
                            .clip = 1, .dead_rows = 250, .jacobian = !strcmp(arch, "jsae") ? 1 : 0,
                            .adam = {.beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8}};
}

static void training_gives_the_same_bits(void **state)
{
    static const char *const archs[] = {"topk", "topk_husai", "jsae", "transcoder", "skip_transcoder"};

    (void)state;
    if (!bf16_is_there())
        skip();
    fill(0);
    for (size_t i = 0; i < ARRAY_LEN(archs); i++) {
        struct sae_cfg cfg = config(archs[i]);

        both_ways(&cfg, archs[i]);
    }
}

static void auxk_sees_the_same_dead_features(void **state)
{
    struct sae_cfg cfg = config("topk");
    static struct trained t;

    (void)state;
    if (!bf16_is_there())
        skip();
    fill(0);
    cfg.aux = (struct sae_aux){1.0 / 32, 8};
    both_ways(&cfg, "auxk");
    train(&t, cfg, true);
    assert_in_range(t.w.n_dead, 1, F / 16); /* in use, but not too many for the shortlist */
    arena_close(&t.arena);
}

/* A mean that every row shares widens the bounds: rows miss, and in the end the steps do without. */
static void rows_that_are_not_proven_fall_back(void **state)
{
    struct sae_cfg cfg = config("topk_husai");
    static struct trained t;

    (void)state;
    if (!bf16_is_there())
        skip();
    fill(300);
    both_ways(&cfg, "shifted");
    train(&t, cfg, true);
    assert_true(t.w.brief_rest > 0);
    arena_close(&t.arena);
}

/* precision bf16: another product, nearly the same training; row selection and thresholds alike. */
static void a_product_in_bfloat16_trains_nearly_as_well(void **state)
{
    static const char *const archs[] = {"topk", "batchtopk", "relu_bricken"};
    static struct trained exact, coarse;

    (void)state;
    fill(0);
    for (size_t i = 0; i < ARRAY_LEN(archs); i++) {
        struct sae_cfg cfg = config(archs[i]);

        train(&exact, cfg, true);
        cfg.is_bf16 = true;
        train(&coarse, cfg, true);
        double off = fabs(coarse.w.loss / exact.w.loss - 1);
        if (!(off > 0 && off < 0.02))
            fail_msg("%s: losses %g and %g", archs[i], coarse.w.loss, exact.w.loss);
        arena_close(&exact.arena);
        arena_close(&coarse.arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(training_gives_the_same_bits),
        cmocka_unit_test(auxk_sees_the_same_dead_features),
        cmocka_unit_test(rows_that_are_not_proven_fall_back),
        cmocka_unit_test(a_product_in_bfloat16_trains_nearly_as_well),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
