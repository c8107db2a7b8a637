/* test_jacobian.c - the penalty of a pair of SAEs around an MLP, in double: J is the derivative of
 * SAE 2's pre-activations along SAE 1's directions through the MLP; gradients by differences. */
#include "golden.h"

#include "common/rng.h"
#include "worker/sae/jacobian.h"

enum { N = 6, D = 5, H = 9, O = 4, F1 = 11, F2 = 8, K1 = 3, K2 = 2, DIRECTIONS = 8, SEED = 5 };

struct pair {
    struct arena a;
    struct sae one, two;
    struct sae_work w1, w2;
    struct jacobian g;
    struct rng r;
    real w_in[H * D], b_in[H], w_out[H * O];
    real x[N * D], y[N * O];
};

/* The MLP itself: y [O] of one row. */
static void through(const struct pair *p, const real *x, real *y)
{
    for (int o = 0; o < O; o++)
        y[o] = 0.1 * o;
    for (int h = 0; h < H; h++) {
        double z = p->b_in[h];

        for (int i = 0; i < D; i++)
            z += p->w_in[h * D + i] * x[i];
        z = p->g.mlp.act == MLP_GELU        ? z * 0.5 * (1 + erf(z / sqrt(2.0)))
            : p->g.mlp.act == MLP_GELU_TANH ? z * 0.5 * (1 + tanh(sqrt(2 / acos(-1.0)) * (z + 0.044715 * z * z * z)))
                                            : fmax(z, 0);
        for (int o = 0; o < O; o++)
            y[o] += z * p->w_out[h * O + o];
    }
}

static void fill(real *x, size_t n, struct rng *r, double size)
{
    for (size_t i = 0; i < n; i++)
        x[i] = size * rng_normal(r);
}

static struct sae_cfg cfg_of(size_t d, size_t f, size_t k)
{
    return (struct sae_cfg){.arch = sae_arch_find("jsae_pair"), .d = d, .f = f, .k = k, .norm = SAE_NORM_NONE};
}

static void pair_open(struct pair *p, enum mlp_act act)
{
    struct sae_cfg c1 = cfg_of(D, F1, K1), c2 = cfg_of(O, F2, K2);
    struct mlp mlp = {D, H, O, p->w_in, p->b_in, p->w_out, act};
    struct err e;

    p->r = rng_stream(SEED, act == MLP_RELU ? "relu" : "gelu");
    assert_int_equal(arena_open(&p->a, "pair",
                                sae_bytes(&c1) + sae_bytes(&c2) + sae_work_bytes(&c1, N) +
                                    sae_work_bytes(&c2, N) + jacobian_bytes(&mlp, &c1, &c2, N),
                                &e),
                     ERR_OK);
    sae_new(&p->one, &c1, &p->a);
    sae_new(&p->two, &c2, &p->a);
    sae_work_new(&p->w1, &c1, N, &p->a);
    sae_work_new(&p->w2, &c2, N, &p->a);
    jacobian_new(&p->g, &mlp, &c1, &c2, N, &p->a);
    assert_int_equal(p->a.peak, p->a.size);
    sae_init(&p->one, SEED, NULL);
    sae_init(&p->two, SEED + 1, NULL);
    fill(p->one.p[SAE_DECODER].data, F1 * D, &p->r, 0.7);
    fill(p->two.p[SAE_ENCODER].data, F2 * O, &p->r, 0.7);
    fill(p->w_in, H * D, &p->r, 0.5);
    fill(p->b_in, H, &p->r, 0.5);
    fill(p->w_out, H * O, &p->r, 0.5);
    fill(p->x, N * D, &p->r, 1);
    for (int r = 0; r < N; r++)
        through(p, p->x + r * D, p->y + r * O);
    p->g.c = 0.8;
}

static double loss_of(struct pair *p)
{
    assert_true(sae_forward(&p->one, &p->w1, p->x, N));
    assert_true(sae_forward(&p->two, &p->w2, p->y, N));
    return jacobian_run(&p->g, &p->one, &p->w1, &p->two, &p->w2, p->x, N);
}

/* Of pre-activation j of SAE 2 when x moves along direction i of SAE 1. */
static double slope_of(const struct pair *p, size_t r, size_t i, size_t j)
{
    const double h = 1e-5;
    double z[2] = {0, 0};

    for (int side = 0; side < 2; side++) {
        real x[D], y[O];

        for (int c = 0; c < D; c++)
            x[c] = p->x[r * D + c] + (side ? h : -h) * p->one.p[SAE_DECODER].data[i * D + c];
        through(p, x, y);
        for (int c = 0; c < O; c++)
            z[side] += p->two.p[SAE_ENCODER].data[j * O + c] * y[c];
    }
    return (z[1] - z[0]) / (2 * h);
}

static void the_penalty_is_the_derivative_of_latents_through_the_mlp(void **state)
{
    static struct pair p;

    (void)state;
    for (enum mlp_act act = MLP_RELU; act <= MLP_GELU_TANH; act++) {
        double sum = 0, got;
        size_t n = 0;

        pair_open(&p, act);
        got = loss_of(&p);
        for (size_t r = 0; r < N; r++)
            for (size_t a = p.w1.row_at[r]; a < p.w1.row_at[r + 1]; a++)
                for (size_t b = p.w2.row_at[r]; b < p.w2.row_at[r + 1]; b++, n++)
                    sum += fabs(slope_of(&p, r, p.w1.idx[a], p.w2.idx[b]));
        assert_true(n > N);
        sum *= 0.8 / (N * K1 * K2);
        if (!(fabs(got - sum) < 1e-8 * sum))
            fail_msg("activation %d: %.12g, by differences %.12g", act, got, sum);
        arena_close(&p.a);
    }
}

/* Relative error of the derivative along a random direction of one parameter: the best of two step
 * sizes, since a selection or a sign may change between the two sides of one. */
static double direction_error(struct pair *p, real *data, const real *grad, size_t n)
{
    double dir[F1 * D], along = 0, best = INFINITY;

    for (size_t i = 0; i < n; i++) {
        dir[i] = rng_normal(&p->r);
        along += dir[i] * grad[i];
    }
    for (double h = 1e-5; h > 1e-6; h /= 8) {
        double loss[2], slope;

        for (int side = 0; side < 2; side++) {
            for (size_t i = 0; i < n; i++)
                data[i] += (side ? h : -h) * dir[i];
            loss[side] = loss_of(p);
            for (size_t i = 0; i < n; i++)
                data[i] -= (side ? h : -h) * dir[i];
        }
        slope = (loss[1] - loss[0]) / (2 * h);
        best = fmin(best, fabs(slope - along) / fmax(fabs(slope) + fabs(along), 1e-3));
    }
    return best;
}

static void gradients_agree_with_differences(void **state)
{
    static struct pair p;

    (void)state;
    for (enum mlp_act act = MLP_RELU; act <= MLP_GELU_TANH; act++) {
        real dec[F1 * D], enc[F2 * O];

        pair_open(&p, act);
        (void)loss_of(&p);
        memcpy(dec, p.g.add_dec, sizeof dec);
        memcpy(enc, p.g.add_enc, sizeof enc);
        for (int i = 0; i < DIRECTIONS; i++) {
            double a = direction_error(&p, p.one.p[SAE_DECODER].data, dec, F1 * D);
            double b = direction_error(&p, p.two.p[SAE_ENCODER].data, enc, F2 * O);

            if (!(a < 1e-7) || !(b < 1e-7))
                fail_msg("activation %d: relative errors %.2e of the decoder, %.2e of the encoder", act, a, b);
        }
        arena_close(&p.a);
    }
}

/* What jacobian_run() made reaches the SAEs' gradients. */
static void gradients_are_added_to_those_of_the_saes(void **state)
{
    static struct pair p;
    real dec[F1 * D], enc[F2 * O];

    (void)state;
    pair_open(&p, MLP_GELU);
    (void)loss_of(&p);
    sae_backward(&p.one, &p.w1);
    sae_backward(&p.two, &p.w2);
    memcpy(dec, p.one.p[SAE_DECODER].grad, sizeof dec);
    memcpy(enc, p.two.p[SAE_ENCODER].grad, sizeof enc);
    (void)loss_of(&p);
    p.w1.add_dec = p.g.add_dec;
    p.w2.add_enc = p.g.add_enc;
    sae_backward(&p.one, &p.w1);
    sae_backward(&p.two, &p.w2);
    for (size_t i = 0; i < F1 * D; i++)
        assert_true(fabs(p.one.p[SAE_DECODER].grad[i] - dec[i] - p.g.add_dec[i]) < 1e-14);
    for (size_t i = 0; i < F2 * O; i++)
        assert_true(fabs(p.two.p[SAE_ENCODER].grad[i] - enc[i] - p.g.add_enc[i]) < 1e-14);
    arena_close(&p.a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_penalty_is_the_derivative_of_latents_through_the_mlp),
        cmocka_unit_test(gradients_agree_with_differences),
        cmocka_unit_test(gradients_are_added_to_those_of_the_saes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
