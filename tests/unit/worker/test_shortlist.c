/* test_shortlist.c - choices by a product in bfloat16 or in float are those of the definition, bit for
 * bit; and the bounds hold where they are tightest. */
#include "tests/lib/check.h"

#include <stdio.h>

#include "common/rng.h"
#include "worker/num/panel.h"
#include "worker/num/shortlist.h"
#include "worker/num/sparse.h"

enum { SEED = 31, N = 40, F = 3000, D = 600, K = 64, ROOM = (F + 96 + 32) * (D + 96) };

static real u[N * D], w[F * D], z[N * F], exact[N * F], bias[F], panel[ROOM];
static uint32_t pairs[2 * ROOM], all[F], list_cand[F + TOPK_SLACK], cand[F + TOPK_SLACK];
static struct bf16_norm norm[F], row[N];
static real reach[F], up[F], lo[F], value[F + TOPK_SLACK], bound[F];
static topk_key key[F + TOPK_SLACK];
static const struct topk_scratch scratch = {bound, key, cand};
static struct shortlist brief = {.pairs = pairs, .norm = norm, .row = row, .reach = reach, .up = up,
                                 .lo = lo, .value = value, .cand = list_cand};

enum style { NORMAL, SHIFTED, TIES, COARSE, MIXED_LENGTHS, TINY_ENTRIES, FEW_POSITIVE, HUGE_ENTRIES, STYLES };

static real entry(struct rng *r, enum style style)
{
    double x = rng_normal(r);

    switch (style) {
    case SHIFTED:
        return (real)(x + 1);
    case COARSE: /* exact in bfloat16: no rounding at all */
        return (real)(floor(4 * x) / 4);
    case TINY_ENTRIES:
        return (real)(x * 1e-21);
    case HUGE_ENTRIES:
        return (real)(x * 1e17);
    default:
        return (real)x;
    }
}

static void fill(struct rng *r, enum style style, size_t n, size_t f, size_t d)
{
    assert_true(panel_len(f, d) <= ROOM && bf16_len(f, d) <= 2 * ROOM);
    for (size_t i = 0; i < n * d; i++)
        u[i] = entry(r, style);
    for (size_t j = 0; j < f; j++) {
        double by = style == MIXED_LENGTHS ? pow(10, 4 * rng_f64(r) - 2) : 1;

        for (size_t i = 0; i < d; i++)
            w[j * d + i] = style == TIES && j % 3 ? w[(j - 1) * d + i]
                                                  : (real)(by * (double)entry(r, style));
        bias[j] = (real)(style == FEW_POSITIVE ? -3 * sqrt((double)d) : rng_normal(r));
        if (style == TIES && j % 3)
            bias[j] = bias[j - 1];
    }
}

static void same_row(size_t i, size_t f, size_t k, bool positive, size_t n, const uint32_t *idx,
                     const real *val, const char *what)
{
    uint32_t want_idx[K];
    real want[K];
    size_t n_want = topk_row(want_idx, want, exact + i * f, bias, f, k, positive, &scratch);

    if (n != n_want)
        fail_msg("%s row %zu: %zu chosen, %zu wanted", what, i, n, n_want);
    for (size_t j = 0; j < n; j++)
        if (idx[j] != want_idx[j] || val[j] != want[j])
            fail_msg("%s row %zu place %zu: %u %.9g, wanted %u %.9g", what, i, j, idx[j],
                     (double)val[j], want_idx[j], (double)want[j]);
}

/* Every pre-activation by the definition, without bias. */
static void define(size_t n, size_t f, size_t d)
{
    for (size_t j = 0; j < f; j++)
        all[j] = (uint32_t)j;
    for (size_t i = 0; i < n; i++)
        sparse_dots(exact + i * f, u + i * d, w, all, f, d);
}

/* Returns how many of n rows were proven. */
static size_t compare_in(bool is_float, size_t n, size_t f, size_t d, size_t k, bool positive)
{
    size_t proven = 0;
    char what[80];

    snprintf(what, sizeof what, "float %d f %zu d %zu k %zu positive %d", is_float, f, d, k, positive);
    if (is_float) {
        shortlist_pack_float(&brief, w, bias, f, d);
        shortlist_rows_float(&brief, u, n);
        panel_pack(panel, w, f, d);
        panel_mm_nt(z, u, panel, w, n, f, d);
    } else {
        shortlist_pack(&brief, w, bias, f, d);
        shortlist_product(&brief, z, u, n);
    }
    define(n, f, d); /* topk_row() adds the bias */
    for (size_t i = 0; i < n; i++) {
        uint32_t idx[K];
        real val[K];
        size_t found = shortlist_row(idx, val, &brief, z + i * f, u + i * d, i, k, positive, is_float,
                                     &scratch);

        if (found == SIZE_MAX)
            continue;
        proven++;
        same_row(i, f, k, positive, found, idx, val, what);
    }
    return proven;
}

/* Both ways; how many rows bfloat16 proved. */
static size_t compare(size_t n, size_t f, size_t d, size_t k, bool positive)
{
    assert_int_equal(compare_in(true, n, f, d, k, positive), n);
    return bf16_is_there() ? compare_in(false, n, f, d, k, positive) : n;
}

static void choices_equal_those_of_the_definition(void **state)
{
    static const size_t fs[] = {512, 777, 1024, 3000}, ds[] = {32, 33, 128, 135, 512, 600};
    struct rng r = rng_stream(SEED, "shortlist");
    size_t proven[STYLES] = {0}, rows[STYLES] = {0};

    (void)state;
    if (!shortlist_is_there(512, 32, 1))
        skip();
    for (int round = 0; round < 96; round++) {
        enum style style = (enum style)(round % STYLES);
        size_t f = fs[rng_below(&r, ARRAY_LEN(fs))], d = ds[rng_below(&r, ARRAY_LEN(ds))];
        size_t k = 1 + rng_below(&r, f / 16 < K ? f / 16 : K), n = 1 + rng_below(&r, N);

        assert_true(shortlist_is_there(f, d, k));
        fill(&r, style, n, f, d);
        rows[style] += n;
        proven[style] += compare(n, f, d, k, round / STYLES % 2);
    }
    if (proven[NORMAL] < rows[NORMAL] || proven[COARSE] < rows[COARSE])
        fail_msg("of %zu and %zu plain rows %zu and %zu were proven", rows[NORMAL], rows[COARSE],
                 proven[NORMAL], proven[COARSE]);
}

/* Neither product can prove such a row: bfloat16 says so, float reads all of it. */
static void what_is_not_finite_is_never_chosen(void **state)
{
    static const real odd[] = {NAN, INFINITY, -INFINITY, 3e38f, 1e30f};
    struct rng r = rng_stream(SEED, "odd");

    (void)state;
    if (!bf16_is_there())
        skip();
    for (size_t i = 0; i < 2 * ARRAY_LEN(odd); i++) {
        fill(&r, NORMAL, 4, 1024, 64);
        if (i % 2)
            u[64 + 5] = odd[i / 2];
        else
            w[100 * 64 + 3] = odd[i / 2];
        uint32_t idx[8];
        real val[8];
        shortlist_pack(&brief, w, bias, 1024, 64);
        shortlist_product(&brief, z, u, 4);
        assert_true(shortlist_row(idx, val, &brief, z + 1024, u + 64, 1, 8, true, false, &scratch) ==
                    SIZE_MAX);
        shortlist_pack_float(&brief, w, bias, 1024, 64);
        shortlist_rows_float(&brief, u, 4);
        size_t found = shortlist_row(idx, val, &brief, z + 1024, u + 64, 1, 8, true, true, &scratch);
        if (i / 2 < 3)
            assert_true(found == SIZE_MAX);
        define(4, 1024, 64);
        if (i / 2 == 4) /* large, but finite */
            same_row(1, 1024, 8, true, found, idx, val, "1e30");
    }
}

/* Entries just above the middle between two bfloat16 numbers, of equal signs: every rounding takes
 * away, and the lengths of rounding errors are those of their sum. */
static void bounds_hold_where_all_roundings_add_up(void **state)
{
    enum { n = 8, f = 512, d = 256 };
    double closest = 0;

    (void)state;
    if (!bf16_is_there())
        skip();
    for (size_t i = 0; i < n * d; i++)
        u[i] = 1 + (real)(0.0038 - 1e-5 * (double)(i % 7));
    for (size_t j = 0; j < f * d; j++)
        w[j] = 1 + (real)(0.0037 + 1e-5 * (double)(j % 5));
    bf16_pack(pairs, norm, w, f, d);
    bf16_mm_nt(z, row, u, pairs, n, f, d);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < f; j++) {
            double sum = 0, most = (double)row[i].lost * (double)norm[j].all +
                                   1.01 * (double)row[i].all * (double)norm[j].lost;

            for (size_t c = 0; c < d; c++)
                sum += (double)u[i * d + c] * (double)w[j * d + c];
            double share = fabs((double)z[i * f + j] - sum) / most;
            closest = share > closest ? share : closest;
        }
    if (!(closest < 1 && closest > 0.9))
        fail_msg("the largest error is %g of its bound", closest);
}

static double dot(const real *a, const real *b, size_t d)
{
    double sum = 0;

    for (size_t i = 0; i < d; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

/* Half of the rivals look worse by the whole error and half look better by it; in truth the first
 * win, by a little. */
static void rivals_that_rounding_swaps_are_told_apart(void **state)
{
    enum { f = 1024, d = 128, k = 8 };
    struct rng r = rng_stream(SEED, "rivals");

    (void)state;
    if (!shortlist_is_there(1024, 128, 8))
        skip();
    for (int round = 0; round < 20; round++) {
        for (size_t c = 0; c < d; c++)
            u[c] = 1 + (real)(0.0039 - 1e-7 * (double)rng_below(&r, 50));
        for (size_t j = 0; j < f; j++)
            for (size_t c = 0; c < d; c++) { /* both round towards 0 */
                real x = 1 + (real)(0.0039 - 1e-7 * (double)rng_below(&r, 50));

                w[j * d + c] = j % 2 ? -x : x;
            }
        real gap = (real)(dot(u, w, d) - dot(u, w + d, d) - 0.02);
        for (size_t j = 0; j < f; j++)
            bias[j] = j < 20 ? (j % 2 ? gap : 0) : (j % 2 ? gap - 4 : -4);
        if (compare(1, f, d, k, round % 2) != 1)
            fail_msg("round %d: not proven", round);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(choices_equal_those_of_the_definition),
        cmocka_unit_test(what_is_not_finite_is_never_chosen),
        cmocka_unit_test(bounds_hold_where_all_roundings_add_up),
        cmocka_unit_test(rivals_that_rounding_swaps_are_told_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
