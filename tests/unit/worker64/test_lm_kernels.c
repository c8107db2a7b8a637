/* The transformer's kernels in double: gradients against differences, forward passes against slow
 * references, and what must not change what. */
#include "tests/lib/check.h"

#include "common/rng.h"
#include "tests/lib/gradcheck.h"
#include "worker/num/act.h"
#include "worker/num/attention.h"
#include "worker/num/embed.h"
#include "worker/num/loss.h"
#include "worker/num/norm.h"
#include "worker/num/softmax.h"

enum { SEED = 7, DIRS = 8, N = 9, C = 37, MAX = 4096 };

static void normal(double *x, size_t n, const char *stream)
{
    struct rng r = rng_stream(SEED, stream);

    for (size_t i = 0; i < n; i++)
        x[i] = rng_normal(&r);
}

static double inner(const double *a, const double *b, size_t n)
{
    double s = 0;

    for (size_t i = 0; i < n; i++)
        s += a[i] * b[i];
    return s;
}

static void check(const char *name, double *x, const double *dx, size_t n,
                  double (*loss)(void *ctx), void *ctx)
{
    struct gradcheck g = {x, dx, n, loss, ctx};
    double worst = gradcheck_worst(&g, DIRS, SEED);

    if (!(worst < 1e-7))
        fail_msg("d loss/d %s: relative error %.2e", name, worst);
}

/* --- layer normalisation ------------------------------------------------------------------ */
struct ln {
    double x[N * C], gain[C], bias[C], y[N * C], mean[N], rstd[N], g[N * C];
};

static double ln_loss(void *ctx)
{
    struct ln *s = ctx;

    layernorm_fwd(s->y, s->mean, s->rstd, s->x, s->gain, s->bias, 1e-5, N, C);
    return inner(s->g, s->y, N * C);
}

static void layernorm_gradients_are_exact(void **state)
{
    static struct ln s;
    static double dx[N * C], dgain[C], dbias[C];

    (void)state;
    normal(s.x, N * C, "x");
    normal(s.gain, C, "gain");
    normal(s.bias, C, "bias");
    normal(s.g, N * C, "g");
    ln_loss(&s);
    layernorm_bwd(dx, dgain, dbias, s.g, s.x, s.mean, s.rstd, s.gain, N, C);
    check("x", s.x, dx, N * C, ln_loss, &s);
    check("gain", s.gain, dgain, C, ln_loss, &s);
    check("bias", s.bias, dbias, C, ln_loss, &s);
}

static void layernorm_is_the_formula_and_ignores_shift_and_scale(void **state)
{
    static struct ln s, t;

    (void)state;
    normal(s.x, N * C, "x");
    normal(s.gain, C, "gain");
    normal(s.bias, C, "bias");
    ln_loss(&s);
    for (size_t i = 0; i < N; i++) {
        double mean = 0, var = 0;

        for (size_t j = 0; j < C; j++)
            mean += s.x[i * C + j] / C;
        for (size_t j = 0; j < C; j++)
            var += (s.x[i * C + j] - mean) * (s.x[i * C + j] - mean) / C;
        for (size_t j = 0; j < C; j++)
            assert_near(s.y[i * C + j],
                        (s.x[i * C + j] - mean) / sqrt(var + 1e-5) * s.gain[j] + s.bias[j], 1e-12);
    }
    t = s;
    for (size_t i = 0; i < N * C; i++)
        t.x[i] = 1e3 * t.x[i] + 50;
    ln_loss(&t);
    for (size_t i = 0; i < N * C; i++)
        assert_near(t.y[i], s.y[i], 1e-4); /* but for eps */
}

static void layernorm_backward_adds(void **state)
{
    static struct ln s;
    static double once[N * C + 2 * C], twice[N * C + 2 * C];

    (void)state;
    normal(s.x, N * C, "x");
    normal(s.gain, C, "gain");
    normal(s.g, N * C, "g");
    ln_loss(&s);
    layernorm_bwd(once, once + N * C, once + N * C + C, s.g, s.x, s.mean, s.rstd, s.gain, N, C);
    for (int i = 0; i < 2; i++)
        layernorm_bwd(twice, twice + N * C, twice + N * C + C, s.g, s.x, s.mean, s.rstd, s.gain, N,
                      C);
    for (size_t i = 0; i < N * C + 2 * C; i++)
        assert_near(twice[i], 2 * once[i], 1e-12);
}

/* --- softmax -------------------------------------------------------------------------------- */
struct sm {
    double x[N * C], y[N * C], g[N * C];
};

static double sm_loss(void *ctx)
{
    struct sm *s = ctx;

    softmax_fwd(s->y, s->x, N, C);
    return inner(s->g, s->y, N * C);
}

static void softmax_gradients_are_exact(void **state)
{
    static struct sm s;
    static double dx[N * C];

    (void)state;
    normal(s.x, N * C, "x");
    normal(s.g, N * C, "g");
    sm_loss(&s);
    softmax_bwd(dx, s.g, s.y, N, C);
    check("x", s.x, dx, N * C, sm_loss, &s);
}

static void softmax_ignores_a_shift_and_sums_to_one(void **state)
{
    static struct sm s, t;

    (void)state;
    normal(s.x, N * C, "x");
    t = s;
    for (size_t i = 0; i < N * C; i++)
        t.x[i] += 1000;
    sm_loss(&s);
    sm_loss(&t);
    for (size_t i = 0; i < N; i++) {
        double sum = 0;

        for (size_t j = 0; j < C; j++)
            sum += s.y[i * C + j];
        assert_near(sum, 1, 1e-12);
    }
    for (size_t i = 0; i < N * C; i++)
        assert_near(t.y[i], s.y[i], 1e-12);
}

/* --- activations ------------------------------------------------------------------------------ */
struct act {
    double x[N * C], bias[C], y[N * C], slope[N * C], g[N * C];
    int is_gelu;
};

static double act_loss(void *ctx)
{
    struct act *s = ctx;

    memcpy(s->y, s->x, sizeof s->y);
    if (s->is_gelu)
        gelu_fwd(s->y, s->slope, s->bias, N, C);
    else
        relu_fwd(s->y, s->bias, N, C);
    return inner(s->g, s->y, N * C);
}

static void relu_and_gelu_gradients_are_exact_with_their_bias(void **state)
{
    static struct act s;
    static double d[N * C], dbias[C];

    (void)state;
    for (s.is_gelu = 0; s.is_gelu < 2; s.is_gelu++) {
        normal(s.x, N * C, "x");
        normal(s.bias, C, "bias");
        normal(s.g, N * C, "g");
        act_loss(&s);
        memcpy(d, s.g, sizeof d);
        memset(dbias, 0, sizeof dbias);
        if (s.is_gelu)
            gelu_bwd(d, s.slope, N * C);
        else
            relu_bwd(d, s.y, N * C);
        bias_bwd(dbias, d, N, C);
        check("x", s.x, d, N * C, act_loss, &s);
        check("bias", s.bias, dbias, C, act_loss, &s);
    }
}

static void gelu_is_x_times_the_normal_distribution(void **state)
{
    double x[] = {-3, -1, -0.5, 0, 0.5, 1, 3}, bias[7] = {0};
    const double want[] = {-0.0040496940948, -0.15865525393146, -0.15426876936299, 0,
                           0.34573123063701, 0.84134474606854, 2.9959503059052};

    (void)state;
    gelu_fwd(x, NULL, bias, 1, 7);
    for (size_t i = 0; i < 7; i++)
        assert_near(x[i], want[i], 1e-10);
}

/* --- cross-entropy ------------------------------------------------------------------------------ */
struct xe {
    double x[N * C], p[N * C];
    int32_t target[N];
};

static double xe_loss(void *ctx)
{
    struct xe *s = ctx;

    return 0.3 * xent_fwd(s->p, NULL, s->x, s->target, N, C);
}

static void cross_entropy_gradients_are_exact(void **state)
{
    static struct xe s;
    static double dx[N * C];

    (void)state;
    normal(s.x, N * C, "x");
    for (size_t i = 0; i < N; i++)
        s.target[i] = (int32_t)(5 * i % C);
    xe_loss(&s);
    xent_bwd(dx, s.p, s.target, 0.3, N, C);
    check("logits", s.x, dx, N * C, xe_loss, &s);
}

static void cross_entropy_is_minus_log_p_and_counts_first_maxima(void **state)
{
    double x[2 * 3] = {1, 2, 2, 800, -800, 0}, p[2 * 3];
    const int32_t first[2] = {1, 0}, second[2] = {2, 1};
    size_t right = 9;

    (void)state;
    assert_near(xent_fwd(p, &right, x, first, 2, 3), log(2 + exp(-1)), 1e-12);
    assert_int_equal(right, 2);
    assert_near(xent_fwd(NULL, &right, x, second, 2, 3), log(2 + exp(-1)) + 1600, 1e-9);
    assert_int_equal(right, 0);
}

/* --- embeddings --------------------------------------------------------------------------------- */
enum { VOCAB = 6, POS = 4 };

struct em {
    double tok_w[VOCAB * C], pos_w[POS * C], x[N * C], g[N * C];
    int32_t tok[N], pos[N];
};

static double em_loss(void *ctx)
{
    struct em *s = ctx;

    embed_fwd(s->x, s->tok_w, s->pos_w, s->tok, s->pos, N, C);
    return inner(s->g, s->x, N * C);
}

static void embedding_gradients_are_exact_when_tokens_repeat(void **state)
{
    static struct em s;
    static double dtok[VOCAB * C], dpos[POS * C];

    (void)state;
    normal(s.tok_w, VOCAB * C, "tok");
    normal(s.pos_w, POS * C, "pos");
    normal(s.g, N * C, "g");
    for (int32_t i = 0; i < N; i++) {
        s.tok[i] = i * i % VOCAB;
        s.pos[i] = i % POS;
    }
    embed_bwd(dtok, dpos, s.g, s.tok, s.pos, N, C);
    check("W_E", s.tok_w, dtok, VOCAB * C, em_loss, &s);
    check("W_pos", s.pos_w, dpos, POS * C, em_loss, &s);
}

static void gather_and_scatter_add_are_transposes(void **state)
{
    static double x[N * C], y[4 * C], gx[N * C], gy[4 * C];
    const int32_t row[4] = {3, 0, 3, 8};

    (void)state;
    normal(x, N * C, "x");
    normal(gy, 4 * C, "gy");
    gather_rows(y, x, row, 4, C);
    scatter_add_rows(gx, gy, row, 4, C);
    assert_near(inner(gy, y, 4 * C), inner(gx, x, N * C), 1e-11);
}

/* --- attention ------------------------------------------------------------------------------------ */
/* A forest: two sequences of four tokens that share their first two nodes, and one of three. */
enum { NODES = 9, T = 4, H = 3, E_MAX = 32, M = 5 };
static const int32_t path[NODES * T] = {
    0, 0, 0, 0, /* */ 0, 1, 0, 0, /* */ 0, 1, 2, 0, /* */ 0, 1, 3, 0, /* */ 0, 1, 2, 4,
    0, 1, 3, 5, /* */ 6, 0, 0, 0, /* */ 6, 7, 0, 0, /* */ 6, 7, 8, 0};
static const int32_t pos[NODES] = {0, 1, 2, 2, 3, 3, 0, 1, 2};
static const int32_t asked[M] = {4, 5, 8, 1, 5};

struct at {
    double q[MAX], k[MAX], v[MAX], z[MAX], p[MAX], g[MAX];
    struct attention_paths a;
    size_t m, e;
};

static double at_loss(void *ctx)
{
    struct at *s = ctx;

    attention_fwd(s->z, s->p, s->q, s->k, s->v, &s->a, s->m, H, s->e);
    return inner(s->g, s->z, s->m * H * s->e);
}

static void at_fill(struct at *s, size_t e, bool is_asked)
{
    *s = (struct at){.a = {path, pos, is_asked ? asked : NULL, T}, .m = is_asked ? M : NODES, .e = e};
    normal(s->q, MAX, "q");
    normal(s->k, MAX, "k");
    normal(s->v, MAX, "v");
    normal(s->g, MAX, "g");
}

static void attention_gradients_are_exact_over_shared_prefixes(void **state)
{
    const struct {
        size_t e;
        bool is_asked;
    } row[] = {{5, false}, {5, true}, {32, false}, {32, true}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(row); i++) {
        static struct at s;
        static double dq[MAX], dk[MAX], dv[MAX], score[T];
        size_t e = row[i].e;

        at_fill(&s, e, row[i].is_asked);
        memset(dq, 0, sizeof dq);
        memset(dk, 0, sizeof dk);
        memset(dv, 0, sizeof dv);
        at_loss(&s);
        attention_bwd(dq, dk, dv, score, s.g, s.p, s.q, s.k, s.v, &s.a, s.m, H, e);
        check("q", s.q, dq, s.m * H * e, at_loss, &s);
        check("k", s.k, dk, NODES * H * e, at_loss, &s);
        check("v", s.v, dv, NODES * H * e, at_loss, &s);
    }
}

static void attention_is_the_formula(void **state)
{
    static struct at s;

    (void)state;
    for (size_t e = 5; e <= 32; e += 27) {
        at_fill(&s, e, true);
        at_loss(&s);
        for (size_t i = 0; i < M; i++)
            for (size_t h = 0; h < H; h++) {
                size_t len = (size_t)pos[asked[i]] + 1, d = H * e;
                double w[T], sum = 0;

                for (size_t t = 0; t < len; t++) {
                    const double *k = s.k + (size_t)path[asked[i] * T + (int)t] * d + h * e;

                    w[t] = exp(inner(s.q + i * d + h * e, k, e) / sqrt((double)e));
                    sum += w[t];
                }
                for (size_t j = 0; j < e; j++) {
                    double z = 0;

                    for (size_t t = 0; t < len; t++)
                        z += w[t] / sum * s.v[(size_t)path[asked[i] * T + (int)t] * d + h * e + j];
                    assert_near(s.z[i * d + h * e + j], z, 1e-12);
                }
            }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layernorm_gradients_are_exact),
        cmocka_unit_test(layernorm_is_the_formula_and_ignores_shift_and_scale),
        cmocka_unit_test(layernorm_backward_adds),
        cmocka_unit_test(softmax_gradients_are_exact),
        cmocka_unit_test(softmax_ignores_a_shift_and_sums_to_one),
        cmocka_unit_test(relu_and_gelu_gradients_are_exact_with_their_bias),
        cmocka_unit_test(gelu_is_x_times_the_normal_distribution),
        cmocka_unit_test(cross_entropy_gradients_are_exact),
        cmocka_unit_test(cross_entropy_is_minus_log_p_and_counts_first_maxima),
        cmocka_unit_test(embedding_gradients_are_exact_when_tokens_repeat),
        cmocka_unit_test(gather_and_scatter_add_are_transposes),
        cmocka_unit_test(attention_gradients_are_exact_over_shared_prefixes),
        cmocka_unit_test(attention_is_the_formula),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
