/* bias_rule.c - see bias_rule.h. */
#include "worker/sae/bias_rule.h"

#include <math.h>
#include <string.h>

#include "common/rng.h"

size_t bias_rule_bytes(size_t f)
{
    return arena_need(f, sizeof(uint32_t)) + arena_need(f, sizeof(double)) +
           arena_need(f, sizeof(real));
}

void bias_rule_new(struct bias_rule *b, size_t f, struct arena *a)
{
    b->group = arena_new(a, uint32_t, f);
    b->fired = arena_new(a, double, f);
    b->peak = arena_new(a, real, f);
}

void bias_rule_split(struct bias_rule *b, size_t f, uint64_t seed)
{
    struct rng r = rng_stream(seed, "sae.bias_groups");

    rng_perm(&r, b->group, f);
    for (size_t i = 0; i < f; i++)
        b->group[i] = (uint32_t)((uint64_t)b->group[i] * b->n_groups / f);
}

static double target_of(const struct bias_rule *b, size_t group)
{
    double share = b->n_groups > 1 ? (double)group / (double)(b->n_groups - 1) : 0;

    return b->high * pow(b->low / b->high, share);
}

/* T_k: mean of the positive peaks of a group. */
static double group_peak(const struct bias_rule *b, size_t f, size_t group)
{
    double sum = 0, n = 0;

    for (size_t i = 0; i < f; i++)
        if (b->group[i] == group && b->peak[i] > 0) {
            sum += (double)b->peak[i];
            n++;
        }
    return n > 0 ? sum / n : 0;
}

static void adapt_group(const struct bias_rule *b, struct sae *s, size_t group)
{
    double rise = b->gamma * group_peak(b, s->cfg.f, group), target = target_of(b, group);

    for (size_t i = 0; i < s->cfg.f; i++) {
        real *bias = &s->p[SAE_B_ENC].data[i];
        double share = b->fired[i] / b->since[1];

        if (b->group[i] != group)
            continue;
        if (share > target)
            *bias = (real)fmax((double)*bias - b->gamma * (double)b->peak[i], -1);
        else if (share < b->eps)
            *bias = (real)fmin((double)*bias + rise, 0);
    }
}

void bias_rule_step(struct bias_rule *b, struct sae *s, const struct sae_work *w)
{
    size_t f = s->cfg.f;

    for (size_t i = 0; i < f; i++) {
        b->fired[i] += w->fired[i];
        b->peak[i] = w->peak[i] > b->peak[i] ? w->peak[i] : b->peak[i];
    }
    b->since[0]++;
    b->since[1] += (double)w->n;
    if (b->since[0] < (double)b->every)
        return;
    for (size_t g = 0; g < b->n_groups; g++)
        adapt_group(b, s, g);
    memset(b->fired, 0, f * sizeof *b->fired);
    memset(b->peak, 0, f * sizeof *b->peak);
    b->since[0] = b->since[1] = 0;
}
