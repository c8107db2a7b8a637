/* bf16.c - see bf16.h.
 *
 * As panel.c, with pairs of columns in the place of columns: a panel holds 32 features, p[c/2][32],
 * a strip of up to 12 rows is laid out pair by pair, and one instruction multiplies and adds both
 * halves of 16 pairs.
 */
#include "worker/num/bf16.h"

#include <math.h>
#include <string.h>

#include "worker/num/avx512.h"

enum {
    WIDE = 32,
    HIGH = 12,
    DEEP = 256,     /* pairs of columns at a time: a panel's part is 32 KiB */
    ROWS = 8 * HIGH /* rows at a time, laid out as well */
};

static size_t n_pairs(size_t d)
{
    return (d + 1) / 2;
}

/* Pairs of a row where it waits to be laid out: whole vectors. */
static size_t n_room(size_t d)
{
    return (n_pairs(d) + 15) / 16 * 16;
}

size_t bf16_len(size_t f, size_t d)
{
    return (f + WIDE - 1) / WIDE * WIDE * n_pairs(d) + ROWS * n_pairs(d) + ROWS * n_room(d);
}

/* --- anywhere: plain loops; rows of pairs one after another ----------------------------------- */

static struct bf16_norm round_row_base(uint32_t *to, const real *x, size_t d)
{
    double all = 0, lost = 0;

    memset(to, 0, n_pairs(d) * sizeof *to);
    for (size_t c = 0; c < d; c++) {
        uint32_t half = bf16_round((float)x[c]);
        double off = (double)x[c] - (double)bf16_low(half);

        to[c / 2] |= half << (c % 2 ? 16 : 0);
        all += (double)x[c] * (double)x[c];
        lost += off * off;
    }
    return (struct bf16_norm){(real)(sqrt(all) * 1.001 + 1e-15), (real)(sqrt(lost) * 1.001 + 1e-15)};
}

static void pack_base(uint32_t *restrict p, struct bf16_norm *restrict norm, const real *restrict w,
                      size_t f, size_t d)
{
    for (size_t j = 0; j < f; j++)
        norm[j] = round_row_base(p + j * n_pairs(d), w + j * d, d);
}

ISA_CLONES static real dot_base(const uint32_t *restrict a, const uint32_t *restrict b, size_t n)
{
    real even = 0, odd = 0;

#pragma omp simd reduction(+ : even, odd)
    for (size_t i = 0; i < n; i++) {
        even += (real)bf16_low(a[i]) * (real)bf16_low(b[i]);
        odd += (real)bf16_high(a[i]) * (real)bf16_high(b[i]);
    }
    return even + odd;
}

static void mm_base(real *restrict z, struct bf16_norm *restrict norm, const real *restrict u,
                    uint32_t *restrict p, size_t n, size_t f, size_t d)
{
    uint32_t *row = p + (f + WIDE - 1) / WIDE * WIDE * n_pairs(d);

    for (size_t r = 0; r < n; r++) {
        norm[r] = round_row_base(row, u + r * d, d);
        for (size_t j = 0; j < f; j++)
            z[r * f + j] = dot_base(row, p + j * n_pairs(d), n_pairs(d));
    }
}

/* --- AVX512-BF16 ------------------------------------------------------------------------------ */

#if HAS_AVX512
#define BF16        __attribute__((target("avx512f,avx512bw,avx512bf16,popcnt")))
#define BF16_INLINE BF16 static inline __attribute__((always_inline))

bool bf16_is_there(void)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512bw");
}

BF16_INLINE __m512 widen(__m256i half)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
}

BF16_INLINE __m512 add_square(__m512 sum, __m512 x)
{
    return _mm512_fmadd_ps(x, x, sum);
}

/* Lanes of sums of squares, of up to LANES rows. */
struct squares {
    __m512 all[LANES], lost[LANES];
};

/* Upper bounds of the roots of sums of squares in float: rounding is below 1e-3 for any d that
 * fits in memory, squares that vanish are below 1e-38 each. */
BF16_INLINE __m512 lengths_of(__m512 sq[LANES])
{
    __m512 sum;

    turn16(sq);
    sum = sq[0];
#pragma GCC unroll 16
    for (int i = 1; i < LANES; i++)
        sum = _mm512_add_ps(sum, sq[i]);
    return _mm512_fmadd_ps(_mm512_sqrt_ps(sum), _mm512_set1_ps(1.001f), _mm512_set1_ps(1e-15f));
}

/* Lengths of n rows. */
BF16 static void lengths(struct bf16_norm *norm, struct squares *s, size_t n)
{
    float all[LANES], lost[LANES];

    for (size_t i = n; i < LANES; i++)
        s->all[i] = s->lost[i] = _mm512_setzero_ps();
    _mm512_storeu_ps(all, lengths_of(s->all));
    _mm512_storeu_ps(lost, lengths_of(s->lost));
    for (size_t i = 0; i < n; i++)
        norm[i] = (struct bf16_norm){all[i], lost[i]};
}

/* Row i of s, as pairs, [n_room(d)]. */
BF16_INLINE void round_row(uint32_t *restrict to, struct squares *restrict s, size_t i,
                           const float *restrict x, size_t d)
{
    __m512 all = _mm512_setzero_ps(), lost = all;

    for (size_t c = 0; c < d; c += 2 * LANES) {
        size_t left = d - c;
        __m512 x0 = _mm512_maskz_loadu_ps(lanes(left), x + c);
        __m512 x1 = _mm512_maskz_loadu_ps(left > LANES ? lanes(left - LANES) : 0, x + c + LANES);
        __m512i h = (__m512i)_mm512_cvtne2ps_pbh(x1, x0);

        _mm512_storeu_si512(to + c / 2, h);
        all = add_square(add_square(all, x0), x1);
        x0 = _mm512_sub_ps(x0, widen(_mm512_castsi512_si256(h)));
        x1 = _mm512_sub_ps(x1, widen(_mm512_extracti64x4_epi64(h, 1)));
        lost = add_square(add_square(lost, x0), x1);
    }
    s->all[i] = all;
    s->lost[i] = lost;
}

/* n rows, their pairs a room apart. */
BF16 static void round_rows(uint32_t *restrict to, struct bf16_norm *restrict norm, const float *restrict x,
                            size_t n, size_t d)
{
    struct squares s;

    for (size_t at = 0; at < n; at += LANES) {
        size_t take = n - at < LANES ? n - at : LANES;

        for (size_t i = 0; i < take; i++)
            round_row(to + (at + i) * n_room(d), &s, i, x + (at + i) * d, d);
        lengths(norm + at, &s, take);
    }
}

/* 16 rounded rows of w to 16 columns of a panel. */
AVX512 static void lay_out(uint32_t *restrict p, const uint32_t *restrict rows, size_t d)
{
    size_t n = n_pairs(d), stride = n_room(d);

    for (size_t c = 0; c < n; c += LANES) {
        __m512 a[LANES];

#pragma GCC unroll 16
        for (int i = 0; i < LANES; i++)
            a[i] = _mm512_loadu_ps((const float *)rows + (size_t)i * stride + c);
        turn16(a);
#pragma GCC unroll 16
        for (size_t i = 0; i < LANES; i++)
            if (c + i < n)
                _mm512_storeu_ps((float *)p + (c + i) * WIDE, a[i]);
    }
}

void bf16_pack(uint32_t *restrict p, struct bf16_norm *restrict norm, const real *restrict w, size_t f,
               size_t d)
{
    size_t n = n_pairs(d), room = n_room(d), wide = (f + WIDE - 1) / WIDE * WIDE;
    uint32_t *rows = p + wide * n + ROWS * n;

    if (!bf16_is_there()) {
        pack_base(p, norm, w, f, d);
        return;
    }
    for (size_t j = 0; j < wide; j += LANES) {
        size_t there = j >= f ? 0 : f - j < LANES ? f - j : LANES;

        round_rows(rows, norm + j, w + j * d, there, d);
        memset(rows + there * room, 0, (LANES - there) * room * sizeof *rows);
        lay_out(p + j / WIDE * WIDE * n + j % WIDE, rows, d);
    }
}

/* A strip times a part of a panel; `high` is a constant where this is inlined. */
BF16_INLINE void strip(float *restrict z, size_t ldz, const float *part, const uint32_t *restrict u,
                       const uint32_t *restrict p, size_t n_c, size_t high, const __mmask16 m[2])
{
    __m512 acc[HIGH][2];

#pragma GCC unroll 12
    for (size_t r = 0; r < high; r++)
        for (size_t i = 0; i < 2; i++)
            acc[r][i] = part ? _mm512_loadu_ps(part + r * WIDE + i * LANES) : _mm512_setzero_ps();
    for (size_t c = 0; c < n_c; c++) {
        __m512bh p0 = (__m512bh)_mm512_loadu_si512(p + c * WIDE);
        __m512bh p1 = (__m512bh)_mm512_loadu_si512(p + c * WIDE + LANES);

#pragma GCC unroll 12
        for (size_t r = 0; r < high; r++) {
            __m512bh x = (__m512bh)_mm512_set1_epi32((int)u[c * high + r]);

            acc[r][0] = _mm512_dpbf16_ps(acc[r][0], x, p0);
            acc[r][1] = _mm512_dpbf16_ps(acc[r][1], x, p1);
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

/* What comes after this part of a panel, a share with every strip. */
static inline void ahead(const uint32_t *p, size_t n)
{
    for (size_t i = 0; i < n; i += LANES)
        __builtin_prefetch(p + i, 0, 2);
}

/* A part of one panel: pairs [c, c + n_c) of n rows, whose layout is t and whose n_all pairs are
 * longer.  Added to `part` [n,WIDE] (c 0: to nothing), into z [n,ldz] of which n_f columns exist. */
struct part {
    const float *sum;
    size_t c, n_c, n_all, n_f;
};

BF16 static void strips(float *z, size_t ldz, const uint32_t *restrict t, const uint32_t *restrict p,
                        size_t n, const struct part *part)
{
    const __mmask16 m[2] = {lanes(part->n_f),
                            part->n_f > LANES ? lanes(part->n_f - LANES) : 0};
    size_t c = part->c, n_c = part->n_c;

    p += c * WIDE;
    for (size_t r = 0, high; r < n; r += high) {
        const float *sum = c > 0 ? part->sum + r * WIDE : NULL;
        const uint32_t *u = t + r * part->n_all;

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

/* All of one panel for n rows. */
static void panel_product(float *restrict z, size_t ldz, const uint32_t *restrict t,
                          const uint32_t *restrict p, size_t n, size_t n_all, size_t n_f)
{
    float sum[ROWS * WIDE];
    struct part part = {sum, 0, DEEP, n_all, WIDE};

    for (; n_all - part.c > DEEP; part.c += DEEP)
        strips(sum, WIDE, t, p, n, &part);
    part.n_c = n_all - part.c;
    part.n_f = n_f;
    strips(z, ldz, t, p, n, &part);
}

/* Rounds n rows and lays them out, strip by strip. */
static void lay_out_rows(uint32_t *restrict t, uint32_t *restrict rows, struct bf16_norm *restrict norm,
                         const float *restrict u, size_t n, size_t d)
{
    size_t n_p = n_pairs(d), room = n_room(d);

    round_rows(rows, norm, u, n, d);
    for (size_t r = 0, high; r < n; r += high) {
        const uint32_t *row = rows + r * room;
        uint32_t *to = t + r * n_p;

        high = strip_height(n - r);
        for (size_t c = 0; c < n_p; c++)
            for (size_t i = 0; i < high; i++)
                to[c * high + i] = row[i * room + c];
    }
}

void bf16_mm_nt(real *restrict z, struct bf16_norm *restrict norm, const real *restrict u,
                uint32_t *restrict p, size_t n, size_t f, size_t d)
{
    size_t n_p = n_pairs(d);
    uint32_t *t = p + (f + WIDE - 1) / WIDE * WIDE * n_p, *rows = t + ROWS * n_p;

    if (!bf16_is_there()) {
        mm_base(z, norm, u, p, n, f, d);
        return;
    }
    for (size_t r = 0; r < n; r += ROWS) {
        size_t n_r = n - r < ROWS ? n - r : ROWS;

        lay_out_rows(t, rows, norm + r, u + r * d, n_r, d);
        for (size_t j = 0; j < f; j += WIDE)
            panel_product(z + r * f + j, f, t, p + j * n_p, n_r, n_p, f - j < WIDE ? f - j : WIDE);
    }
}
#else
bool bf16_is_there(void)
{
    return false;
}

void bf16_pack(uint32_t *restrict p, struct bf16_norm *restrict norm, const real *restrict w, size_t f,
               size_t d)
{
    pack_base(p, norm, w, f, d);
}

void bf16_mm_nt(real *restrict z, struct bf16_norm *restrict norm, const real *restrict u,
                uint32_t *restrict p, size_t n, size_t f, size_t d)
{
    mm_base(z, norm, u, p, n, f, d);
}
#endif
