/* panel.c - see panel.h.
 *
 * A panel holds 32 features, column by column: p[c][32].  A strip of up to 12 rows, laid out column
 * by column too, times a panel is 24 vector sums in registers; per column 12 broadcasts, two loads
 * and 24 multiply-adds.  A part of a panel stays in the first-level cache for all strips; unfinished
 * sums wait beside it.
 */
#include "worker/num/panel.h"

#include "worker/num/blas.h"
#include "worker/num/avx512.h"

enum {
    WIDE = 32,
    HIGH = 12,
    DEEP = 256,     /* columns at a time: a panel's part is 16 KiB */
    ROWS = 8 * HIGH /* rows at a time, laid out as well */
};

bool panel_is_exact(void)
{
#if HAS_AVX512
    return __builtin_cpu_supports("avx512f");
#else
    return false;
#endif
}

size_t panel_len(size_t f, size_t d)
{
    return (f + WIDE - 1) / WIDE * WIDE * d + ROWS * d;
}

#if HAS_AVX512
/* 16 x 16 entries, rows of w to columns of p. */
AVX512 static void turn(float *restrict p, const float *restrict w, size_t d)
{
    __m512 a[LANES];

#pragma GCC unroll 16
    for (size_t i = 0; i < LANES; i++)
        a[i] = _mm512_loadu_ps(w + i * d);
    turn16(a);
#pragma GCC unroll 16
    for (size_t i = 0; i < LANES; i++)
        _mm512_storeu_ps(p + i * WIDE, a[i]);
}

static void pack_panel(float *restrict p, const float *restrict w, size_t n_f, size_t d)
{
    size_t whole = d / LANES * LANES;

    for (size_t j = 0; j < WIDE; j += LANES) {
        size_t c = 0;

        for (; j + LANES <= n_f && c < whole; c += LANES)
            turn(p + c * WIDE + j, w + j * d + c, d);
        for (; c < d; c++)
            for (size_t i = j; i < j + LANES; i++)
                p[c * WIDE + i] = i < n_f ? w[i * d + c] : 0;
    }
}

/* A strip times a part of a panel; `high` is a constant where this is inlined. */
AVX512_INLINE void strip(float *restrict z, size_t ldz, const float *part,
                         const float *restrict u, const float *restrict p, size_t n_c,
                         size_t high, const __mmask16 m[2])
{
    __m512 acc[HIGH][2];

#pragma GCC unroll 12
    for (size_t r = 0; r < high; r++)
        for (size_t i = 0; i < 2; i++)
            acc[r][i] = part ? _mm512_loadu_ps(part + r * WIDE + i * LANES) : _mm512_setzero_ps();
    for (size_t c = 0; c < n_c; c++) {
        __m512 p0 = _mm512_loadu_ps(p + c * WIDE), p1 = _mm512_loadu_ps(p + c * WIDE + LANES);

#pragma GCC unroll 12
        for (size_t r = 0; r < high; r++) {
            __m512 x = _mm512_set1_ps(u[c * high + r]);

            acc[r][0] = _mm512_fmadd_ps(x, p0, acc[r][0]);
            acc[r][1] = _mm512_fmadd_ps(x, p1, acc[r][1]);
        }
    }
#pragma GCC unroll 12
    for (size_t r = 0; r < high; r++)
        for (size_t i = 0; i < 2; i++)
            _mm512_mask_storeu_ps(z + r * ldz + i * LANES, m[i], acc[r][i]);
}

static size_t strip_height(size_t left)
{
    return left >= HIGH ? HIGH : left >= 4 ? 4 : 1;
}

/* Asks for what comes after this part of a panel, a share with every strip: the first strip of the
 * next part would wait for all of it. */
static inline void ahead(const float *p, size_t n)
{
    for (size_t i = 0; i < n; i += LANES)
        __builtin_prefetch(p + i, 0, 2);
}

/* Columns [c, c + n_c) of n rows, of which t is the layout, times a part of one panel, added to
 * `part` [n,WIDE] (c 0: to nothing), into z [n,ldz] of which n_f columns exist. */
AVX512 static void strips(float *z, size_t ldz, const float *part, const float *restrict t,
                          const float *restrict p, size_t n, size_t d, size_t c, size_t n_c,
                          size_t n_f)
{
    const __mmask16 m[2] = {
        lanes(n_f), n_f > LANES ? lanes(n_f - LANES) : 0};

    p += c * WIDE;
    for (size_t r = 0, high; r < n; r += high) {
        const float *sum = c > 0 ? part + r * WIDE : NULL;
        const float *u = t + r * d;

        high = strip_height(n - r);
        ahead(p + n_c * WIDE + r * n_c * WIDE / n, high * n_c * WIDE / n);
        if (high == HIGH)
            strip(z + r * ldz, ldz, sum, u + c * HIGH, p, n_c, HIGH, m);
        else if (high == 4)
            strip(z + r * ldz, ldz, sum, u + c * 4, p, n_c, 4, m);
        else
            strip(z + r * ldz, ldz, sum, u + c, p, n_c, 1, m);
    }
}

static void pack_rows(float *restrict t, const float *restrict u, size_t n, size_t d)
{
    for (size_t r = 0, high; r < n; r += high) {
        const float *row = u + r * d;
        float *to = t + r * d;

        high = strip_height(n - r);
        for (size_t c = 0; c < d; c++)
            for (size_t i = 0; i < high; i++)
                to[c * high + i] = row[i * d + c];
    }
}

/* All of one panel for n rows. */
static void panel_product(float *restrict z, size_t ldz, const float *restrict t,
                          const float *restrict p, size_t n, size_t d, size_t n_f)
{
    float part[ROWS * WIDE];
    size_t c = 0;

    for (; d - c > DEEP; c += DEEP)
        strips(part, WIDE, part, t, p, n, d, c, DEEP, WIDE);
    strips(z, ldz, part, t, p, n, d, c, d - c, n_f);
}

static void product(float *restrict z, const float *restrict u, float *restrict p, size_t n,
                    size_t f, size_t d)
{
    float *t = p + (f + WIDE - 1) / WIDE * WIDE * d;

    for (size_t r = 0; r < n; r += ROWS) {
        size_t n_r = n - r < ROWS ? n - r : ROWS;

        pack_rows(t, u + r * d, n_r, d);
        for (size_t j = 0; j < f; j += WIDE)
            panel_product(z + r * f + j, f, t, p + j * d, n_r, d, f - j < WIDE ? f - j : WIDE);
    }
}
#endif

void panel_pack(real *restrict p, const real *restrict w, size_t f, size_t d)
{
#if HAS_AVX512
    for (size_t j = 0; panel_is_exact() && j < f; j += WIDE)
        pack_panel(p + j * d, w + j * d, f - j < WIDE ? f - j : WIDE, d);
#else
    (void)p;
    (void)w;
    (void)f;
    (void)d;
#endif
}

void panel_mm_nt(real *restrict z, const real *restrict u, real *restrict p,
                 const real *restrict w, size_t n, size_t f, size_t d)
{
#if HAS_AVX512
    if (panel_is_exact()) {
        product(z, u, p, n, f, d);
        return;
    }
#endif
    (void)p;
    mm_nt(z, u, w, n, f, d, 1, 0);
}
