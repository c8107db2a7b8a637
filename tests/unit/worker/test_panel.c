/* test_panel.c - products with a laid-out matrix, and sums of listed rows, against plain loops. */
#include "tests/lib/check.h"

#include "common/rng.h"
#include "worker/num/panel.h"
#include "worker/num/sparse.h"

enum { SEED = 9, N = 211, F = 131, D = 600, ROOM = 1 << 18 };

static real u[N * D], w[F * D], z[N * F], again[N * F], panel[ROOM];

static void fill(struct rng *r, real *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (real)rng_normal(r);
}

static double dot(const real *a, const real *b, size_t d)
{
    double sum = 0;

    for (size_t i = 0; i < d; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

static const struct {
    size_t n, f, d;
} shapes[] = {{1, 1, 1},     {12, 32, 16}, {13, 33, 17}, {5, 16, 128}, {97, 64, 300},
              {200, 131, 7}, {31, 15, 31}, {96, 17, 512}, {211, 96, 600}};

static void product_equals_plain_loops_for_odd_shapes(void **state)
{
    struct rng r = rng_stream(SEED, "panel");

    (void)state;
    fill(&r, u, N * D);
    fill(&r, w, F * D);
    for (size_t s = 0; s < ARRAY_LEN(shapes); s++) {
        size_t n = shapes[s].n, f = shapes[s].f, d = shapes[s].d;

        assert_true(panel_len(f, d) <= ROOM);
        panel_pack(panel, w, f, d);
        panel_mm_nt(z, u, panel, w, n, f, d);
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < f; j++) {
                double want = dot(u + i * d, w + j * d, d);

                if (!(fabs((double)z[i * f + j] - want) < 2e-4))
                    fail_msg("%zu x %zu x %zu at %zu,%zu: %g, wanted %g", n, f, d, i, j,
                             (double)z[i * f + j], want);
            }
    }
}

static void product_does_not_depend_on_tiles(void **state)
{
    static const size_t tiles[] = {1, 5, 12, 96, 100, 211};

    (void)state;
    panel_pack(panel, w, F, D);
    panel_mm_nt(z, u, panel, w, N, F, D);
    for (size_t t = 0; t < ARRAY_LEN(tiles); t++) {
        for (size_t at = 0; at < N; at += tiles[t])
            panel_mm_nt(again + at * F, u + at * D, panel, w,
                        N - at < tiles[t] ? N - at : tiles[t], F, D);
        for (size_t i = 0; i < N * F; i++)
            if (panel_is_exact() ? z[i] != again[i] : fabs((double)(z[i] - again[i])) > 1e-4)
                fail_msg("tile %zu: entry %zu: %g, %g", tiles[t], i, (double)z[i],
                         (double)again[i]);
    }
}

static void sums_and_dots_of_listed_rows_equal_plain_loops(void **state)
{
    enum { K = 37 };
    static const size_t ds[] = {1, 15, 16, 33, 64, 100, 128, 250, 256, 384, 600};
    struct rng r = rng_stream(SEED, "listed");
    uint32_t idx[K];
    real val[K], out[D], base[D], dots[K];

    (void)state;
    fill(&r, base, D);
    fill(&r, val, K);
    for (size_t s = 0; s < ARRAY_LEN(ds); s++)
        for (size_t k = 0; k <= K; k += k < 6 ? 1 : 31) {
            size_t d = ds[s];

            for (size_t j = 0; j < k; j++)
                idx[j] = (uint32_t)rng_below(&r, F);
            sparse_decode(out, base, w, idx, val, k, d);
            sparse_dots(dots, base, w, idx, k, d);
            for (size_t c = 0; c < d; c++) {
                double want = (double)base[c];

                for (size_t j = 0; j < k; j++)
                    want += (double)val[j] * (double)w[idx[j] * d + c];
                if (!(fabs(want - (double)out[c]) < 1e-4))
                    fail_msg("d %zu k %zu column %zu: %g, wanted %g", d, k, c, (double)out[c], want);
            }
            for (size_t j = 0; j < k; j++)
                if (!(fabs(dot(base, w + idx[j] * d, d) - (double)dots[j]) < 2e-4))
                    fail_msg("d %zu k %zu: dot %zu: %g", d, k, j, (double)dots[j]);
            for (size_t j = 0; j < k; j++) { /* a dot product does not depend on its place */
                real alone;

                sparse_dots(&alone, base, w, idx + j, 1, d);
                if (alone != dots[j])
                    fail_msg("d %zu k %zu: dot %zu alone: %g", d, k, j, (double)alone);
            }
        }
}

/* The gradient kernel adds what its parts would, in their order. */
static void gradients_of_a_feature_equal_their_parts(void **state)
{
    enum { K = 64 }; /* sparse_grad() takes so many rows at a time */
    static const size_t ds[] = {128, 40, 256};
    struct rng r = rng_stream(SEED, "grad");
    uint32_t row[K];
    real a[K], dz[K], ddir[D], dw[D], want_dir[D], want_w[D];

    (void)state;
    fill(&r, w, F * D);
    fill(&r, u, N * D);
    fill(&r, a, K);
    for (size_t s = 0; s < ARRAY_LEN(ds); s++)
        for (size_t k = 1; k <= K; k++) {
            size_t d = ds[s], rows = N * D / d < F ? N * D / d : F;

            for (size_t j = 0; j < k; j++)
                row[j] = (uint32_t)rng_below(&r, rows);
            struct sparse_feature list = {row, a, k};
            real sum = 0, got = sparse_grad(ddir, dw, &list, w, u, w, d);

            sparse_dots(dz, w, u, row, k, d);
            sparse_decode(want_dir, NULL, u, row, a, k, d);
            sparse_decode(want_w, NULL, w, row, dz, k, d);
            for (size_t j = 0; j < k; j++)
                sum += dz[j];
            if (got != sum || memcmp(ddir, want_dir, d * sizeof *ddir) ||
                memcmp(dw, want_w, d * sizeof *dw))
                fail_msg("d %zu k %zu: the gradient differs from its parts", d, k);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(product_equals_plain_loops_for_odd_shapes),
        cmocka_unit_test(product_does_not_depend_on_tiles),
        cmocka_unit_test(sums_and_dots_of_listed_rows_equal_plain_loops),
        cmocka_unit_test(gradients_of_a_feature_equal_their_parts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
