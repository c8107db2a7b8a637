/* sae_input.c - see sae_input.h. */
#include "worker/sae/sae_input.h"

#include <math.h>
#include <string.h>

#include "worker/num/vec.h"

enum { MEDIAN_STEPS = 100 };

static double sumsq(const float *x, size_t d)
{
    double sum = 0;

    for (size_t i = 0; i < d; i++)
        sum += (double)x[i] * (double)x[i];
    return sum;
}

double sae_input_scale(enum sae_input_mode mode, const float *x, size_t n, size_t d)
{
    double norm = 0, sq = 0;

    if (mode != SAE_INPUT_EXPECTED_AVERAGE && mode != SAE_INPUT_UNIT_MEAN_SQ)
        return 1;
    for (size_t r = 0; r < n; r++) {
        double row = sumsq(x + r * d, d);

        sq += row / (double)n;
        norm += sqrt(row) / (double)n;
    }
    if (!(sq > 0))
        return 1;
    return mode == SAE_INPUT_EXPECTED_AVERAGE ? sqrt((double)d) / norm : 1 / sqrt(sq);
}

void sae_input_row(real *out, const float *x, size_t d, enum sae_input_mode mode, double factor,
                   real *shift, real *scale)
{
    double mean = 0, sq = 0, by = factor;

    if (mode == SAE_INPUT_CONSTANT_NORM) {
        sq = sumsq(x, d);
        by = sq > 0 ? sqrt((double)d / sq) : 1;
    } else if (mode == SAE_INPUT_LAYER_NORM) {
        for (size_t i = 0; i < d; i++)
            mean += (double)x[i] / (double)d;
        for (size_t i = 0; i < d; i++)
            sq += ((double)x[i] - mean) * ((double)x[i] - mean);
        by = 1 / (sqrt(d > 1 ? sq / (double)(d - 1) : 0) + 1e-5);
    }
    for (size_t i = 0; i < d; i++)
        out[i] = by == 1 && mean == 0 ? (real)x[i] : (real)(((double)x[i] - mean) * by);
    *shift = (real)mean;
    *scale = (real)(1 / by);
}

void sae_input_undo(real *row, size_t d, real shift, real scale)
{
    for (size_t i = 0; i < d; i++)
        row[i] = row[i] * scale + shift;
}

const char *sae_input_saved_as(enum sae_input_mode mode)
{
    return mode == SAE_INPUT_CONSTANT_NORM ? "constant_norm_rescale"
           : mode == SAE_INPUT_LAYER_NORM  ? "layer_norm"
                                           : "none";
}

void sae_fold(struct sae *s, double factor)
{
    if (factor == 1)
        return;
    vec_scale(s->p[SAE_ENCODER].data, (real)factor, s->p[SAE_ENCODER].n);
    vec_scale(s->p[SAE_DECODER].data, (real)(1 / factor), s->p[SAE_DECODER].n);
    vec_scale(s->p[SAE_B_DEC].data, (real)(1 / factor), s->p[SAE_B_DEC].n);
}

void sae_geometric_median(double *median, double *next, const real *x, size_t n, size_t d)
{
    for (int step = 0; step < MEDIAN_STEPS; step++) {
        double weights = 0, moved = 0;

        memset(next, 0, d * sizeof *next);
        for (size_t r = 0; r < n; r++) {
            double sq = 0;

            for (size_t i = 0; i < d; i++)
                sq += ((double)x[r * d + i] - median[i]) * ((double)x[r * d + i] - median[i]);
            double w = 1 / fmax(sqrt(sq), 1e-12); /* a row that is the median itself */
            weights += w;
            for (size_t i = 0; i < d; i++)
                next[i] += w * (double)x[r * d + i];
        }
        for (size_t i = 0; i < d; i++) {
            double at = next[i] / weights;

            moved += (at - median[i]) * (at - median[i]);
            median[i] = at;
        }
        if (sqrt(moved) < 1e-5)
            return;
    }
}
