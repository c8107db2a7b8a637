/* half.h - the 16-bit floating types: IEEE half (F16) and bfloat16.
 *
 * To float exactly; from float rounded to nearest even, or stochastically (bfloat16): up with the
 * probability of the cut-off part, so that the mean of many roundings is the value.
 */
#pragma once
#include <stdint.h>
#include <string.h>

static inline float f32_of_bits(uint32_t bits)
{
    float v;

    memcpy(&v, &bits, sizeof v);
    return v;
}

static inline uint32_t bits_of_f32(float v)
{
    uint32_t bits;

    memcpy(&bits, &v, sizeof bits);
    return bits;
}

static inline float f32_of_bf16(uint16_t h)
{
    return f32_of_bits((uint32_t)h << 16);
}

/* Exponent and mantissa are moved into place and rescaled by 2^112, which is exact and makes
 * subnormals normal; infinity and NaN are put back. */
static inline float f32_of_f16(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, rest = (uint32_t)(h & 0x7fff) << 13;
    float v = f32_of_bits(rest) * 0x1p112f;

    if (rest >= 0x0f800000) /* exponent 31 */
        v = f32_of_bits(rest | 0x7f800000);
    return f32_of_bits(bits_of_f32(v) | sign);
}

static inline uint16_t bf16_of_f32(float v)
{
    uint32_t bits = bits_of_f32(v);

    if (v != v)
        return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/* `random` 16 uniform bits.  v is finite; the largest values may become infinite. */
static inline uint16_t bf16_stochastic(float v, uint32_t random)
{
    return (uint16_t)((bits_of_f32(v) + (random & 0xffff)) >> 16);
}

/* Beyond 65519.99 becomes infinity. */
static inline uint16_t f16_of_f32(float v)
{
    uint32_t bits = bits_of_f32(v), sign = bits >> 16 & 0x8000, a = bits & 0x7fffffff;

    if (a > 0x7f800000)
        return (uint16_t)(sign | 0x7e00);
    if (a >= 0x477ff000) /* rounds to 2^16 or more */
        return (uint16_t)(sign | 0x7c00);
    if (a < 0x38800000) { /* subnormal: adding 0.5 aligns its unit, 2^-24, with the last bit */
        uint32_t sum = bits_of_f32(f32_of_bits(a) + 0.5f);

        return (uint16_t)(sign | (sum - 0x3f000000));
    }
    a += 0xfff + (a >> 13 & 1);
    return (uint16_t)(sign | (a - 0x38000000) >> 13);
}
