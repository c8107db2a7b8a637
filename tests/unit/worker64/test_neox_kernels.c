/* Attention, rotation, GELU, linear layers, norms of the large language model, in double: references,
 * gradients, invariances; and that threads change nothing where they must not. */
#include "tests/lib/check.h"

#include "common/rng.h"
#include "tests/lib/gradcheck.h"
#include "worker/num/flash.h"
#include "worker/num/gelu.h"
#include "worker/num/linear.h"
#include "worker/num/norm_parts.h"
#include "worker/num/par.h"
#include "worker/num/rope.h"

enum { SEED = 11, H = 3, E = 5, N = 150, T_MAX = 100, D = H * E };

static const size_t start[] = {0, 1, 101, 150}; /* lengths 1, 100, 49: blocks of 64 and parts */

static double *normals(size_t n, const char *name)
{
    double *x = calloc(n, sizeof *x);
    struct rng r = rng_stream(SEED, name);

    for (size_t i = 0; i < n; i++)
        x[i] = rng_normal(&r);
    return x;
}

/* Softmax attention, as slowly as it is written. */
static void attention_ref(double *z, const double *qkv)
{
    for (size_t s = 0; s < 3; s++)
        for (size_t i = start[s]; i < start[s + 1]; i++)
            for (size_t h = 0; h < H; h++) {
                const double *q = qkv + (i * H + h) * 3 * E;
                double sum = 0, *out = z + i * D + h * E;

                memset(out, 0, E * sizeof *out);
                for (size_t k = start[s]; k <= i; k++) {
                    const double *key = qkv + (k * H + h) * 3 * E + E, *v = key + E;
                    double dot = 0, p;

                    for (size_t j = 0; j < E; j++)
                        dot += q[j] * key[j];
                    p = exp(dot / sqrt(E));
                    sum += p;
                    for (size_t j = 0; j < E; j++)
                        out[j] += p * v[j];
                }
                for (size_t j = 0; j < E; j++)
                    out[j] /= sum;
            }
}

struct att {
    double *qkv, *z, *lse, *dz, *dqkv;
    struct flash f;
};

static void open_att(struct att *a, int threads)
{
    a->qkv = normals(N * 3 * D, "qkv");
    a->dz = normals(N * D, "dz");
    a->z = calloc(N * D, sizeof(double));
    a->lse = calloc(N * H, sizeof(double));
    a->dqkv = calloc(N * 3 * D, sizeof(double));
    a->f = (struct flash){.start = start, .n_seq = 3, .h = H, .e = E, .t_max = T_MAX};
    a->f.scratch = calloc(flash_scratch(T_MAX, E, threads), sizeof(double));
}

static void close_att(struct att *a)
{
    free(a->qkv), free(a->dz), free(a->z), free(a->lse), free(a->dqkv), free(a->f.scratch);
}

static double att_loss(void *ctx)
{
    struct att *a = ctx;
    double sum = 0;

    flash_fwd(a->z, a->lse, a->qkv, &a->f);
    for (size_t i = 0; i < N * D; i++)
        sum += a->z[i] * a->dz[i];
    return sum;
}

static void attention_is_the_written_out_one(void **state)
{
    struct att a;
    double *want = calloc(N * D, sizeof *want);

    (void)state;
    open_att(&a, 1);
    attention_ref(want, a.qkv);
    flash_fwd(a.z, a.lse, a.qkv, &a.f);
    for (size_t i = 0; i < N * D; i++)
        assert_near(a.z[i], want[i], 1e-13);
    free(want);
    close_att(&a);
}

static void attention_has_exact_gradients(void **state)
{
    struct att a;
    double worst;

    (void)state;
    open_att(&a, 1);
    att_loss(&a);
    flash_bwd(a.dqkv, a.dz, a.z, a.lse, a.qkv, &a.f);
    worst = gradcheck_worst(&(struct gradcheck){a.qkv, a.dqkv, N * 3 * D, att_loss, &a}, 6, SEED);
    if (!(worst < 1e-7))
        fail_msg("d loss/d qkv: relative error %.2e", worst);
    close_att(&a);
}

static void threads_change_no_bit_of_attention(void **state)
{
    struct att a, b;

    (void)state;
    open_att(&a, 1);
    open_att(&b, 3);
    att_loss(&a);
    flash_bwd(a.dqkv, a.dz, a.z, a.lse, a.qkv, &a.f);
    par_threads_set(3);
    att_loss(&b);
    flash_bwd(b.dqkv, b.dz, b.z, b.lse, b.qkv, &b.f);
    par_threads_set(1);
    assert_memory_equal(a.z, b.z, N * D * sizeof(double));
    assert_memory_equal(a.dqkv, b.dqkv, N * 3 * D * sizeof(double));
    close_att(&a);
    close_att(&b);
}

/* Scores depend on the distance only. */
static void rotation_keeps_lengths_and_ignores_a_common_shift(void **state)
{
    enum { R = 4 };
    double table[40 * R], *x = normals(2 * E, "rope"), a[2 * E], b[2 * E], dot[2] = {0};
    int32_t near[] = {3, 7}, far[] = {23, 27};
    struct rope p = {.table = table, .pos = near, .r = R, .heads = 1, .ld = E, .head_ld = E};

    (void)state;
    rope_table(table, 40, R, 100);
    memcpy(a, x, sizeof a);
    memcpy(b, x, sizeof b);
    rope_rows(a, &p, 2, 1);
    p.pos = far;
    rope_rows(b, &p, 2, 1);
    for (size_t j = 0; j < E; j++) {
        dot[0] += a[j] * a[E + j];
        dot[1] += b[j] * b[E + j];
    }
    assert_near(dot[0], dot[1], 1e-13);
    assert_near(a[0], x[0] * cos(3) - x[2] * sin(3), 1e-13); /* half rotation: j with j + r/2 */
    assert_near(a[3], x[3] * cos(0.3) + x[1] * sin(0.3), 1e-13);
    assert_true(a[4] == x[4]);
    assert_true(fabs(a[0] - b[0]) > 1e-3);
    rope_rows(b, &p, 2, -1);
    for (size_t j = 0; j < 2 * E; j++)
        assert_near(b[j], x[j], 1e-13);
    free(x);
}

static void gelu_has_its_values_and_slopes(void **state)
{
    const double h = 1e-5;

    (void)state;
    for (int is_tanh = 0; is_tanh < 2; is_tanh++)
        for (double a = -6; a < 6; a += 0.37) {
            double in[3] = {a - h, a, a + h}, y[3], again, d = 2, c = sqrt(2 / M_PI);

            gelu_keep_fwd(y, in, 3, is_tanh);
            gelu_keep_bwd(&d, &again, &a, 1, is_tanh);
            assert_near(y[1], is_tanh ? a / 2 * (1 + tanh(c * (a + 0.044715 * a * a * a)))
                                      : a / 2 * (1 + erf(a / sqrt(2))), 1e-14);
            assert_true(again == y[1]);
            assert_near(d / 2, (y[2] - y[0]) / (2 * h), 1e-8);
        }
}

static void linear_is_a_product_whatever_the_threads(void **state)
{
    const struct { size_t n, out, in; } row[] = {{7, 300, 20}, {300, 20, 31}, {1, 5, 3}, {90, 130, 130}};
    const struct linear how = {0};

    (void)state;
    for (size_t r = 0; r < ARRAY_LEN(row) * 2; r++) {
        size_t n = row[r / 2].n, out = row[r / 2].out, in = row[r / 2].in;
        double *x = normals(n * in, "x"), *w = normals(out * in, "w"), *b = normals(out, "b");
        double *y = normals(n * out, "y"), *dw = calloc(out * in, sizeof *dw), *db = calloc(out, sizeof *db);
        double *dx = calloc(n * in, sizeof *dx), before = y[0], want = before + b[0], dwant = 0, sum = 0;

        par_threads_set(r % 2 ? 3 : 1);
        linear_fwd(&how, y, x, w, b, n, out, in, true);
        for (size_t j = 0; j < in; j++)
            want += x[j] * w[j];
        assert_near(y[0], want, 1e-12);
        linear_fwd(&how, y, x, w, b, n, out, in, false);
        assert_near(y[0], want - before, 1e-12);
        linear_dx(&how, dx, y, w, n, out, in);
        for (size_t k = 0; k < out; k++)
            dwant += y[(n - 1) * out + k] * w[k * in + in - 1];
        assert_near(dx[n * in - 1], dwant, 1e-10);
        linear_dw(&how, dw, db, y, x, n, out, in, 0);
        linear_dw(&how, dw, db, y, x, n, out, in, 1);
        for (size_t i = 0, last = out - 1; i < n; i++) {
            sum += 2 * y[i * out + last];
            dw[last * in] -= 2 * y[i * out + last] * x[i * in];
        }
        assert_near(db[out - 1], sum, 1e-9);
        assert_near(dw[(out - 1) * in], 0, 1e-9);
        free(x), free(w), free(b), free(y), free(dw), free(db), free(dx);
    }
    par_threads_set(1);
}

struct norms {
    double *x, *mean, *rstd, *y, *y2, *gain, *gain2, *bias, *dy, *dy2;
};

enum { C = 70, ROWS = 9 };

static double norm_loss(void *ctx)
{
    struct norms *s = ctx;
    double sum = 0;

    norm_stats(s->mean, s->rstd, s->x, 1e-5, ROWS, C);
    norm_apply(s->y, s->x, s->mean, s->rstd, s->gain, s->bias, ROWS, C);
    norm_apply(s->y2, s->x, s->mean, s->rstd, s->gain2, s->bias, ROWS, C);
    for (size_t i = 0; i < ROWS * C; i++)
        sum += s->y[i] * s->dy[i] + s->y2[i] * s->dy2[i];
    return sum;
}

static void two_norms_of_one_input_have_exact_gradients(void **state)
{
    struct norms s = {normals(ROWS * C, "a"), normals(ROWS, "b"), normals(ROWS, "c"), normals(ROWS * C, "d"),
                      normals(ROWS * C, "e"), normals(C, "f"), normals(C, "g"), normals(C, "h"),
                      normals(ROWS * C, "i"), normals(ROWS * C, "j")};
    double dx[ROWS * C] = {0}, dgain[C] = {0}, dbias[C] = {0};
    struct norm_grads g = {s.dy, s.gain, s.dy2, s.gain2};

    (void)state;
    norm_loss(&s);
    norm_dx(dx, &g, s.x, s.mean, s.rstd, ROWS, C);
    norm_dgain(dgain, dbias, s.dy, s.x, s.mean, s.rstd, ROWS, C, 0, 64);
    norm_dgain(dgain, dbias, s.dy, s.x, s.mean, s.rstd, ROWS, C, 64, C);
    assert_true(gradcheck_worst(&(struct gradcheck){s.x, dx, ROWS * C, norm_loss, &s}, 6, SEED) < 1e-7);
    assert_true(gradcheck_worst(&(struct gradcheck){s.gain, dgain, C, norm_loss, &s}, 6, SEED) < 1e-7);
    double **all = (double **)&s;
    for (size_t i = 0; i < sizeof s / sizeof *all; i++)
        free(all[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attention_is_the_written_out_one),
        cmocka_unit_test(attention_has_exact_gradients),
        cmocka_unit_test(threads_change_no_bit_of_attention),
        cmocka_unit_test(rotation_keeps_lengths_and_ignores_a_common_shift),
        cmocka_unit_test(gelu_has_its_values_and_slopes),
        cmocka_unit_test(linear_is_a_product_whatever_the_threads),
        cmocka_unit_test(two_norms_of_one_input_have_exact_gradients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
