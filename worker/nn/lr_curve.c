/* lr_curve.c - see lr_curve.h. */
#include "worker/nn/lr_curve.h"

#include <math.h>
#include <string.h>

#define PI 3.14159265358979323846

bool lr_shape_parse(const char *text, enum lr_shape *out)
{
#define X(name, text) text,
    static const char *const names[] = {LR_SHAPES(X)};
#undef X

    for (int i = 0; i < LR_SHAPE_COUNT; i++)
        if (!strcmp(names[i], text)) {
            *out = (enum lr_shape)i;
            return true;
        }
    return false;
}

double lr_at(const struct lr_curve *s, int64_t step)
{
    double low = s->floor * s->lr, u;

    if (step < s->warmup)
        return s->lr * (double)(step + 1) / (double)s->warmup;
    u = s->n_steps > s->warmup ? (double)(step - s->warmup) / (double)(s->n_steps - s->warmup) : 1;
    u = u > 1 ? 1 : u;
    switch (s->shape) {
    case LR_LINEAR: return s->lr + (low - s->lr) * u;
    case LR_COSINE: return low + (s->lr - low) * (1 + cos(PI * u)) / 2;
    default: return s->lr;
    }
}
