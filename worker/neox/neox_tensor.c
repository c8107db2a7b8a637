/* neox_tensor.c - whole tensors between the floating types of files and `real`. */
#include <math.h>
#include <string.h>

#include "worker/neox/neox_file.h"
#include "worker/nn/half.h"

void neox_tensor_read(real *out, const struct st_tensor *t)
{
    const size_t n = st_count(t);
    const uint16_t *half = t->data;

    switch (t->dtype) {
    case ST_F16:
        for (size_t i = 0; i < n; i++)
            out[i] = (real)f32_of_f16(half[i]);
        break;
    case ST_BF16:
        for (size_t i = 0; i < n; i++)
            out[i] = (real)f32_of_bf16(half[i]);
        break;
    case ST_F32:
        for (size_t i = 0; i < n; i++)
            out[i] = (real)((const float *)t->data)[i];
        break;
    default:
        for (size_t i = 0; i < n; i++)
            out[i] = (real)st_number(t->data, t->dtype, i);
    }
}

void neox_tensor_read_half(uint16_t *out, const struct st_tensor *t)
{
    const size_t n = st_count(t);

    if (t->dtype == ST_BF16) {
        memcpy(out, t->data, n * sizeof *out);
        return;
    }
    for (size_t i = 0; i < n; i++)
        out[i] = bf16_of_f32((float)st_number(t->data, t->dtype, i));
}

size_t neox_tensor_nonfinite(const struct st_tensor *t)
{
    const size_t n = st_count(t);
    const uint16_t *half = t->data;
    const uint16_t ones = t->dtype == ST_F16 ? 0x7c00 : 0x7f80;

    for (size_t i = 0; i < n; i++) {
        bool bad;

        if (t->dtype == ST_F16 || t->dtype == ST_BF16)
            bad = (half[i] & ones) == ones;
        else if (t->dtype == ST_F32)
            bad = !isfinite(((const float *)t->data)[i]);
        else
            bad = !isfinite((float)((const double *)t->data)[i]); /* also what a float cannot hold */
        if (bad)
            return i;
    }
    return SIZE_MAX;
}
