/* act_gated.c - gate and magnitude read one encoder matrix (arXiv:2404.16014):
 *
 *   pi = W u + b_gate,  m = relu((W u) exp(r_mag) + b_mag),  a = [pi > 0] m.
 *
 * z is pi and b_enc is b_gate.  The gate learns from l1 * sum relu(pi) and from the error of a second
 * reconstruction, of relu(pi), whose decoder and b_dec are held fixed (the paper's form).
 */
#include <math.h>
#include <string.h>

#include "worker/num/blas.h"
#include "worker/num/sparse.h"
#include "worker/sae/arch.h"

/* m of one entry, with W u in *wu. */
static double magnitude(const struct sae *s, size_t f, real z, double *wu)
{
    *wu = (double)z - (double)s->p[SAE_B_ENC].data[f];
    return *wu * exp((double)s->p[SAE_R_MAG].data[f]) + (double)s->p[SAE_B_MAG].data[f];
}

void gated_activate(const struct sae *s, size_t f, const real *z, real *a, size_t n)
{
    double gain = exp((double)s->p[SAE_R_MAG].data[f]);
    real gate = s->p[SAE_B_ENC].data[f], mag = s->p[SAE_B_MAG].data[f], scale = (real)gain;

    for (size_t i = 0; i < n; i++) {
        real m = (z[i] - gate) * scale + mag;

        a[i] = z[i] > 0 && m > 0 ? m : 0;
    }
}

double gated_cost(const struct sae *s, struct sae_work *w, const struct sae_feature *e)
{
    double sum = 0;

    (void)s;
    (void)w;
    for (size_t i = 0; i < e->n; i++)
        sum += e->z[i] > 0 ? (double)e->z[i] : 0;
    return sum * e->norm;
}

void gated_slope(struct sae *s, struct sae_work *w, struct sae_feature *e)
{
    double per_row = w->lambda / (double)w->n, gain = exp((double)s->p[SAE_R_MAG].data[e->f]);
    double d_gate = 0, d_mag = 0, d_r = 0, l1 = 0;

    for (size_t i = 0; i < e->n; i++) {
        double wu, m = magnitude(s, e->f, e->z[i], &wu), dz = 0;

        if (e->z[i] > 0) {
            double gate = per_row * e->norm + (double)e->h_aux[i];

            d_gate += gate;
            l1 += (double)e->z[i];
            dz = gate;
            if (m > 0) {
                d_mag += (double)e->h[i];
                d_r += (double)e->h[i] * wu * gain;
                dz += (double)e->h[i] * gain;
            }
        }
        e->h[i] = (real)dz;
    }
    s->p[SAE_B_ENC].grad[e->f] = (real)d_gate;
    s->p[SAE_B_MAG].grad[e->f] = (real)d_mag;
    s->p[SAE_R_MAG].grad[e->f] = (real)d_r;
    e->d_norm = sae_l1_is_weighted(&s->cfg) ? per_row * l1 : 0;
}

static void decode_dense(const struct sae *s, struct sae_work *w)
{
    size_t o = sae_out(&s->cfg), f = s->cfg.f, n = w->n;

    for (size_t f0 = 0; f0 < f; f0 += SAE_BLOCK_F) {
        size_t f1 = f - f0 < SAE_BLOCK_F ? f : f0 + SAE_BLOCK_F;

        for (size_t i = 0; i < (f1 - f0) * n; i++) {
            real z = w->z[f0 * n + i];

            w->block[0][i] = z > 0 ? z : 0;
        }
        mm_tn(w->xhat_aux, w->block[0], s->p[SAE_DECODER].data + f0 * o, n, o, f1 - f0, 1, 1);
    }
}

void gated_decode(const struct sae *s, struct sae_work *w)
{
    size_t o = sae_out(&s->cfg);
    const real *base = s->p[SAE_B_DEC].data;

    for (size_t r = 0; w->is_dense && r < w->n; r++)
        memcpy(w->xhat_aux + r * o, base, o * sizeof *base);
    if (w->is_dense) {
        decode_dense(s, w);
        return;
    }
    for (size_t r = 0; r < w->n; r++) {
        size_t from = w->row_at[r], n = w->row_at[r + 1] - from;

        for (size_t j = 0; j < n; j++)
            w->topk.bound[j] = w->z[w->idx[from + j] * w->n + r];
        sparse_decode(w->xhat_aux + r * o, base, s->p[SAE_DECODER].data, w->idx + from,
                      w->topk.bound, n, o);
    }
}

/* g_aux = xhat_aux - target; returns its mean squared length, as the main error has it. */
double gated_aux(const struct sae *s, struct sae_work *w)
{
    size_t n = w->n * sae_out(&s->cfg);
    double sum = 0;

    for (size_t i = 0; i < n; i++) {
        w->g_aux[i] = w->xhat_aux[i] - w->target[i];
        sum += (double)w->g_aux[i] * (double)w->g_aux[i];
    }
    return sum / (double)w->n;
}
