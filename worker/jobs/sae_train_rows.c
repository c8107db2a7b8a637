/* sae_train_rows.c - rows of the input as the SAE sees them, and what is computed from a sample. */
#include <string.h>

#include "worker/eval/recon.h"
#include "worker/jobs/sae_train.h"
#include "worker/num/vec.h"
#include "worker/sae/resample.h"

void train_row(struct train *t, size_t i, size_t row)
{
    size_t d = t->acts.d, o = t->target.d;

    sae_input_row(t->rows + i * d, t->acts.x + row * d, d, t->input, t->factor, &t->shift[i],
                  &t->scale[i]);
    for (size_t c = 0; t->has_target && c < o; c++)
        t->wanted[i * o + c] = t->target.x[row * o + c];
    train_two_row(t, i, row);
}

void train_means(struct train *t)
{
    recon_means(t->mean, t->target.x, t->target.n, t->target.d);
}

/* Rows spread evenly over the input, as the SAE sees them. */
static void take_sample(struct train *t)
{
    size_t d = t->acts.d;
    real shift, scale;

    for (size_t i = 0; i < t->sample_n; i++)
        sae_input_row(t->sample + i * d, t->acts.x + i * t->acts.n / t->sample_n * d, d, t->input,
                      t->factor, &shift, &scale);
}

/* Column means as the SAE sees the rows: of all of them. */
static void means_seen(struct train *t, double *start)
{
    size_t d = t->acts.d;
    real shift, scale;

    if (t->has_target) {
        memcpy(start, t->mean, t->target.d * sizeof *start);
        return;
    }
    memset(start, 0, d * sizeof *start);
    for (size_t r = 0; r < t->acts.n; r++) {
        sae_input_row(t->rows, t->acts.x + r * d, d, t->input, t->factor, &shift, &scale);
        for (size_t i = 0; i < d; i++)
            start[i] += (double)t->rows[i];
    }
    for (size_t i = 0; i < d; i++)
        start[i] /= (double)t->acts.n;
}

void train_b_dec(struct train *t, double *start)
{
    size_t d = t->acts.d;

    if (t->input == SAE_INPUT_NONE && !t->has_target)
        memcpy(start, t->mean, d * sizeof *start);
    else
        means_seen(t, start);
    if (strcmp(t->cfg->b_dec_init, "geometric_median") || t->has_target)
        return;
    take_sample(t);
    sae_geometric_median(start, t->sample_w, t->sample, t->sample_n, d);
}

size_t train_resample(struct train *t)
{
    size_t d = t->acts.d;

    if (t->has_target)
        return 0;
    take_sample(t);
    for (size_t at = 0; at < t->sample_n; at += t->batch) {
        size_t n = t->sample_n - at < t->batch ? t->sample_n - at : t->batch;

        if (!sae_use(&t->sae, &t->work, t->sample + at * d, t->sample + at * d, n))
            return 0;
        for (size_t r = 0; r < n; r++)
            t->sample_w[at + r] = vec_sumsq(t->work.g + r * d, d);
    }
    return sae_resample(&t->sae, t->sample, t->sample_w, t->sample_n, t->cfg->dead_rows,
                        &t->st.resample);
}
