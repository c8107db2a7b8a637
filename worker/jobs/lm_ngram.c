/* lm_ngram.c - counts the training ids, scores a held-out split (worker/eval/ngram.h). */
#include <math.h>
#include <stdlib.h>

#include "common/kinds/lm_ngram.h"
#include "worker/data/tokens.h"
#include "worker/eval/ngram.h"
#include "worker/eval/textloss.h"
#include "worker/runner/impl.h"

enum { REPORT_EVERY = 1 << 16 };

static enum err_code plan(struct job *j, struct job_plan *p, struct err *e)
{
    const struct lm_ngram_cfg *c = j->cfg;
    const char *dir = job_input(j, "data")->dir;
    struct tokens train, held_out;

    if (tokens_open(&train, dir, "train", e))
        return err_wrap(e, "lm_ngram: data");
    if (tokens_open(&held_out, dir, c->split, e)) {
        tokens_close(&train);
        return err_wrap(e, "lm_ngram: data");
    }
    p->n_steps = (int64_t)(train.n + held_out.n);
    tokens_close(&train);
    tokens_close(&held_out);
    return ERR_OK;
}

/* Sequences of a split: its documents where they are lines, else the whole stream. */
static size_t n_sequences(const struct tokens *t)
{
    return t->is_lines ? t->n_docs : t->n > 0;
}

/* The i-th of them, copied; the caller frees. */
static int32_t *sequence(const struct tokens *t, size_t i, size_t *n)
{
    size_t from = t->is_lines ? t->token_at[i] : 0;

    *n = (t->is_lines ? t->token_at[i + 1] : t->n) - from;
    int32_t *id = malloc((*n + 1) * sizeof *id);
    if (id)
        tokens_copy(t, from, *n, id);
    return id;
}

static enum err_code stopped(const struct job *j, struct err *e)
{
    return job_stop_wanted(j) ? err_set(e, ERR_STOPPED, "stopped on request") : ERR_OK;
}

static enum err_code count(struct job *j, struct ngram *g, const struct tokens *t, struct err *e)
{
    enum err_code rc = ERR_OK;

    for (size_t i = 0; i < n_sequences(t) && !rc; i++) {
        size_t n;
        int32_t *id = sequence(t, i, &n);

        rc = id ? ERR_OK : err_set(e, ERR_NOMEM, "%zu ids", n);
        for (size_t k = 0; k < n && !rc; k++)
            if ((size_t)id[k] >= t->n_vocab)
                rc = err_set(e, ERR_CORRUPT, "id %d is outside the vocabulary of %zu", id[k], t->n_vocab);
        if (!rc)
            rc = ngram_add(g, id, n, e);
        free(id);
        if (!rc && i % REPORT_EVERY == 0)
            rc = stopped(j, e);
    }
    if (!rc)
        ngram_finish(g);
    return rc;
}

static enum err_code score(struct job *j, const struct ngram *g, const struct tokens *t,
                           struct text_loss *l, struct err *e)
{
    enum err_code rc = ERR_OK;

    *l = (struct text_loss){.bytes = (double)tokens_n_bytes(t)};
    for (size_t i = 0; i < n_sequences(t) && !rc; i++) {
        size_t n;
        int32_t *id = sequence(t, i, &n);

        rc = id ? ERR_OK : err_set(e, ERR_NOMEM, "%zu ids", n);
        for (size_t k = 0; k < n && !rc; k++) {
            l->nll -= log(ngram_prob(g, id, k, id[k]));
            l->n_scored++;
            if (k % REPORT_EVERY == 0)
                rc = stopped(j, e);
        }
        free(id);
    }
    if (!rc && l->n_scored == 0)
        rc = err_set(e, ERR_INVALID, "the split has no ids");
    return rc;
}

static void report(struct job *j, const struct ngram *g, const struct text_loss *l,
                   const struct tokens *t)
{
    const struct lm_ngram_cfg *c = j->cfg;
    struct text_score s = text_score(l, (double)tokens_n_bytes(t), (double)tokens_n_words(t));
    double n_ngrams = 0;

    for (size_t k = 1; k <= g->order; k++)
        n_ngrams += (double)g->n_of[k];
    job_metric(j, "nll", s.nll);
    job_metric(j, "ppl", s.ppl);
    job_metric(j, "bpb", s.bpb);
    job_metric(j, "word_ppl", s.word_ppl);
    job_metric(j, "n_scored", l->n_scored);
    job_metric(j, "n_ngrams", n_ngrams);
    job_summary(j, "%lld-grams, modified Kneser-Ney: %.4f bits a byte, perplexity %.2f a token, on %.0f ids of %s.",
                (long long)c->order, s.bpb, s.ppl, l->n_scored, c->split);
}

static enum err_code run(struct job *j, struct err *e)
{
    const struct lm_ngram_cfg *c = j->cfg;
    const char *dir = job_input(j, "data")->dir;
    struct tokens train, held_out;
    struct text_loss l;
    struct ngram g;

    if (tokens_open(&train, dir, "train", e))
        return err_wrap(e, "lm_ngram: data");
    if (tokens_open(&held_out, dir, c->split, e)) {
        tokens_close(&train);
        return err_wrap(e, "lm_ngram: data");
    }
    ngram_init(&g, (size_t)c->order, train.n_vocab);
    enum err_code rc = count(j, &g, &train, e);
    job_progress(j, (int64_t)train.n, (int64_t)(train.n + held_out.n), "counted");
    if (!rc)
        rc = score(j, &g, &held_out, &l, e);
    if (!rc)
        report(j, &g, &l, &held_out);
    ngram_free(&g);
    tokens_close(&train);
    tokens_close(&held_out);
    return rc ? err_wrap(e, "lm_ngram") : ERR_OK;
}

const struct job_impl job_impl_lm_ngram = {"lm_ngram", plan, run};
