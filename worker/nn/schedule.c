/* schedule.c - learning rate over a run; see adam.h. */
#include "worker/nn/adam.h"

#include <math.h>

double schedule_lr(double lr, int64_t t, int64_t n_steps, int64_t warmup, double decay)
{
    double n_decay = round(decay * (double)n_steps), left = (double)(n_steps - t);

    if (t < warmup)
        lr *= (double)(t + 1) / (double)warmup;
    if (left < n_decay)
        lr *= left / n_decay;
    return lr;
}
