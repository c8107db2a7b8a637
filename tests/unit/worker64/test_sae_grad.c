/* test_sae_grad.c - every architecture's gradient against central differences, in double.
 *
 * Surrogate gradients (jumprelu's threshold) are compared with their formula; what is held fixed by
 * definition (gated's auxiliary decoder, AuxK's target) is left out here and covered by the recorded
 * vectors and by tests/peer.
 */
#include "golden.h"

#include "common/rng.h"

enum { N = 7, D = 5, O = 4, F = 12, K = 4, R = 15, DIRECTIONS = 8, SEED = 11 };

struct row {
    const char *arch;
    enum sae_norm norm;
    double l1;
    size_t d_out;
    double jacobian;
    int prefix_rule, pull; /* -1: none */
    bool is_aligned, is_gated;
    struct sae_jump jump;
};

static const struct row rows[] = {
    {.arch = "topk", .norm = SAE_NORM_NONE, .pull = -1},
    {.arch = "topk", .norm = SAE_NORM_RENORM, .pull = -1},
    {.arch = "topk_husai", .norm = SAE_NORM_RENORM, .pull = -1},
    {.arch = "relu", .norm = SAE_NORM_RENORM, .l1 = 0.05, .pull = -1},
    {.arch = "relu", .norm = SAE_NORM_NONE, .l1 = 0.05, .pull = -1},
    {.arch = "relu_bricken", .norm = SAE_NORM_RENORM, .l1 = 0.05, .pull = -1},
    {.arch = "relu_april", .norm = SAE_NORM_NONE, .l1 = 0.05, .pull = -1},
    {.arch = "linear", .norm = SAE_NORM_NONE, .pull = -1},
    {.arch = "batchtopk", .norm = SAE_NORM_NONE, .pull = -1},
    {.arch = "matryoshka", .norm = SAE_NORM_NONE, .prefix_rule = SAE_PREFIX_MEAN, .pull = -1},
    {.arch = "matryoshka", .norm = SAE_NORM_NONE, .prefix_rule = SAE_PREFIX_MEAN_WITH_BIAS, .pull = -1},
    {.arch = "matryoshka", .norm = SAE_NORM_NONE, .prefix_rule = SAE_PREFIX_DL, .pull = -1},
    {.arch = "matryoshka", .norm = SAE_NORM_NONE, .prefix_rule = SAE_PREFIX_SUM, .pull = -1},
    {.arch = "matryoshka", .norm = SAE_NORM_NONE, .prefix_rule = SAE_PREFIX_HUSAI, .pull = -1},
    {.arch = "jsae", .norm = SAE_NORM_NONE, .jacobian = 0.7, .pull = -1},
    {.arch = "jumprelu", .norm = SAE_NORM_RENORM, .l1 = 0.1, .pull = -1,
     .jump = {.bandwidth = 0.3, .theta = 0.2}},
    {.arch = "jumprelu", .norm = SAE_NORM_RENORM, .l1 = 0.1, .pull = -1,
     .jump = {.bandwidth = 0.3, .theta = 0.2, .target_l0 = 3}},
    {.arch = "jumprelu", .norm = SAE_NORM_NONE, .l1 = 0.1, .pull = -1,
     .jump = {.bandwidth = 0.3, .theta = 0.2, .tanh_scale = 4, .dead_pull = 0.05}},
    {.arch = "gated", .norm = SAE_NORM_NONE, .l1 = 0.1, .pull = -1, .is_gated = true},
    {.arch = "gba", .norm = SAE_NORM_NONE, .pull = -1},
    {.arch = "transcoder", .norm = SAE_NORM_NONE, .d_out = O, .pull = -1},
    {.arch = "skip_transcoder", .norm = SAE_NORM_NONE, .d_out = O, .pull = -1},
    {.arch = "relu_transcoder", .norm = SAE_NORM_NONE, .l1 = 0.05, .d_out = O, .pull = -1},
    {.arch = "relu_skip_transcoder", .norm = SAE_NORM_NONE, .l1 = 0.05, .d_out = O, .pull = -1},
    {.arch = "jumprelu_transcoder", .norm = SAE_NORM_RENORM, .l1 = 0.1, .d_out = O, .pull = -1,
     .jump = {.bandwidth = 0.3, .theta = 0.2}},
    {.arch = "jumprelu_skip_transcoder", .norm = SAE_NORM_NONE, .l1 = 0.1, .d_out = O, .pull = -1,
     .jump = {.bandwidth = 0.3, .theta = 0.2, .tanh_scale = 4}},
    {.arch = "jsae_pair", .norm = SAE_NORM_NONE, .pull = -1},
    {.arch = "topk", .norm = SAE_NORM_RENORM, .pull = SAE_PULL_NEAREST},
    {.arch = "topk", .norm = SAE_NORM_RENORM, .pull = SAE_PULL_ASSIGNED},
    {.arch = "relu_april", .norm = SAE_NORM_NONE, .l1 = 0.05, .pull = SAE_PULL_MUTUAL},
    {.arch = "topk", .norm = SAE_NORM_RENORM, .pull = -1, .is_aligned = true},
    {.arch = "batchtopk", .norm = SAE_NORM_RENORM, .pull = -1, .is_aligned = true},
};

struct check {
    const struct row *row;
    struct golden g;
    struct rng r;
    real x[N * D], target[N * D], ref[R * D], v[F * D];
    int param;
};

/* What is not free follows from what is. */
static void derive(struct check *c)
{
    real *w = c->g.s.p[SAE_ENCODER].data, *dir = c->g.s.p[SAE_DECODER].data;

    for (int f = 0; f < F && c->row->is_aligned; f++) {
        double dot = 0;

        for (int j = 0; j < D; j++)
            dot += c->v[f * D + j] * dir[f * D + j];
        for (int j = 0; j < D; j++)
            w[f * D + j] = c->v[f * D + j] + (1 - dot) * dir[f * D + j];
    }
    for (int i = 0; i < F * D && !strcmp(c->row->arch, "gba"); i++)
        dir[i] = c->g.s.p[SAE_SCALE].data[i / D] * w[i];
}

static double loss_of(struct check *c)
{
    derive(c);
    assert_true(sae_forward_to(&c->g.s, &c->g.w, c->x, c->target, N));
    /* the auxiliary error of gated does not reach the decoder */
    return c->g.w.loss - (c->row->is_gated && c->param == SAE_DECODER ? c->g.w.aux : 0);
}

/* Relative error of the directional derivative along a random direction of one parameter: the best of
 * two step sizes, since a selection may change between the two sides of one. */
static double direction_error(struct check *c, const real *grad)
{
    struct param *p = &c->g.s.p[c->param];
    real *data = c->row->is_aligned && c->param == SAE_ENCODER ? c->v : p->data;
    double dir[F * D], along = 0, best = INFINITY;

    for (size_t i = 0; i < p->n; i++) {
        dir[i] = rng_normal(&c->r);
        along += dir[i] * grad[i];
    }
    for (double h = 1e-5; h > 1e-6; h /= 8) {
        double loss[2], slope;

        for (int side = 0; side < 2; side++) {
            double step = side ? h : -h;

            for (size_t i = 0; i < p->n; i++)
                data[i] += step * dir[i];
            loss[side] = loss_of(c);
            for (size_t i = 0; i < p->n; i++)
                data[i] -= step * dir[i];
        }
        slope = (loss[1] - loss[0]) / (2 * h);
        best = fmin(best, fabs(slope - along) / fmax(fabs(slope) + fabs(along), 1e-3));
    }
    derive(c);
    return best;
}

static struct sae_cfg cfg_of(const struct row *row)
{
    struct sae_cfg cfg = {.arch = sae_arch_find(row->arch), .d = D, .f = F, .k = K,
                          .d_out = row->d_out, .norm = row->norm, .l1 = row->l1,
                          .jacobian = row->jacobian, .is_aligned = row->is_aligned,
                          .jump = row->jump, .dead_rows = row->jump.dead_pull > 0 ? 1 : 0,
                          .n_ref = row->pull >= 0 ? R : 0,
                          .prefixes = {{3, 7, F}, 3, (enum sae_prefix_rule)row->prefix_rule}};

    return cfg;
}

static void fill(real *x, size_t n, struct rng *r)
{
    for (size_t i = 0; i < n; i++)
        x[i] = rng_normal(r);
}

static void check_open(struct check *c, const struct row *row)
{
    struct sae_cfg cfg = cfg_of(row);
    size_t o = sae_out(&cfg);

    *c = (struct check){.row = row, .r = rng_stream(SEED, row->arch)};
    golden_open(&c->g, &cfg, N);
    sae_init(&c->g.s, SEED, NULL);
    fill(c->x, N * D, &c->r);
    memcpy(c->target, c->x, sizeof c->x);
    if (row->d_out)
        fill(c->target, N * o, &c->r);
    for (size_t p = 0; p < c->g.s.n_params; p++)
        for (size_t i = 0; p != SAE_ENCODER && i < c->g.s.p[p].n; i++)
            c->g.s.p[p].data[i] += 0.1 * rng_normal(&c->r);
    memcpy(c->v, c->g.s.p[SAE_ENCODER].data, sizeof c->v);
    if (row->is_aligned) { /* v on the constraint, where the step keeps it */
        for (size_t f = 0; f < F; f++) {
            double sq = 0;

            for (size_t j = 0; j < D; j++)
                sq += c->g.s.p[SAE_DECODER].data[f * D + j] * c->g.s.p[SAE_DECODER].data[f * D + j];
            for (size_t j = 0; j < D; j++)
                c->g.s.p[SAE_DECODER].data[f * D + j] /= sqrt(sq);
        }
        derive(c);
        memcpy(c->v, c->g.s.p[SAE_ENCODER].data, sizeof c->v);
    }
    c->g.s.quiet[2] = c->g.s.quiet[5] = 1;
    if (row->pull < 0)
        return;
    fill(c->ref, R * D, &c->r);
    for (size_t j = 0; j < R; j++) {
        double sq = 0;

        for (size_t i = 0; i < D; i++)
            sq += c->ref[j * D + i] * c->ref[j * D + i];
        for (size_t i = 0; i < D; i++)
            c->ref[j * D + i] /= sqrt(sq);
    }
    c->g.s.pull.ref = c->ref;
    c->g.s.pull.lambda = 0.9;
    c->g.s.pull.rule = (enum sae_pull_rule)row->pull;
    for (uint32_t f = 0; f < F; f++)
        c->g.s.pull.partner[f] = f == 3 ? UINT32_MAX : (f * 7) % R;
}

static bool is_checked(const struct check *c, int param)
{
    if (param == SAE_LOG_THETA)
        return false; /* a surrogate: below */
    if (param == SAE_B_DEC && c->row->is_gated)
        return false; /* held fixed in the auxiliary output, not in its input */
    return !(param == SAE_DECODER && !strcmp(c->row->arch, "gba")) && sae_has(&c->g.s, param);
}

static bool has_row(const char *arch)
{
    for (size_t t = 0; t < ARRAY_LEN(rows); t++)
        if (!strcmp(rows[t].arch, arch))
            return true;
    return false;
}

static void gradients_agree_with_differences_for_every_arch(void **state)
{
    static struct check c;
    real grad[F * D];

    (void)state;
    golden_for_every_arch(has_row);
    for (size_t t = 0; t < ARRAY_LEN(rows); t++) {
        check_open(&c, &rows[t]);
        (void)loss_of(&c);
        sae_backward(&c.g.s, &c.g.w);
        real all[SAE_PARAMS_MAX][F * D];
        for (size_t p = 0; p < c.g.s.n_params; p++)
            memcpy(all[p], c.g.s.p[p].grad, c.g.s.p[p].n * sizeof *grad);
        for (int p = 0; p < SAE_PARAMS_MAX; p++)
            for (int i = 0; i < DIRECTIONS && is_checked(&c, p); i++) {
                c.param = p;
                double worst = direction_error(&c, all[p]);

                if (!(worst < 1e-7))
                    fail_msg("row %zu, %s: d loss/d %s: relative error %.2e", t, rows[t].arch,
                             c.g.s.p[p].name, worst);
            }
        arena_close(&c.g.a);
    }
}

/* By its formula, entry by entry: -(1/eps) K (theta dL/da + lambda/n) theta. */
static void jumprelu_threshold_has_its_surrogate_gradient(void **state)
{
    static struct check c;

    (void)state;
    for (size_t t = 0; t < ARRAY_LEN(rows); t++) {
        const struct sae_jump *j = &rows[t].jump;

        if (strcmp(rows[t].arch, "jumprelu"))
            continue;
        check_open(&c, &rows[t]);
        (void)loss_of(&c);
        sae_backward(&c.g.s, &c.g.w);
        for (size_t f = 0; f < F; f++) {
            double theta = exp(c.g.s.p[SAE_LOG_THETA].data[f]), sum = 0, norm = 0;
            const real *dir = c.g.s.p[SAE_DECODER].data + f * D;

            for (size_t i = 0; i < D; i++)
                norm += dir[i] * dir[i];
            norm = sqrt(norm);
            for (size_t r = 0; r < N; r++) {
                double z = c.g.w.z[f * N + r], a = z > theta ? z : 0, da = 0;
                double l0 = j->tanh_scale > 0 ? 0 : c.g.w.lambda / N;

                for (size_t i = 0; i < D; i++)
                    da += dir[i] * c.g.w.g[r * D + i];
                if (j->tanh_scale > 0) {
                    double th = tanh(j->tanh_scale * a * norm);

                    da += rows[t].l1 / N * j->tanh_scale * (1 - th * th) * norm;
                }
                if (fabs((z - theta) / j->bandwidth) < 0.5)
                    sum -= (theta * da + l0) / j->bandwidth;
                if (j->dead_pull > 0 && (f == 2 || f == 5) && z < theta)
                    sum += j->dead_pull / N * norm;
            }
            double want = theta * sum, got = c.g.s.p[SAE_LOG_THETA].grad[f];
            if (!(fabs(got - want) < 1e-12 * fmax(1, fabs(want))))
                fail_msg("row %zu feature %zu: %.15g, formula %.15g", t, f, got, want);
        }
        arena_close(&c.g.a);
    }
}

/* Dense products and lists are two ways to the same gradient. */
static void dense_and_listed_gradients_agree(void **state)
{
    static struct check a, b;

    (void)state;
    for (size_t t = 0; t < ARRAY_LEN(rows); t++) {
        if (sae_arch_find(rows[t].arch)->select != SAE_SELECT_EACH ||
            !sae_arch_find(rows[t].arch)->has_relu)
            continue;
        check_open(&a, &rows[t]);
        check_open(&b, &rows[t]);
        b.g.w.cap = 0; /* no room: dense */
        double la = loss_of(&a), lb = loss_of(&b);
        assert_false(a.g.w.is_dense);
        assert_true(b.g.w.is_dense);
        assert_true(fabs(la - lb) < 1e-12 * fabs(la));
        sae_backward(&a.g.s, &a.g.w);
        sae_backward(&b.g.s, &b.g.w);
        for (int p = 0; p < SAE_PARAMS_MAX; p++)
            for (size_t i = 0; i < a.g.s.p[p].n; i++)
                if (!(fabs(a.g.s.p[p].grad[i] - b.g.s.p[p].grad[i]) < 1e-12))
                    fail_msg("%s: %s[%zu]: %.15g listed, %.15g dense", rows[t].arch,
                             a.g.s.p[p].name, i, a.g.s.p[p].grad[i], b.g.s.p[p].grad[i]);
        arena_close(&a.g.a);
        arena_close(&b.g.a);
    }
}

/* A penalty that is never detached: its gradient is not zero, and following it lowers it. */
static void a_consistency_penalty_falls_along_its_gradient(void **state)
{
    static struct check c;

    (void)state;
    for (size_t t = 0; t < ARRAY_LEN(rows); t++) {
        real grad[F * D];
        double norm = 0, before;

        if (rows[t].pull < 0)
            continue;
        check_open(&c, &rows[t]);
        (void)loss_of(&c);
        sae_backward(&c.g.s, &c.g.w);
        memcpy(grad, c.g.s.p[SAE_DECODER].grad, sizeof grad);
        before = c.g.w.pull_loss;
        c.g.s.pull.lambda = 0;
        (void)loss_of(&c);
        sae_backward(&c.g.s, &c.g.w);
        for (size_t i = 0; i < F * D; i++) {
            grad[i] -= c.g.s.p[SAE_DECODER].grad[i];
            norm += grad[i] * grad[i];
        }
        assert_true(norm > 1e-4);
        for (size_t i = 0; i < F * D; i++)
            c.g.s.p[SAE_DECODER].data[i] -= 0.01 / sqrt(norm) * grad[i];
        c.g.s.pull.lambda = 0.9;
        (void)loss_of(&c);
        assert_true(c.g.w.pull_loss < before);
        arena_close(&c.g.a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_agree_with_differences_for_every_arch),
        cmocka_unit_test(jumprelu_threshold_has_its_surrogate_gradient),
        cmocka_unit_test(dense_and_listed_gradients_agree),
        cmocka_unit_test(a_consistency_penalty_falls_along_its_gradient),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
