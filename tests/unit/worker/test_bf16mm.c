/* test_bf16mm.c - products in bfloat16 have the bits of their definition: of every shape and layout, whoever
 * computes them. */
#include "tests/lib/check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/rng.h"
#include "worker/nn/half.h"
#include "worker/num/bf16.h"
#include "worker/num/bf16mm.h"
#include "worker/num/linear.h"
#include "worker/num/par.h"

enum { SEED = 5, MOST = 1100 * 62 };

static real a[MOST], b[MOST], c[MOST], before[MOST], bias[MOST];
static uint16_t ha[MOST], hb[MOST];

static void fill(real *x, uint16_t *h, const char *name)
{
    struct rng r = rng_stream(SEED, name);

    for (size_t i = 0; i < MOST; i++) {
        double v = rng_normal(&r) * (i % 7 ? 1 : 1000);

        x[i] = (real)(i % 31 ? v : i % 62 ? 1e-41 : 0); /* what is below the least normal number is zero */
        h[i] = bf16_of_f32((float)x[i]);
    }
}

static float value(const struct bf16mm_in *in, size_t i, size_t k)
{
    const size_t at = in->is_turned ? k * in->ld + i : i * in->ld + k;
    uint16_t h = in->h ? in->h[at] : bf16_of_f32((float)in->x[at]);

    return h & 0x7f80 ? f32_of_bf16(h) : 0;
}

/* A chain: pair after pair, the odd entry of a pair first. */
static float want(const struct bf16mm *p, size_t i, size_t j)
{
    float sum = p->add ? (float)before[i * p->ldc + j] : 0;

    if (p->bias)
        sum += (float)p->bias[j];
    for (size_t k = 0; k < p->k; k += 2) {
        if (k + 1 < p->k) {
            volatile float odd = value(&p->a, i, k + 1) * value(&p->b, j, k + 1); /* exact */

            sum += odd;
        }
        volatile float even = value(&p->a, i, k) * value(&p->b, j, k);

        sum += even;
    }
    return sum;
}

static void compare(const struct bf16mm *p, const char *who)
{
    for (size_t i = 0; i < p->m; i++)
        for (size_t j = 0; j < p->n; j++) {
            float is = (float)p->c[i * p->ldc + j], w = want(p, i, j);

            if (memcmp(&is, &w, sizeof is))
                fail_msg("%s: %zu x %zu x %zu, turned %d %d, halves %d %d, add %d, bias %d: [%zu,%zu] is %a, not %a", who,
                         p->m, p->n, p->k, p->a.is_turned, p->b.is_turned, p->a.h != NULL, p->b.h != NULL, p->add,
                         p->bias != NULL, i, j, (double)is, (double)w);
        }
    for (size_t i = 0; i < MOST; i++) /* between rows and behind them nothing is written */
        if ((i % p->ldc >= p->n || i / p->ldc >= p->m) && c[i] != before[i])
            fail_msg("%s: entry %zu beside the result was written", who, i);
}

static void shapes(void **state)
{
    const struct { size_t m, n, k; } row[] = {{1, 1, 1}, {12, 32, 2}, {13, 33, 3}, {25, 31, 40}, {3, 17, 601},
                                              {40, 70, 33}, {1030, 5, 34}, {11, 64, 1025}};
    uint32_t *room = malloc(bf16mm_room() * sizeof *room);

    (void)state;
    for (size_t r = 0; r < ARRAY_LEN(row); r++)
        for (unsigned how = 0; how < 64; how++) {
            const bool at = how & 1, bt = how & 2;
            const size_t m = row[r].m, n = row[r].n, k = row[r].k;
            struct bf16mm p = {.a = {a, how & 4 ? ha : NULL, (at ? m : k) + 1, at},
                               .b = {b, how & 8 ? hb : NULL, (bt ? n : k) + 2, bt}, .c = c, .ldc = n + 3,
                               .m = m, .n = n, .k = k, .bias = how & 16 ? bias : NULL, .add = how & 32};

            assert_true((m + 2) * (k + 2) <= MOST && (n + 2) * (k + 2) <= MOST && m * (n + 3) <= MOST);
            memcpy(c, before, sizeof c);
            bf16mm(&p, room);
            compare(&p, bf16_is_there() ? "units" : "no units");
            if (r % 2)
                continue;
            memcpy(c, before, sizeof c);
            bf16mm_plain(&p, room);
            compare(&p, "plain");
        }
    free(room);
}

/* Every product of a layer, with one thread and with three. */
static void threads(void **state)
{
    enum { OUT = 200, IN = 50, ROWS = 66 };
    static real y[2][ROWS * OUT], dx[2][ROWS * IN], dw[2][OUT * IN], db[OUT];

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct linear l = {malloc(linear_room(3) * sizeof *l.room)};

        par_threads_set(i ? 3 : 1);
        linear_fwd(&l, y[i], a, b, bias, ROWS, OUT, IN, false);
        linear_dx(&l, dx[i], y[i], b, ROWS, OUT, IN);
        linear_dw(&l, dw[i], db, y[i], a, ROWS, OUT, IN, 0);
        linear_dw(&l, dw[i], db, y[i], a, ROWS, OUT, IN, 1);
        free(l.room);
    }
    par_threads_set(1);
    assert_memory_equal(y[0], y[1], sizeof y[0]);
    assert_memory_equal(dx[0], dx[1], sizeof dx[0]);
    assert_memory_equal(dw[0], dw[1], sizeof dw[0]);
    assert_true(dw[0][7] != 0 && dx[0][ROWS * IN - 1] != 0);
}

/* As near to float as the roundings allow: 2^-8 of each product's size. */
static void near_float(void **state)
{
    enum { OUT = 90, IN = 128, ROWS = 70 };
    static real y[2][ROWS * OUT];
    const struct linear exact = {0}, half = {malloc(linear_room(1) * sizeof(uint32_t))};

    (void)state;
    linear_fwd(&exact, y[0], a, b, bias, ROWS, OUT, IN, false);
    linear_fwd(&half, y[1], a, b, bias, ROWS, OUT, IN, false);
    for (size_t i = 0; i < ROWS * OUT; i++) {
        double size = 0;

        for (size_t k = 0; k < IN; k++)
            size += fabs((double)a[i / OUT * IN + k] * (double)b[i % OUT * IN + k]);
        if (!(fabs((double)y[0][i] - (double)y[1][i]) <= size / 128))
            fail_msg("entry %zu: %g and %g, products add up to %g", i, (double)y[0][i], (double)y[1][i], size);
    }
    free(half.room);
}

static int set_up(void **state)
{
    (void)state;
    fill(a, ha, "a");
    fill(b, hb, "b");
    fill(before, ha, "c");
    fill(bias, hb, "bias");
    for (size_t i = 0; i < MOST; i++) {
        ha[i] = bf16_of_f32((float)a[i]);
        hb[i] = bf16_of_f32((float)b[i]);
        before[i] = fabs((double)before[i]) < 1e-30 ? 0 : before[i];
        bias[i] = fabs((double)bias[i]) < 1e-30 ? 0 : bias[i];
    }
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shapes),
        cmocka_unit_test(threads),
        cmocka_unit_test(near_float),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}
