/* clip.c - global gradient norm; see adam.h. */
#include <math.h>
#include <string.h>

#include "worker/nn/adam.h"
#include "worker/num/vec.h"

double grads_norm(const struct param *p, size_t n_params)
{
    double sum = 0;

    for (size_t i = 0; i < n_params; i++)
        sum += vec_sumsq(p[i].grad, p[i].n);
    return sqrt(sum);
}

double clip_scale(double norm, double clip)
{
    double scale = clip / (norm + 1e-6);

    return clip > 0 && scale < 1 ? scale : 1;
}

double grads_clip(struct param *p, size_t n_params, double clip)
{
    double norm = grads_norm(p, n_params), scale = clip_scale(norm, clip);

    if (scale < 1)
        for (size_t i = 0; i < n_params; i++)
            vec_scale(p[i].grad, (real)scale, p[i].n);
    return norm;
}

void grads_zero(struct param *p, size_t n_params)
{
    for (size_t i = 0; i < n_params; i++)
        memset(p[i].grad, 0, p[i].n * sizeof *p[i].grad);
}
