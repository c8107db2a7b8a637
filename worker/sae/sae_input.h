/* sae_input.h - what is done to rows before an SAE sees them, and where b_dec starts.
 *
 * Scalar modes multiply all rows by one factor and are folded into the weights when they are saved,
 * exactly: W *= s, decoder /= s, b_dec /= s, biases and thresholds as they are.  Modes that differ
 * from row to row are undone on every reconstruction, and the checkpoint names them.
 */
#pragma once
#include "worker/sae/sae.h"

enum sae_input_mode {
    SAE_INPUT_NONE,
    SAE_INPUT_EXPECTED_AVERAGE, /* sqrt(d) / mean |x| */
    SAE_INPUT_UNIT_MEAN_SQ,     /* 1 / sqrt(mean |x|^2) */
    SAE_INPUT_CONSTANT_NORM,    /* every row to norm sqrt(d) */
    SAE_INPUT_LAYER_NORM        /* (x - mean) / (sd + 1e-5), sd with ddof 1 */
};

/* The factor of a scalar mode over x [n,d]; 1 for the others, and for rows that are all zero. */
double sae_input_scale(enum sae_input_mode mode, const float *x, size_t n, size_t d);
/* One row; *shift and *scale undo it: x = out * scale + shift. */
void sae_input_row(real *out, const float *x, size_t d, enum sae_input_mode mode, double factor,
                   real *shift, real *scale);
void sae_input_undo(real *row, size_t d, real shift, real scale);
const char *sae_input_saved_as(enum sae_input_mode mode); /* "none" for scalar modes */

/* Weights for x instead of factor * x. */
void sae_fold(struct sae *s, double factor);

/* Weiszfeld's algorithm from the mean: at most 100 steps, until one is shorter than 1e-5.
 * median [d] holds the mean on entry. */
void sae_geometric_median(double *median, double *next, const real *x, size_t n, size_t d);
