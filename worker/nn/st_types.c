/* st_types.c - the types of safetensors.h: names, sizes, numbers. */
#include <math.h>
#include <string.h>

#include "worker/nn/safetensors.h"

static const struct {
    const char *name;
    size_t size;
} types[] = {
    [ST_F32] = {"F32", 4}, [ST_F64] = {"F64", 8}, [ST_F16] = {"F16", 2}, [ST_BF16] = {"BF16", 2},
    [ST_I64] = {"I64", 8}, [ST_I32] = {"I32", 4}, [ST_I16] = {"I16", 2}, [ST_I8] = {"I8", 1},
    [ST_U64] = {"U64", 8}, [ST_U32] = {"U32", 4}, [ST_U16] = {"U16", 2}, [ST_U8] = {"U8", 1},
    [ST_BOOL] = {"BOOL", 1}};

size_t st_size(enum st_dtype t)
{
    return types[t].size;
}

const char *st_dtype_name(enum st_dtype t)
{
    return types[t].name;
}

size_t st_count(const struct st_tensor *t)
{
    size_t n = 1;

    for (int i = 0; i < t->n_dims; i++)
        n *= (size_t)t->shape[i];
    return n;
}

/* IEEE half: 1 sign, 5 exponent, 10 mantissa bits. */
static double half(uint16_t h)
{
    int exponent = h >> 10 & 31, mantissa = h & 1023;
    double v;

    if (exponent == 31)
        v = mantissa ? NAN : INFINITY;
    else if (exponent == 0)
        v = ldexp(mantissa, -24);
    else
        v = ldexp(1024 + mantissa, exponent - 25);
    return h >> 15 ? -v : v;
}

static double brain(uint16_t h)
{
    uint32_t bits = (uint32_t)h << 16;
    float v;

    memcpy(&v, &bits, sizeof v);
    return (double)v;
}

#define ELEMENT(type, convert)                                                                     \
    {                                                                                              \
        type v_;                                                                                   \
        memcpy(&v_, (const char *)data + at * sizeof v_, sizeof v_);                               \
        return convert(v_);                                                                        \
    }

double st_number(const void *data, enum st_dtype t, size_t at)
{
    switch (t) {
    case ST_F32: ELEMENT(float, (double))
    case ST_F64: ELEMENT(double, (double))
    case ST_F16: ELEMENT(uint16_t, half)
    case ST_BF16: ELEMENT(uint16_t, brain)
    case ST_I64: ELEMENT(int64_t, (double))
    case ST_I32: ELEMENT(int32_t, (double))
    case ST_I16: ELEMENT(int16_t, (double))
    case ST_I8: ELEMENT(int8_t, (double))
    case ST_U64: ELEMENT(uint64_t, (double))
    case ST_U32: ELEMENT(uint32_t, (double))
    case ST_U16: ELEMENT(uint16_t, (double))
    case ST_U8: ELEMENT(uint8_t, (double))
    case ST_BOOL: ELEMENT(uint8_t, (double))
    }
    return NAN;
}

enum err_code st_to_f32(float *out, const struct st_tensor *t, bool finite, struct err *e)
{
    size_t n = st_count(t);

    if (t->dtype == ST_F32 && n)
        memcpy(out, t->data, n * sizeof *out);
    else
        for (size_t i = 0; i < n; i++)
            out[i] = (float)st_number(t->data, t->dtype, i);
    for (size_t i = 0; finite && i < n; i++)
        if (!isfinite(out[i]))
            return err_set(e, ERR_INVALID, "%s: element %zu is %s", t->name, i,
                           isnan(out[i]) ? "not a number" : "infinite");
    return ERR_OK;
}

bool st_dtype_of_pt(enum pt_dtype t, enum st_dtype *out)
{
    static const enum st_dtype of[] = {
        [PT_F32] = ST_F32, [PT_F64] = ST_F64, [PT_F16] = ST_F16, [PT_BF16] = ST_BF16,
        [PT_I64] = ST_I64, [PT_I32] = ST_I32, [PT_I16] = ST_I16, [PT_I8] = ST_I8,
        [PT_U8] = ST_U8,   [PT_BOOL] = ST_BOOL};

    if ((size_t)t >= ARRAY_LEN(of))
        return false;
    *out = of[t];
    return true;
}
