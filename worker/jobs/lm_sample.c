/* lm_sample.c - see lm_sample.h. */
#include "worker/jobs/lm_sample.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/rng.h"

static int by_logit(const void *a, const void *b)
{
    const struct lm_rank *x = a, *y = b;

    return x->logit != y->logit ? (x->logit < y->logit) - (x->logit > y->logit)
                                : (x->id > y->id) - (x->id < y->id);
}

int32_t lm_pick(const real *logits, size_t v, double temperature, size_t top_k, double u,
                struct lm_rank *order)
{
    bool is_sorted = top_k || temperature <= 0;
    double sum = 0, top = -INFINITY;
    size_t n = temperature <= 0 ? 1 : top_k && top_k < v ? top_k : v;

    for (size_t i = 0; i < v; i++)
        order[i] = (struct lm_rank){logits[i], (int32_t)i};
    if (is_sorted)
        qsort(order, v, sizeof *order, by_logit);
    for (size_t i = 0; i < n; i++)
        top = fmax(top, (double)order[i].logit);
    for (size_t i = 0; i < n && n > 1; i++)
        sum += exp(((double)order[i].logit - top) / temperature);
    u *= sum;
    for (size_t i = 0; i + 1 < n; i++) {
        u -= exp(((double)order[i].logit - top) / temperature);
        if (u < 0)
            return order[i].id;
    }
    return order[n - 1].id;
}

struct growth {
    struct lm_scorer *s;
    const struct lm_sampling *o;
    struct rng *rng;     /* [n] a stream each, so that texts do not depend on one another */
    struct lm_rank *order;
    int32_t *fed;        /* id 0 and what is there */
    bool *is_over;
};

/* The next id of texts first..end-1, each `length` ids long so far. */
static void grow(struct growth *g, int32_t *out, size_t first, size_t end, size_t length)
{
    struct neox_batch_mem *b = &g->s->batch;
    size_t v = g->s->m.cfg.n_vocab;

    neox_batch_clear(b);
    for (size_t i = first; i < end; i++) {
        g->fed[0] = TOKEN_END;
        memcpy(g->fed + 1, out + i * g->o->length, length * sizeof *out);
        neox_batch_add(b, g->fed, length + 1, -1);
    }
    neox_forward(&g->s->m, &g->s->acts, &b->view, g->s->m.cfg.n_layers);
    for (size_t i = first; i < end; i++) {
        double u = rng_f64(&g->rng[i]);

        if (g->is_over[i])
            continue; /* id 0 stays */
        neox_logits(&g->s->m, &g->s->acts, b->view.start[i - first + 1] - 1, 1);
        int32_t id = lm_pick(g->s->acts.logits, v, g->o->temperature, g->o->top_k, u, g->order);
        out[i * g->o->length + length] = id;
        g->is_over[i] = id == TOKEN_END;
    }
    neox_batch_clear(b);
}

static enum err_code grow_all(struct growth *g, int32_t *out, const struct job *j, struct err *e)
{
    size_t at_once = g->s->batch.n_max / (g->o->length + 1);

    at_once = at_once ? at_once : 1;
    for (size_t first = 0; first < g->o->n; first += at_once) {
        size_t end = first + at_once < g->o->n ? first + at_once : g->o->n;

        for (size_t k = 0; k < g->o->length; k++) {
            if (job_stop_wanted(j))
                return err_set(e, ERR_STOPPED, "stopped while sampling");
            grow(g, out, first, end, k);
        }
    }
    return ERR_OK;
}

enum err_code lm_sample(struct lm_scorer *s, const struct lm_sampling *o, int32_t *out,
                        const struct job *j, struct err *e)
{
    struct growth g = {.s = s, .o = o};
    enum err_code rc;

    g.rng = calloc(o->n + 1, sizeof *g.rng);
    g.order = calloc(s->m.cfg.n_vocab, sizeof *g.order);
    g.fed = calloc(o->length + 1, sizeof *g.fed);
    g.is_over = calloc(o->n + 1, sizeof *g.is_over);
    memset(out, 0, o->n * o->length * sizeof *out);
    if (g.rng && g.order && g.fed && g.is_over) {
        for (size_t i = 0; i < o->n; i++) {
            char name[40];

            snprintf(name, sizeof name, "lm.sample.%zu", i);
            g.rng[i] = rng_stream(o->seed, name);
        }
        rc = grow_all(&g, out, j, e);
    } else {
        rc = err_set(e, ERR_NOMEM, "samples");
    }
    free(g.rng);
    free(g.order);
    free(g.fed);
    free(g.is_over);
    return rc;
}

/* --- words --------------------------------------------------------------------------------- */
/* The next word behind *at, lower case in out (ASCII letters only change); false: no more. */
static bool next_word(const struct unicode *u, const char *text, size_t n, size_t *at, struct buf *out)
{
    const uint8_t *p = (const uint8_t *)text;
    size_t len;

    buf_reset(out);
    while (*at < n) {
        uint32_t c = utf8_get(p + *at, &len);
        bool is_letter = (u->flags[c] & UNICODE_CLASS) == CLASS_LETTER;
        bool is_inside = out->len && c == '\'' && *at + 1 < n &&
                         (u->flags[utf8_get(p + *at + 1, &(size_t){0})] & UNICODE_CLASS) == CLASS_LETTER;

        if (is_letter || is_inside) {
            if (c >= 'A' && c <= 'Z')
                buf_char(out, (char)(c - 'A' + 'a'));
            else
                buf_add(out, text + *at, len);
        } else if (out->len) {
            return true;
        }
        *at += len;
    }
    return out->len > 0;
}

void lm_words_add(struct map *words, const struct unicode *u, const char *text, size_t n)
{
    struct buf word = {0};
    bool is_new;

    for (size_t at = 0; next_word(u, text, n, &at, &word);)
        *map_put(words, word.data, word.len, &is_new) += 1;
    buf_free(&word);
}

void lm_words_count(const struct map *known, const struct unicode *u, const char *text, size_t n,
                    size_t *n_words, size_t *n_known)
{
    struct buf word = {0};

    for (size_t at = 0; next_word(u, text, n, &at, &word);) {
        if (at == n) /* may be cut */
            break;
        (*n_words)++;
        *n_known += map_get(known, word.data, word.len) != NULL;
    }
    buf_free(&word);
}
