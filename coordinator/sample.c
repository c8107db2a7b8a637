/* sample.c - axes drawn at random: the same seed gives the same values, knob by knob. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/rng.h"
#include "coordinator/spec_internal.h"

enum draw { DRAW_UNIFORM, DRAW_LOGUNIFORM, DRAW_CHOICE };

/* Numbers drawn are cut to 6 digits: readable, and far finer than any effect. */
static const char *draw_number(struct spec *s, const struct ynode *n, const char *where,
                               const struct spec_axis *a, double v)
{
    char text[32];
    bool is_whole = a->field->type == CFG_I64 || a->field->type == CFG_MEM;

    snprintf(text, sizeof text, is_whole ? "%.0f" : "%.6g", is_whole ? floor(v) : v);
    return spec_canon(s, ynode_scalar(&s->detail->pool, text, false, n), where, a->field);
}

static bool read_ends(struct spec *s, const struct ynode *n, const char *where, double out[2])
{
    static const struct cfg_field number = {.type = CFG_F64, .name = "number", .deflt = "0"};

    if (n->type != YNODE_LIST || n->n != 2) {
        spec_error(s, n, where, "expected [lowest, highest]");
        return false;
    }
    for (size_t i = 0; i < 2; i++) {
        const char *text = spec_canon(s, n->items[i], where, &number);

        if (!text)
            return false;
        out[i] = strtod(text, NULL);
    }
    if (out[0] >= out[1]) {
        spec_error(s, n, where, "the lowest value, %g, is not below the highest, %g", out[0],
                   out[1]);
        return false;
    }
    return true;
}

static void draw_range(struct spec *s, const struct ynode *n, const char *where,
                       struct spec_axis *a, uint64_t n_draws, struct rng *r, enum draw how)
{
    double ends[2];
    bool is_whole = a->field->type == CFG_I64 || a->field->type == CFG_MEM;

    if (!read_ends(s, n, where, ends))
        return;
    if (how == DRAW_LOGUNIFORM && ends[0] <= 0) {
        spec_error(s, n, where, "loguniform: the lowest value, %g, has to be above 0", ends[0]);
        return;
    }
    for (a->n = 0; a->n < n_draws; a->n++) {
        double u = rng_f64(r), top = is_whole ? ends[1] + 1 : ends[1]; /* both ends can be drawn */
        double v =
            how == DRAW_UNIFORM ? ends[0] + u * (top - ends[0]) : ends[0] * pow(top / ends[0], u);

        a->values[a->n] = draw_number(s, n, where, a, v);
        if (!a->values[a->n])
            return;
    }
}

static void draw_choice(struct spec *s, const struct ynode *n, const char *where,
                        struct spec_axis *a, uint64_t n_draws, struct rng *r)
{
    struct spec_axis all = {.field = a->field};
    char text[SPEC_TEXT_MAX];

    if (!axes_values(s, n, where, &all))
        return;
    for (a->n = 0; a->n < n_draws; a->n++)
        a->values[a->n] = pool_str(&s->detail->pool, axis_text(&all, rng_below(r, all.n), text));
}

void axes_sample(struct spec *s, const struct ynode *n, const struct ynode *key, const char *where,
                 struct spec_axis *a, uint64_t n_draws, uint64_t seed)
{
    static const char *const names[] = {"uniform", "loguniform", "choice", NULL};
    struct buf stream = {0};
    struct rng r;
    int how = -1;

    if (n->type == YNODE_MAP && n->n == 1)
        for (int i = 0; names[i]; i++)
            if (strcmp(n->keys[0]->text, names[i]) == 0)
                how = i;
    if (how < 0) {
        spec_error(s, n->type == YNODE_MAP && n->n ? n->keys[0] : key, where,
                   "expected {uniform: [a, b]}, {loguniform: [a, b]} or {choice: [...]}%s",
                   spec_hint(s, n->type == YNODE_MAP && n->n
                                    ? cfg_nearest(NULL, 0, names, n->keys[0]->text)
                                    : NULL));
        return;
    }
    buf_fmt(&stream, "sweep.sample.%s", a->knob);
    r = rng_stream(seed, stream.data);
    buf_free(&stream);
    a->values = pool_new(&s->detail->pool, const char *, (size_t)n_draws);
    if (how == DRAW_CHOICE)
        draw_choice(s, n->items[0], where, a, n_draws, &r);
    else
        draw_range(s, n->items[0], where, a, n_draws, &r, (enum draw)how);
}
