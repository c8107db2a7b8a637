/* lr_curve.h - step sizes: linear warm-up, then constant, linear or cosine down to a floor.
 *
 *   step s < warmup:  lr (s + 1) / warmup
 *   else, with u = (s - warmup) / (n_steps - warmup) and low = floor * lr:
 *     constant lr     linear lr + (low - lr) u     cosine low + (lr - low) (1 + cos(pi u)) / 2
 * Steps count from 0; past the end the last value stays.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define LR_SHAPES(X) X(CONSTANT, "constant") X(LINEAR, "linear") X(COSINE, "cosine")
#define X(name, text) LR_##name,
enum lr_shape { LR_SHAPES(X) LR_SHAPE_COUNT };
#undef X

struct lr_curve {
    enum lr_shape shape;
    double lr, floor;        /* peak; share of it that is left at the end */
    int64_t warmup, n_steps;
};
bool lr_shape_parse(const char *text, enum lr_shape *out);
double lr_at(const struct lr_curve *s, int64_t step);
