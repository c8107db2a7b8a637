/* course.c - see course.h. */
#include "worker/eval/course.h"

#include <math.h>

bool course_reached(const int64_t *step, const double *loss, size_t n, double share, int64_t *out)
{
    if (n < 2 || !(loss[n - 1] < loss[0]))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!isfinite(loss[i]))
            return false;
    const double target = loss[0] - share * (loss[0] - loss[n - 1]);
    for (size_t i = 0; i < n; i++)
        if (loss[i] <= target) {
            *out = step[i];
            return true;
        }
    *out = step[n - 1]; /* rounding alone keeps the last one above */
    return true;
}
