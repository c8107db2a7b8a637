/* bf16mm.c - see bf16mm.h.
 *
 * Pairs of k are words.  A block of a is laid out in strips of HIGH rows, t[k/2][HIGH], and stays in the
 * second cache; b comes by panels of WIDE rows, p[k/2][WIDE], laid out when needed and used at once
 * with every strip.  A tile of c waits in registers while DEEP pairs go by.
 */
#include "worker/num/bf16mm.h"

#include <assert.h>
#include <string.h>

#include "worker/num/avx512.h"
#include "worker/num/bf16.h"

enum {
    WIDE = 32,
    HIGH = 12,
    DEEP = 256,       /* pairs: a panel is 32 KiB */
    TALL = 85 * HIGH, /* rows of a block of a: 1 MiB */
    PANELS = 4,       /* laid out together, and */
    STRIPS = 8,       /* so many strips: a few cache lines of each row that is read across */
    AHEAD = 8        /* rows from the one that is read to the one that is fetched */
};

size_t bf16mm_room(void)
{
    return (size_t)(TALL + PANELS * WIDE) * DEEP;
}

/* Entries [k, k + n_k) of rows [first, first + n) of an operand: one or more strips or panels. */
struct part {
    const struct bf16mm_in *in;
    size_t first, n, k, n_k;
};

static size_t n_pairs(size_t k)
{
    return (k + 1) / 2;
}

/* A tile of c: where it begins. */
struct tile {
    real *c;
    size_t ldc, rows, cols;
    const real *bias; /* NULL: none */
    bool add;
};

struct kernels {
    void (*lay)(uint32_t *to, size_t wide, const struct part *p);
    void (*tile)(const struct tile *t, const uint32_t *strip, const uint32_t *panel, size_t pairs);
};

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* A panel of b with the block of a that is laid out in `strips`. */
static void panel_tiles(const struct bf16mm *p, const struct kernels *f, const uint32_t *strips,
                        const uint32_t *panel, const struct part *a, size_t j)
{
    const size_t pairs = n_pairs(a->n_k);

    for (size_t r = 0; r < a->n; r += HIGH) {
        struct tile t = {p->c + (a->first + r) * p->ldc + j, p->ldc, least(a->n - r, HIGH), least(p->n - j, WIDE),
                         p->bias && a->k == 0 ? p->bias + j : NULL, p->add || a->k > 0};

        f->tile(&t, strips + r * pairs, panel, pairs);
    }
}

/* One block of a with all of b, DEEP pairs of k. */
static void block(const struct bf16mm *p, const struct kernels *f, uint32_t *room, size_t i, size_t k)
{
    const struct part a = {&p->a, i, least(p->m - i, TALL), k, least(p->k - k, 2 * DEEP)};
    const size_t pairs = n_pairs(a.n_k);
    uint32_t *panels = room + (size_t)TALL * DEEP;

    for (size_t r = 0; r < a.n; r += STRIPS * HIGH) {
        struct part some = {a.in, i + r, least(a.n - r, STRIPS * HIGH), k, a.n_k};

        f->lay(room + r * pairs, HIGH, &some);
    }
    for (size_t j = 0; j < p->n; j += PANELS * WIDE) {
        struct part some = {&p->b, j, least(p->n - j, PANELS * WIDE), k, a.n_k};

        f->lay(panels, WIDE, &some);
        for (size_t at = 0; at < some.n; at += WIDE)
            panel_tiles(p, f, room, panels + at * pairs, &a, j + at);
    }
}

static void product(const struct bf16mm *p, const struct kernels *f, uint32_t *room)
{
    assert(p->k > 0);
    for (size_t k = 0; k < p->k; k += 2 * DEEP)
        for (size_t i = 0; i < p->m; i += TALL)
            block(p, f, room, i, k);
}

/* --- anywhere: plain loops ---------------------------------------------------------------------- */

static uint32_t half_at(const struct bf16mm_in *in, size_t i, size_t k)
{
    const size_t at = in->is_turned ? k * in->ld + i : i * in->ld + k;
    uint32_t h = in->h ? in->h[at] : bf16_round((float)in->x[at]);

    return h & 0x7f80 ? h : h & 0x8000;
}

static void lay_plain(uint32_t *to, size_t wide, const struct part *p)
{
    const size_t n = (p->n + wide - 1) / wide * wide, pairs = n_pairs(p->n_k);

    memset(to, 0, n * pairs * sizeof *to);
    for (size_t i = 0; i < p->n; i++)
        for (size_t k = 0; k < p->n_k; k++)
            to[i / wide * wide * pairs + k / 2 * wide + i % wide] |= half_at(p->in, p->first + i, p->k + k)
                                                                      << (k % 2 ? 16 : 0);
}

ISA_CLONES static void tile_plain(const struct tile *t, const uint32_t *strip, const uint32_t *panel,
                                  size_t pairs)
{
    for (size_t r = 0; r < t->rows; r++) {
        real *c = t->c + r * t->ldc, sum[WIDE] = {0};

        for (size_t j = 0; j < t->cols; j++)
            sum[j] = (t->add ? c[j] : 0) + (t->bias ? t->bias[j] : 0);
        for (size_t k = 0; k < pairs; k++) {
            const uint32_t u = strip[k * HIGH + r];
            const real odd = (real)bf16_high(u), even = (real)bf16_low(u);

#pragma omp simd
            for (size_t j = 0; j < WIDE; j++) {
                sum[j] += odd * (real)bf16_high(panel[k * WIDE + j]);
                sum[j] += even * (real)bf16_low(panel[k * WIDE + j]);
            }
        }
        memcpy(c, sum, t->cols * sizeof *c);
    }
}

void bf16mm_plain(const struct bf16mm *p, uint32_t *room)
{
    static const struct kernels plain = {lay_plain, tile_plain};

    product(p, &plain, room);
}

/* --- AVX512-BF16 -------------------------------------------------------------------------------- */

#if HAS_AVX512
#define BF16        __attribute__((target("avx512f,avx512bw,avx512vl,avx512bf16,popcnt")))
#define BF16_INLINE BF16 static inline __attribute__((always_inline))

/* 16 pairs of one row from k on; `left` entries exist. */
BF16_INLINE __m512 pairs_along(const struct bf16mm_in *in, size_t at, size_t left)
{
    if (in->h)
        return (__m512)_mm512_maskz_loadu_epi16(left >= 2 * LANES ? 0xffffffff : (1u << left) - 1, in->h + at);
    return (__m512)_mm512_cvtne2ps_pbh(
        _mm512_maskz_loadu_ps(left > LANES ? lanes(left - LANES) : 0, in->x + at + LANES),
        _mm512_maskz_loadu_ps(lanes(left), in->x + at));
}

/* 16 rows from `first` on, of which `n` exist, to columns i of a strip: 16 x 16 pairs turn. */
BF16_INLINE void turn_rows(uint32_t *to, size_t wide, size_t i, const struct part *p, size_t first, size_t n)
{
    const __mmask16 m = lanes(wide - i);

    for (size_t k = 0; k < p->n_k; k += 2 * LANES) {
        const size_t left = p->n_k - k, pairs = n_pairs(left);
        __m512 a[LANES];

#pragma GCC unroll 16
        for (size_t r = 0; r < LANES; r++)
            a[r] = r < n ? pairs_along(p->in, (first + r) * p->in->ld + p->k + k, left) : _mm512_setzero_ps();
        turn16(a);
#pragma GCC unroll 16
        for (size_t r = 0; r < LANES; r++)
            if (r < pairs)
                _mm512_mask_storeu_ps((float *)to + (k / 2 + r) * wide + i, m, a[r]);
    }
}

BF16_INLINE void lay_along(uint32_t *to, size_t wide, const struct part *p)
{
    for (size_t s = 0; s < p->n; s += wide)
        for (size_t i = 0; i < wide; i += LANES) {
            const size_t n = p->n > s + i ? p->n - s - i : 0;

            turn_rows(to + s * n_pairs(p->n_k), wide, i, p, p->first + s + i, least(n, wide - i));
        }
}

/* 16 entries of row k and of the next one, entry by entry. */
BF16_INLINE __m512i pairs_across(const struct bf16mm_in *in, size_t at, __mmask16 m, bool has_odd)
{
    const __mmask16 odd = has_odd ? m : 0;

    if (in->h) {
        __m512i lo = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(m, in->h + at));
        __m512i hi = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(odd, in->h + at + in->ld));

        return _mm512_or_si512(lo, _mm512_slli_epi32(hi, 16));
    }
    const __m512i weave = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7,
                                           22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);

    return _mm512_permutexvar_epi16(
        weave, (__m512i)_mm512_cvtne2ps_pbh(_mm512_maskz_loadu_ps(odd, in->x + at + in->ld),
                                            _mm512_maskz_loadu_ps(m, in->x + at)));
}

/* Entries of a few rows on, which the CPU does not foresee: rows may be pages apart. */
BF16_INLINE void ahead(const struct bf16mm_in *in, size_t at)
{
    if (in->h)
        __builtin_prefetch(in->h + at, 0, 3);
    else
        __builtin_prefetch(in->x + at, 0, 3);
}

/* Row after row, all strips side by side. */
BF16_INLINE void lay_across(uint32_t *to, size_t wide, const struct part *p)
{
    const size_t strip = wide * n_pairs(p->n_k);

    for (size_t k = 0; k < p->n_k; k += 2)
        for (size_t s = 0; s < p->n; s += wide)
            for (size_t i = 0; i < wide; i += LANES) {
                const size_t at = (p->k + k) * p->in->ld + p->first + s + i;
                const size_t n = p->n > s + i ? least(p->n - s - i, wide - i) : 0;

                ahead(p->in, at + AHEAD * p->in->ld);
                ahead(p->in, at + (AHEAD + 1) * p->in->ld);
                _mm512_mask_storeu_epi32(to + s / wide * strip + k / 2 * wide + i, lanes(wide - i),
                                         pairs_across(p->in, at, lanes(n), k + 1 < p->n_k));
            }
}

BF16 static void lay(uint32_t *to, size_t wide, const struct part *p)
{
    if (p->in->is_turned && wide == WIDE)
        lay_across(to, WIDE, p);
    else if (p->in->is_turned)
        lay_across(to, HIGH, p);
    else if (wide == WIDE)
        lay_along(to, WIDE, p);
    else
        lay_along(to, HIGH, p);
}

BF16_INLINE void whole_tile(const struct tile *t, const uint32_t *restrict strip, const uint32_t *restrict panel,
                            size_t pairs)
{
    const __mmask16 m[2] = {lanes(t->cols), t->cols > LANES ? lanes(t->cols - LANES) : 0};
    __m512 sum[HIGH][2];

#pragma GCC unroll 12
    for (size_t r = 0; r < HIGH; r++)
        for (size_t i = 0; i < 2; i++) {
            sum[r][i] = t->add ? _mm512_maskz_loadu_ps(m[i], t->c + r * t->ldc + i * LANES) : _mm512_setzero_ps();
            if (t->bias)
                sum[r][i] = _mm512_add_ps(sum[r][i], _mm512_maskz_loadu_ps(m[i], t->bias + i * LANES));
        }
    for (size_t k = 0; k < pairs; k++) {
        __m512bh p0 = (__m512bh)_mm512_loadu_si512(panel + k * WIDE);
        __m512bh p1 = (__m512bh)_mm512_loadu_si512(panel + k * WIDE + LANES);

#pragma GCC unroll 12
        for (size_t r = 0; r < HIGH; r++) {
            __m512bh x = (__m512bh)_mm512_set1_epi32((int)strip[k * HIGH + r]);

            sum[r][0] = _mm512_dpbf16_ps(sum[r][0], x, p0);
            sum[r][1] = _mm512_dpbf16_ps(sum[r][1], x, p1);
        }
    }
#pragma GCC unroll 12
    for (size_t r = 0; r < HIGH; r++)
        for (size_t i = 0; i < 2; i++)
            _mm512_mask_storeu_ps(t->c + r * t->ldc + i * LANES, m[i], sum[r][i]);
}

/* A strip with fewer rows: through a tile beside c. */
BF16 static void tile(const struct tile *t, const uint32_t *strip, const uint32_t *panel, size_t pairs)
{
    real beside[HIGH * WIDE];
    struct tile b = *t;

    if (t->rows == HIGH) {
        whole_tile(t, strip, panel, pairs);
        return;
    }
    b.c = beside;
    b.ldc = WIDE;
    for (size_t r = 0; r < HIGH; r++)
        memcpy(beside + r * WIDE, t->c + (r < t->rows ? r : 0) * t->ldc, t->cols * sizeof *beside);
    whole_tile(&b, strip, panel, pairs);
    for (size_t r = 0; r < t->rows; r++)
        memcpy(t->c + r * t->ldc, beside + r * WIDE, t->cols * sizeof *beside);
}

void bf16mm(const struct bf16mm *p, uint32_t *room)
{
    static const struct kernels units = {lay, tile};

    if (bf16_is_there())
        product(p, &units, room);
    else
        bf16mm_plain(p, room);
}
#else
void bf16mm(const struct bf16mm *p, uint32_t *room)
{
    bf16mm_plain(p, room);
}
#endif
