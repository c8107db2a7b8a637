/* golden.c - opening a folder of goldens, and the table; see golden.h. */
#include "tests/golden/golden.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { JSON_MAX = 1 << 26, PATH_LEN = 4096, ARENA_EXTRA = 1 << 16 };

static const struct {
    double max;
    const char *unit;
} limits[GOLDEN_LIMITS] = {
    [GOLDEN_LOGITS] = {2e-5, "abs"}, [GOLDEN_LOSS] = {2e-6, "rel"},  [GOLDEN_GRAD] = {1e-4, "rel"},
    [GOLDEN_AFTER] = {1e-4, "rel"},  [GOLDEN_SHARDED] = {2e-5, "abs"}};

void golden_die(const char *fmt, ...)
{
    va_list va;

    va_start(va, fmt);
    fputs("golden_neox: ", stderr);
    vfprintf(stderr, fmt, va);
    fputc('\n', stderr);
    va_end(va);
    exit(2);
}

double golden_limit(int limit)
{
    return limits[limit].max;
}

void golden_line(struct golden *g, const char *what, double worst, int limit)
{
    bool is_bad = !(worst <= limits[limit].max);

    g->n_checked++;
    g->n_bad += is_bad;
    if (!g->is_quiet || is_bad)
        printf("%-58s %10.3e  %s, limit %.0e%s\n", what, worst, limits[limit].unit, limits[limit].max,
               is_bad ? "  FAILED" : "");
}

const float *golden_find(const struct golden *g, size_t n, const char *fmt, ...)
{
    char name[256];
    const struct st_tensor *t;
    va_list va;

    va_start(va, fmt);
    vsnprintf(name, sizeof name, fmt, va);
    va_end(va);
    t = st_find(&g->st, name);
    if (t && (t->dtype != ST_F32 || st_count(t) != n))
        golden_die("golden.safetensors: %s: %s of %zu elements, wanted F32 of %zu", name,
                   st_dtype_name(t->dtype), st_count(t), n);
    return t ? t->data : NULL;
}

double golden_number(const struct golden *g, const struct json *in, const char *key)
{
    double v;

    if (!json_f64(json_get(in, key), &v))
        golden_die("%s/golden.json: %s: not a number", g->dir, key);
    return v;
}

double golden_frobenius(const real *a, const float *b, size_t n, double least)
{
    double diff = 0, norm = 0;

    for (size_t i = 0; i < n; i++) {
        double d = (double)a[i] - (double)b[i];

        diff += d * d;
        norm += (double)b[i] * (double)b[i];
    }
    return sqrt(diff) / fmax(sqrt(norm), least);
}

double golden_relative(double have, double want)
{
    return fabs(have - want) / fmax(fabs(want), 1e-12);
}

/* Ids of [b,t] and a mask: tokens that are masked out are not there at all; a token's target is the
 * next one of its row if that is there. */
static void make_batch(struct golden *g, struct golden_batch *out, const char *ids_name,
                       const char *mask_name)
{
    const struct st_tensor *ids = st_find(&g->st, ids_name);
    const struct st_tensor *mask = mask_name ? st_find(&g->st, mask_name) : NULL;
    struct neox_batch_mem *m = &out->mem;
    struct err e;

    if (!ids || ids->n_dims != 2 || (mask && st_count(mask) != st_count(ids)))
        golden_die("%s: %s is missing or not [batch, time] with its mask", g->dir, ids_name);
    out->b = (size_t)ids->shape[0];
    out->t = (size_t)ids->shape[1];
    out->from = arena_new(&g->arena, size_t, out->b * out->t);
    neox_batch_init(m, out->b * out->t, out->b, &g->arena);
    for (size_t i = 0; i < out->b; i++) {
        for (size_t t = 0; t < out->t; t++) {
            size_t at = i * out->t + t, n = m->view.n;

            if (mask && st_number(mask->data, mask->dtype, at) == 0)
                continue;
            out->from[n] = at;
            m->tok[n] = (int32_t)st_number(ids->data, ids->dtype, at);
            m->pos[n] = (int32_t)t;
            m->target[n] = -1;
            if (t + 1 < out->t && (!mask || st_number(mask->data, mask->dtype, at + 1) != 0))
                m->target[n] = (int32_t)st_number(ids->data, ids->dtype, at + 1);
            m->view.n++;
        }
        m->start[++m->view.n_seq] = m->view.n;
    }
    if (neox_batch_check(&m->view, &g->m.cfg, out->t, &e))
        golden_die("%s: %s: %s", g->dir, ids_name, e.text);
}

static const float *sae_part(const struct golden *g, const char *name, size_t n)
{
    const struct st_tensor *t = st_find(&g->sae_file, name);

    if (!t || t->dtype != ST_F32 || (n && st_count(t) != n))
        golden_die("%s/sae.safetensors: %s: missing, or not F32 of %zu elements", g->dir, name, n);
    return t->data;
}

static void open_sae(struct golden *g)
{
    char path[PATH_LEN];
    struct err e;

    snprintf(path, sizeof path, "%s/sae.safetensors", g->dir);
    g->has_sae = !st_open(&g->sae_file, path, &e);
    if (!g->has_sae)
        return;
    sae_part(g, "latent_bias", 0);
    g->sae.d = g->m.cfg.d_model;
    g->sae.n = st_count(st_find(&g->sae_file, "latent_bias"));
    g->sae.bias = sae_part(g, "latent_bias", g->sae.n);
    g->sae.pre = sae_part(g, "pre_bias", g->sae.d);
    g->sae.enc = sae_part(g, "encoder.weight", g->sae.n * g->sae.d);
    g->sae.dec = sae_part(g, "decoder.weight", g->sae.n * g->sae.d);
}

/* The batch that has the most tokens decides the memory. */
static struct neox_shape shape_of(const struct golden *g)
{
    const struct st_tensor *ids = st_find(&g->st, "input_ids");
    const struct st_tensor *padded = st_find(&g->st, "input_ids_padded");
    struct neox_shape h = {.is_training = true, .head_rows = 7};

    if (!ids || ids->n_dims != 2)
        golden_die("%s/golden.safetensors: input_ids: missing, or not [batch, time]", g->dir);
    h.n_max = st_count(ids);
    h.t_max = (size_t)ids->shape[1];
    if (padded && st_count(padded) > h.n_max)
        h.n_max = st_count(padded);
    if (padded && (size_t)padded->shape[padded->n_dims - 1] > h.t_max)
        h.t_max = (size_t)padded->shape[padded->n_dims - 1];
    return h;
}

void golden_open(struct golden *g, const char *dir)
{
    char path[PATH_LEN];
    struct neox_shape shape;
    struct err e;
    size_t bytes;

    g->dir = dir;
    snprintf(path, sizeof path, "%s/golden.json", dir);
    if (json_read(path, JSON_MAX, &g->json, &e))
        golden_die("%s", e.text);
    snprintf(path, sizeof path, "%s/golden.safetensors", dir);
    if (st_open(&g->st, path, &e) || neox_file_open(&g->file, dir, &e))
        golden_die("%s", e.text);
    shape = shape_of(g);
    bytes = neox_bytes(&g->file.cfg, true) + neox_acts_bytes(&g->file.cfg, &shape) +
            2 * (neox_batch_bytes(shape.n_max, shape.n_max) + arena_need(shape.n_max, sizeof(size_t))) +
            16 * arena_need(shape.n_max * g->file.cfg.d_model, sizeof(real)) +
            ARENA_EXTRA;
    if (arena_open(&g->arena, "golden", bytes, &e))
        golden_die("%s", e.text);
    neox_init(&g->m, &g->file.cfg, true, &g->arena);
    neox_acts_init(&g->s, &g->file.cfg, &shape, &g->arena);
    neox_file_load(&g->file, &g->m);
    make_batch(g, &g->plain, "input_ids", NULL);
    if (st_find(&g->st, "input_ids_padded"))
        make_batch(g, &g->padded, "input_ids_padded", "attention_mask");
    open_sae(g);
}

void golden_close(struct golden *g)
{
    arena_close(&g->arena);
    neox_file_close(&g->file);
    if (g->has_sae)
        st_close(&g->sae_file);
    st_close(&g->st);
    json_free(g->json);
}
