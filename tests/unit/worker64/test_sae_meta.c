/* test_sae_meta.c - what must not change a loss, and what must change it in a known way: for every
 * architecture, in double, so that only a mistake and no rounding can be seen. */
#include "golden.h"

#include "common/rng.h"

enum { N = 12, D = 5, O = 4, F = 18, K = 3, SEED = 21 };

static const char *const archs[] = {
    "topk", "topk_husai", "batchtopk", "matryoshka", "jsae", "relu", "relu_bricken", "relu_april", "jumprelu",
    "gated", "gba", "jsae_pair", "transcoder", "skip_transcoder", "relu_transcoder", "relu_skip_transcoder",
    "jumprelu_transcoder", "jumprelu_skip_transcoder", "linear"};

struct rig {
    struct golden g;
    real x[N * D], y[N * D];   /* y: the target */
    size_t o;
};

static bool has_row(const char *arch)
{
    for (size_t t = 0; t < ARRAY_LEN(archs); t++)
        if (!strcmp(archs[t], arch))
            return true;
    return false;
}

static void every_arch_is_here(void **state)
{
    (void)state;
    golden_for_every_arch(has_row);
}

static void fill(real *x, size_t n, double size, struct rng *r)
{
    for (size_t i = 0; i < n; i++)
        x[i] = size * rng_normal(r);
}

static void rig_open(struct rig *r, const char *name)
{
    const struct sae_arch *arch = sae_arch_find(name);
    struct sae_cfg cfg = {.arch = arch, .d = D, .f = F, .k = K, .norm = arch->norm, .l1 = 0.05,
                          .d_out = arch->is_transcoder ? O : 0,
                          .jacobian = !strcmp(name, "jsae") ? 0.5 : 0,
                          .prefixes = {{4, 9, F}, 3, SAE_PREFIX_MEAN},
                          .jump = {.bandwidth = 0.2, .theta = 0.15}};
    struct rng own = rng_stream(SEED, name);

    if (!(arch->params >> SAE_LOG_THETA & 1))
        cfg.jump = (struct sae_jump){0};
    golden_open(&r->g, &cfg, N);
    r->o = sae_out(&cfg);
    sae_init(&r->g.s, SEED, NULL);
    for (size_t p = SAE_B_ENC; p < r->g.s.n_params; p++)
        if (p != SAE_DECODER)
            for (size_t i = 0; i < r->g.s.p[p].n; i++)
                r->g.s.p[p].data[i] += 0.1 * rng_normal(&own);
    if (arch->is_one_matrix) /* d_f = scale_f w_f */
        for (size_t i = 0; i < F * D; i++)
            r->g.s.p[SAE_DECODER].data[i] = r->g.s.p[SAE_SCALE].data[i / D] * r->g.s.p[SAE_ENCODER].data[i];
    fill(r->x, N * D, 1, &own);
    memcpy(r->y, r->x, sizeof r->y);
    if (arch->is_transcoder)
        fill(r->y, N * r->o, 1, &own);
}

static double loss_of(struct rig *r)
{
    assert_true(sae_forward_to(&r->g.s, &r->g.w, r->x, r->y, N));
    return r->g.w.loss;
}

static void near(const char *arch, const char *what, double got, double want)
{
    if (!(fabs(got - want) <= 1e-11 * fmax(1, fabs(want))))
        fail_msg("%s: %s: %.15g, expected %.15g", arch, what, got, want);
}

/* Rows of `row` numbers each in another order: to[i] = from[order[i]]. */
static void reorder(real *to, const real *from, const uint32_t *order, size_t n, size_t row)
{
    for (size_t i = 0; i < n; i++)
        memcpy(to + i * row, from + order[i] * row, row * sizeof *to);
}

/* An order of the features; of nested prefixes within each. */
static void order_features(uint32_t order[F], struct rng *r, bool is_nested)
{
    static const size_t ends[] = {0, 4, 9, F};

    if (!is_nested) {
        rng_perm(r, order, F);
        return;
    }
    for (size_t g = 0; g < 3; g++) {
        rng_perm(r, order + ends[g], ends[g + 1] - ends[g]);
        for (size_t i = ends[g]; i < ends[g + 1]; i++)
            order[i] += (uint32_t)ends[g];
    }
}

static void the_order_of_features_does_not_matter(void **state)
{
    static struct rig a, b;
    struct rng own = rng_stream(SEED, "order");
    uint32_t order[F];

    (void)state;
    for (size_t t = 0; t < ARRAY_LEN(archs); t++) {
        rig_open(&a, archs[t]);
        rig_open(&b, archs[t]);
        order_features(order, &own, a.g.s.cfg.arch->is_nested);
        for (size_t p = 0; p < a.g.s.n_params; p++)
            if (p != SAE_B_DEC && p != SAE_SKIP && a.g.s.p[p].n)
                reorder(b.g.s.p[p].data, a.g.s.p[p].data, order, F, a.g.s.p[p].n / F);
        near(archs[t], "loss", loss_of(&b), loss_of(&a));
        sae_backward(&a.g.s, &a.g.w);
        sae_backward(&b.g.s, &b.g.w);
        for (size_t p = 0; p < a.g.s.n_params; p++) {
            real want[F * D];
            size_t n = a.g.s.p[p].n;

            if (p == SAE_B_DEC || p == SAE_SKIP || n == 0)
                memcpy(want, a.g.s.p[p].grad, n * sizeof *want);
            else
                reorder(want, a.g.s.p[p].grad, order, F, n / F);
            for (size_t i = 0; i < n; i++)
                near(archs[t], a.g.s.p[p].name, b.g.s.p[p].grad[i], want[i]);
        }
        arena_close(&a.g.a);
        arena_close(&b.g.a);
    }
}

static void the_order_of_rows_does_not_matter(void **state)
{
    static struct rig a, b;
    struct rng own = rng_stream(SEED, "rows");
    uint32_t order[N];

    (void)state;
    for (size_t t = 0; t < ARRAY_LEN(archs); t++) {
        rig_open(&a, archs[t]);
        rig_open(&b, archs[t]);
        rng_perm(&own, order, N);
        reorder(b.x, a.x, order, N, D);
        reorder(b.y, a.y, order, N, a.o);
        near(archs[t], "loss", loss_of(&b), loss_of(&a));
        sae_backward(&a.g.s, &a.g.w);
        sae_backward(&b.g.s, &b.g.w);
        for (size_t p = 0; p < a.g.s.n_params; p++)
            for (size_t i = 0; i < a.g.s.p[p].n; i++)
                near(archs[t], a.g.s.p[p].name, b.g.s.p[p].grad[i], a.g.s.p[p].grad[i]);
        arena_close(&a.g.a);
        arena_close(&b.g.a);
    }
}

/* A loss is a mean over rows: that of a batch is the mean of its parts', and so are gradients.  Not
 * where the batch itself decides what is kept. */
static void a_batch_is_the_mean_of_its_parts(void **state)
{
    static struct rig r;

    (void)state;
    for (size_t t = 0; t < ARRAY_LEN(archs); t++) {
        const size_t split[] = {0, 5, 6, N};
        real sum[SAE_PARAMS_MAX][F * D] = {{0}};
        double loss = 0;

        rig_open(&r, archs[t]);
        if (r.g.s.cfg.arch->select == SAE_SELECT_BATCH) {
            arena_close(&r.g.a);
            continue;
        }
        for (size_t i = 0; i < 3; i++) {
            size_t n = split[i + 1] - split[i];

            assert_true(sae_forward_to(&r.g.s, &r.g.w, r.x + split[i] * D, r.y + split[i] * r.o, n));
            sae_backward(&r.g.s, &r.g.w);
            loss += r.g.w.loss * (double)n / N;
            for (size_t p = 0; p < r.g.s.n_params; p++)
                for (size_t j = 0; j < r.g.s.p[p].n; j++)
                    sum[p][j] += r.g.s.p[p].grad[j] * (double)n / N;
        }
        near(archs[t], "loss", loss_of(&r), loss);
        sae_backward(&r.g.s, &r.g.w);
        for (size_t p = 0; p < r.g.s.n_params; p++)
            for (size_t j = 0; j < r.g.s.p[p].n; j++)
                near(archs[t], r.g.s.p[p].name, r.g.s.p[p].grad[j], sum[p][j]);
        arena_close(&r.g.a);
    }
}

/* c times the rows, the biases and the thresholds: c times the reconstruction, c^2 the error, the
 * same features. */
static void the_error_scales_with_the_square_of_the_data(void **state)
{
    static const int scaled[] = {SAE_B_ENC, SAE_B_DEC, SAE_B_MAG};
    static struct rig r;
    const double c = 3.7;

    (void)state;
    for (size_t t = 0; t < ARRAY_LEN(archs); t++) {
        double recon, l0, l1, xhat[N * D];

        rig_open(&r, archs[t]);
        (void)loss_of(&r);
        recon = r.g.w.recon;
        l0 = r.g.w.l0;
        l1 = r.g.w.l1;
        memcpy(xhat, r.g.w.xhat, N * r.o * sizeof *xhat);
        for (size_t i = 0; i < N * D; i++) {
            r.x[i] *= c;
            r.y[i] *= c;
        }
        for (size_t p = 0; p < ARRAY_LEN(scaled); p++)
            for (size_t i = 0; i < r.g.s.p[scaled[p]].n; i++)
                r.g.s.p[scaled[p]].data[i] *= c;
        for (size_t i = 0; i < r.g.s.p[SAE_LOG_THETA].n; i++)
            r.g.s.p[SAE_LOG_THETA].data[i] += log(c);
        (void)loss_of(&r);
        near(archs[t], "error", r.g.w.recon, c * c * recon);
        near(archs[t], "L0", r.g.w.l0, l0);
        near(archs[t], "L1", r.g.w.l1, c * l1);
        for (size_t i = 0; i < N * r.o; i++)
            near(archs[t], "x_hat", r.g.w.xhat[i], c * xhat[i]);
        arena_close(&r.g.a);
    }
}

static void a_batch_without_rows_is_refused_by_name(void **state)
{
    static struct rig r;

    (void)state;
    for (size_t t = 0; t < ARRAY_LEN(archs); t++) {
        rig_open(&r, archs[t]);
        real before = r.g.s.p[SAE_ENCODER].data[0];
        assert_string_equal(sae_step_to(&r.g.s, &r.g.w, r.x, r.y, 0, 1e-3), "mean over no rows");
        assert_true(r.g.s.p[SAE_ENCODER].data[0] == before);
        assert_int_equal(r.g.s.cfg.adam.t, 0);
        arena_close(&r.g.a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_arch_is_here),
        cmocka_unit_test(the_order_of_features_does_not_matter),
        cmocka_unit_test(the_order_of_rows_does_not_matter),
        cmocka_unit_test(a_batch_is_the_mean_of_its_parts),
        cmocka_unit_test(the_error_scales_with_the_square_of_the_data),
        cmocka_unit_test(a_batch_without_rows_is_refused_by_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
