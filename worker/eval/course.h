/* course.h - how fast a training came down: from its logged losses. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The first of the n logged steps whose loss is at most first - share * (first - last); the loss of
 * SAE-ception's convergence check with share 0.9.  False if the loss did not fall, a value is not
 * finite, or n < 2. */
bool course_reached(const int64_t *step, const double *loss, size_t n, double share, int64_t *out);
