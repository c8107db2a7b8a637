/* golden_fwd.c - activations, logits, log-probabilities and losses; the F16 shards. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tests/golden/golden.h"

/* Worst |a - b| between rows of a batch (stride `ld`, `c` entries) and those of a [b,t,c] tensor. */
static double rows_diff(const struct golden_batch *b, const real *x, size_t ld, size_t c,
                        const float *want)
{
    double worst = 0;

    for (size_t i = 0; i < b->mem.view.n; i++)
        for (size_t j = 0; j < c; j++) {
            double d = fabs((double)x[i * ld + j] - (double)want[b->from[i] * c + j]);

            worst = d > worst || isnan(d) ? d : worst;
        }
    return worst;
}

/* Heads of [b,h,t,e] against a part of qkv. */
static double heads_diff(const struct golden *g, const real *qkv, size_t part, const float *want)
{
    const struct neox_cfg *c = &g->m.cfg;
    const size_t e = c->d_head, h = c->n_heads, t = g->plain.t;
    double worst = 0;

    for (size_t i = 0; i < g->plain.b * t; i++)
        for (size_t k = 0; k < h; k++)
            for (size_t j = 0; j < e; j++) {
                size_t to = (((i / t) * h + k) * t + i % t) * e + j;
                double d = fabs((double)qkv[(i * h + k) * 3 * e + part * e + j] - (double)want[to]);

                worst = d > worst || isnan(d) ? d : worst;
            }
    return worst;
}

/* One probability of layer 0, from the scores and the log-sum-exp that the pass kept. */
static double prob(const struct golden *g, size_t seq, size_t head, size_t q, size_t k)
{
    const struct neox_cfg *c = &g->m.cfg;
    const struct neox_block_acts *a = &g->s.block[0];
    const size_t e = c->d_head, h = c->n_heads, row = seq * g->plain.t;
    const real *x = a->qkv + ((row + q) * h + head) * 3 * e, *y = a->qkv + ((row + k) * h + head) * 3 * e + e;
    double dot = 0;

    for (size_t j = 0; j < e; j++)
        dot += (double)x[j] * (double)y[j];
    return k > q ? 0 : exp(dot / sqrt((double)e) - (double)a->lse[(row + q) * h + head]);
}

static double probs_diff(const struct golden *g, const float *want)
{
    const size_t h = g->m.cfg.n_heads, t = g->plain.t;
    double worst = 0;

    for (size_t i = 0; i < g->plain.b * h; i++)
        for (size_t q = 0; q < t; q++)
            for (size_t k = 0; k < t; k++) {
                double d = fabs(prob(g, i / h, i % h, q, k) - (double)want[(i * t + q) * t + k]);

                worst = d > worst || isnan(d) ? d : worst;
            }
    return worst;
}

struct keep {
    real *x;
    size_t d;
};

static void keep_rows(void *ctx, real *x, const struct neox_batch *b, bool is_again)
{
    struct keep *k = ctx;

    if (!is_again)
        memcpy(k->x, x, b->n * k->d * sizeof *x);
}

static double logits_diff(struct golden *g, const struct golden_batch *b, const float *want)
{
    const size_t v = g->m.cfg.n_vocab, step = g->s.shape.head_rows;
    double worst = 0;

    for (size_t at = 0; at < b->mem.view.n; at += step) {
        size_t n = b->mem.view.n - at < step ? b->mem.view.n - at : step;
        struct golden_batch part = *b;

        neox_logits(&g->m, &g->s, at, n);
        part.mem.view.n = n;
        part.from += at;
        worst = fmax(worst, rows_diff(&part, g->s.logits, v, v, want));
    }
    return worst;
}

static void activations(struct golden *g, const real *attn_out)
{
    const struct neox_cfg *c = &g->m.cfg;
    const struct neox_block_acts *k = &g->s.block[0];
    const size_t rows = g->plain.b * g->plain.t, d = c->d_model;
    static const char *const part[] = {"q_rot", "k_rot", "v"};
    const float *want;
    char name[64];

    if ((want = golden_find(g, rows * d, "act.embed")))
        golden_line(g, "act.embed", rows_diff(&g->plain, g->s.x[0], d, d, want), GOLDEN_LOGITS);
    for (size_t i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "act.layer0.%s", part[i]);
        if ((want = golden_find(g, rows * d, "%s", name)))
            golden_line(g, name, heads_diff(g, k->qkv, i, want), GOLDEN_LOGITS);
    }
    if ((want = golden_find(g, rows * g->plain.t * c->n_heads, "act.layer0.attn_probs")))
        golden_line(g, "act.layer0.attn_probs", probs_diff(g, want), GOLDEN_LOGITS);
    if ((want = golden_find(g, rows * d, "act.layer0.attn_out")))
        golden_line(g, "act.layer0.attn_out", rows_diff(&g->plain, attn_out, d, d, want), GOLDEN_LOGITS);
    for (size_t l = 0; l < c->n_layers; l++) {
        snprintf(name, sizeof name, "act.layer%zu.out", l);
        if ((want = golden_find(g, rows * d, "%s", name)))
            golden_line(g, name, rows_diff(&g->plain, g->s.x[l + 1], d, d, want), GOLDEN_LOGITS);
    }
}

/* After a loss: log-probabilities of [b,t-1], and their sums. */
static void logprobs(struct golden *g)
{
    const struct golden_batch *b = &g->plain;
    const float *want = golden_find(g, b->b * (b->t - 1), "token_logprobs");
    const struct json *sum = json_first(json_get(g->json, "sum_logprob_after_first_token"));
    double worst = 0, worst_sum = 0;

    for (size_t i = 0; i < b->b; i++) {
        double have = 0, want_sum;

        for (size_t t = 0; t + 1 < b->t; t++) {
            have += g->s.logprob[i * b->t + t];
            if (want)
                worst = fmax(worst, fabs(g->s.logprob[i * b->t + t] - (double)want[i * (b->t - 1) + t]));
        }
        if (json_f64(sum, &want_sum))
            worst_sum = fmax(worst_sum, golden_relative(have, want_sum));
        sum = json_next(sum);
    }
    if (want)
        golden_line(g, "token_logprobs", worst, GOLDEN_LOGITS);
    if (json_get(g->json, "sum_logprob_after_first_token"))
        golden_line(g, "sum_logprob_after_first_token", worst_sum, GOLDEN_LOSS);
}

static void padded(struct golden *g)
{
    const struct golden_batch *b = &g->padded;
    const struct neox_batch *v = &b->mem.view;
    const float *want = golden_find(g, b->b * b->t * g->m.cfg.n_vocab, "logits_padded");
    double n = (double)neox_batch_scored(v), loss = neox_loss(&g->m, &g->s, v) / n;

    if (want)
        golden_line(g, "logits_padded, real tokens", logits_diff(g, b, want), GOLDEN_LOGITS);
    golden_line(g, "ce_loss_padded",
                golden_relative(loss, golden_number(g, g->json, "ce_loss_padded")), GOLDEN_LOSS);
    if (json_get(g->json, "n_scored_tokens_padded"))
        golden_line(g, "n_scored_tokens_padded, n_mask_tokens_padded",
                    fabs(n - golden_number(g, g->json, "n_scored_tokens_padded")) +
                        fabs((double)v->n - golden_number(g, g->json, "n_mask_tokens_padded")),
                    GOLDEN_LOSS);
}

void golden_forward(struct golden *g)
{
    const struct neox_cfg *c = &g->m.cfg;
    const struct neox_batch *v = &g->plain.mem.view;
    struct keep attn = {arena_new(&g->arena, real, v->n * c->d_model), c->d_model};
    struct neox_tap tap = {.layer = 0, .hook = NEOX_HOOK_ATTN_OUT, .fwd = keep_rows, .ctx = &attn};
    const float *want;
    double loss;

    g->s.taps = &tap;
    g->s.n_taps = 1;
    loss = neox_loss(&g->m, &g->s, v) / (double)neox_batch_scored(v);
    g->s.n_taps = 0;
    activations(g, attn.x);
    golden_line(g, "ce_loss", golden_relative(loss, golden_number(g, g->json, "ce_loss")), GOLDEN_LOSS);
    logprobs(g);
    want = golden_find(g, v->n * c->n_vocab, "logits");
    if (!want)
        golden_die("%s/golden.safetensors: logits: missing", g->dir);
    golden_line(g, "logits", logits_diff(g, &g->plain, want), GOLDEN_LOGITS);
    want = golden_find(g, v->n * c->d_model, "act.final_norm");
    if (want && g->s.shape.head_rows < v->n) { /* s->y holds the rows of the last block of logits */
        size_t last = v->n - (v->n - 1) % g->s.shape.head_rows - 1;
        struct golden_batch part = g->plain;

        part.mem.view.n = v->n - last;
        part.from += last;
        golden_line(g, "act.final_norm, last rows",
                    rows_diff(&part, g->s.y, c->d_model, c->d_model, want), GOLDEN_LOGITS);
    }
    if (g->padded.b)
        padded(g);
}

void golden_sharded(struct golden *g)
{
    const struct json *want = json_get(g->json, "f16_sharded"), *item;
    const struct neox_batch *v = &g->plain.mem.view;
    struct neox_file f;
    struct err e;
    char dir[4096];
    double worst = 0, x;
    size_t i = 0;

    snprintf(dir, sizeof dir, "%s/f16_sharded", g->dir);
    if (!want)
        return;
    if (neox_file_open(&f, dir, &e))
        golden_die("%s", e.text);
    neox_file_load(&f, &g->m);
    neox_file_close(&f);
    double loss = neox_loss(&g->m, &g->s, v) / (double)neox_batch_scored(v);
    golden_line(g, "f16_sharded: ce_loss", golden_relative(loss, golden_number(g, want, "ce_loss")),
                GOLDEN_LOSS);
    neox_logits(&g->m, &g->s, 0, 1);
    for (item = json_first(json_get(want, "logits_0_0_first8")); item; item = json_next(item), i++)
        if (json_f64(item, &x))
            worst = fmax(worst, fabs(x - (double)g->s.logits[i]));
    golden_line(g, "f16_sharded: first logits", worst, GOLDEN_SHARDED);
    neox_file_load(&g->file, &g->m);
}
