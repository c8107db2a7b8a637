/* act_relu.c - ReLU and linear: what methods that are NULL do; and the count of any activation. */
#include <math.h>
#include <string.h>

#include "worker/num/avx512.h"
#include "worker/num/isa.h"
#include "worker/num/vec.h"
#include "worker/sae/arch.h"

enum { FEW = 32 }; /* active rows of a feature */

double sae_weight(const struct sae *s, size_t f)
{
    size_t o = sae_out(&s->cfg);
    bool is_asked = s->cfg.jump.tanh_scale > 0 || s->cfg.jump.dead_pull > 0 ||
                    (s->cfg.arch->has_l1 && sae_l1_is_weighted(&s->cfg));

    return is_asked ? sqrt(vec_sumsq(s->p[SAE_DECODER].data + f * o, o)) : 1;
}

bool sae_is_dead(const struct sae *s, size_t f)
{
    return s->cfg.dead_rows > 0 && s->quiet[f] >= s->cfg.dead_rows;
}

ISA_CLONES static void sums(const real *a, size_t n, double *n_on, double *l1, real *peak)
{
    double on = 0, sum = 0;
    real most = 0;

#pragma omp simd reduction(+ : on, sum) reduction(max : most)
    for (size_t i = 0; i < n; i++) {
        on += a[i] != 0 ? 1.0 : 0.0;
        sum += (double)(a[i] < 0 ? -a[i] : a[i]);
        most = a[i] > most ? a[i] : most;
    }
    *n_on = on;
    *l1 = sum;
    *peak = most;
}

#if HAS_AVX512
/* The same of up to LANES numbers, without a loop whose end would have to be predicted; zeros change no
 * sum. */
AVX512 static void lane_sums(const float *a, size_t n, double *n_on, double *l1, float *peak)
{
    __m512 x = _mm512_maskz_loadu_ps(lanes(n), a), size = _mm512_abs_ps(x);
    __m256 half = _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(size), 1));
    double each[LANES], sum = 0;

    *n_on = __builtin_popcount(_mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_NEQ_UQ));
    *peak = _mm512_reduce_max_ps(_mm512_max_ps(x, _mm512_setzero_ps()));
    _mm512_storeu_pd(each, _mm512_cvtps_pd(_mm512_castps512_ps256(size)));
    _mm512_storeu_pd(each + LANES / 2, _mm512_cvtps_pd(half));
#pragma GCC unroll 16
    for (size_t i = 0; i < LANES; i++)
        sum += each[i];
    *l1 = sum;
}
#endif

/* The same where a vector would hold more than there is. */
static void few_sums(const real *a, size_t n, double *n_on, double *l1, real *peak)
{
    size_t on = 0;
    double sum = 0;
    real most = 0;

#if HAS_AVX512
    if (n <= LANES && __builtin_cpu_supports("avx512f")) {
        lane_sums(a, n, n_on, l1, peak);
        return;
    }
#endif
    for (size_t i = 0; i < n; i++) {
        on += a[i] != 0;
        sum += fabs((double)a[i]);
        most = a[i] > most ? a[i] : most;
    }
    *n_on = (double)on;
    *l1 = sum;
    *peak = most;
}

void sae_tally(const struct sae *s, struct sae_work *w, const struct sae_feature *e)
{
    double n_on, l1;

    (e->n < FEW ? few_sums : sums)(e->a, e->n, &n_on, &l1, &w->peak[e->f]);
    w->fired[e->f] = (uint32_t)n_on;
    w->l0 += n_on;
    w->l1 += l1;
    if (!s->cfg.arch->has_l1 || w->is_use)
        return;
    w->cost += s->cfg.arch->cost ? s->cfg.arch->cost(s, w, e) : l1 * e->norm;
}

ISA_CLONES void relu_activate(const struct sae *s, size_t f, const real *z, real *a, size_t n)
{
    (void)f;
    if (!s->cfg.arch->has_relu) {
        memcpy(a, z, n * sizeof *a);
        return;
    }
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        a[i] = z[i] > 0 ? z[i] : 0;
}

ISA_CLONES static void slope_on(real *restrict h, const real *restrict a, real add, size_t n)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        h[i] = a[i] > 0 ? h[i] + add : 0;
}

void relu_slope(struct sae *s, struct sae_work *w, struct sae_feature *e)
{
    const struct sae_arch *arch = s->cfg.arch;
    double per_row = arch->has_l1 ? w->lambda / (double)w->n : 0, sum = 0;

    if (arch->has_relu)
        slope_on(e->h, e->a, (real)(per_row * e->norm), e->n);
    if (!arch->has_l1 || !sae_l1_is_weighted(&s->cfg))
        return;
    for (size_t i = 0; i < e->n; i++)
        sum += (double)e->a[i];
    e->d_norm = per_row * sum;
}
