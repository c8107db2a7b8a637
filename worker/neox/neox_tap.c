/* neox_tap.c - names of hooks, and running the taps of one place. */
#include <string.h>

#include "worker/neox/neox_pass.h"

#define X(name, text) text,
static const char *const names[] = {NEOX_HOOKS(X)};
#undef X

bool neox_hook_parse(const char *text, enum neox_hook *out)
{
    for (int i = 0; i < NEOX_HOOK_COUNT; i++)
        if (!strcmp(names[i], text)) {
            *out = (enum neox_hook)i;
            return true;
        }
    return false;
}

const char *neox_hook_name(enum neox_hook h)
{
    return names[h];
}

bool neox_has_tap(const struct neox_acts *s, size_t layer, enum neox_hook hook)
{
    for (size_t i = 0; i < s->n_taps; i++)
        if (s->taps[i].layer == layer && s->taps[i].hook == hook)
            return true;
    return false;
}

void neox_taps_fwd(const struct neox_acts *s, size_t layer, enum neox_hook hook, real *x,
                   const struct neox_batch *b, bool is_again)
{
    for (size_t i = 0; i < s->n_taps; i++) {
        const struct neox_tap *t = &s->taps[i];

        if (t->layer == layer && t->hook == hook && t->fwd)
            t->fwd(t->ctx, x, b, is_again);
    }
}

/* Last in, first out: the mirror of the forward pass. */
void neox_taps_bwd(const struct neox_acts *s, size_t layer, enum neox_hook hook, real *dx,
                   const struct neox_batch *b)
{
    for (size_t i = s->n_taps; i-- > 0;) {
        const struct neox_tap *t = &s->taps[i];

        if (t->layer == layer && t->hook == hook && t->bwd)
            t->bwd(t->ctx, dx, b);
    }
}
