/* lm_eval_text.c - see lm_eval_text.h. */
#include "worker/jobs/lm_eval_text.h"

#include <math.h>
#include <string.h>

#include "common/fs.h"
#include "common/kinds/lm_eval.h"
#include "worker/jobs/lm_sample.h"

double lm_ref_ppl(const double *nll, const struct tokens *t, size_t length, size_t batch)
{
    double total = 0, weight = 0;

    for (size_t first = 0; first < t->n_docs; first += batch) {
        double sum = 0, n_scored = 0, n_ids = 0;

        for (size_t d = first; d < first + batch && d < t->n_docs; d++) {
            size_t from = t->token_at[d], n = t->token_at[d + 1] - from;

            n_ids += (double)(n < length ? n : length);
            for (size_t i = from; i < from + n; i++)
                if (!isnan(nll[i])) {
                    sum += nll[i];
                    n_scored++;
                }
        }
        if (n_scored > 0) {
            total += sum / n_scored * n_ids;
            weight += n_ids;
        }
    }
    return exp(total / weight);
}

/* The words of a whole split, through its text. */
static enum err_code known_words(struct map *words, const struct unicode *u, const char *dir,
                                 struct tokenizer *tok, struct err *e)
{
    struct tokens t;
    struct tok_decode d;
    struct buf text = {0};

    if (tokens_open(&t, dir, "train", e))
        return e->code;
    enum err_code rc = ERR_OK;
    tok_decode_init(&d, tok);
    for (size_t i = 0; i < t.n && !rc; i++) {
        uint32_t id = tokens_get(&t, i);

        if (id == TOKEN_END)
            buf_char(&text, '\n');
        else
            rc = tok_decode_add(&d, id, &text, e);
    }
    tok_decode_end(&d, &text);
    struct utf8_repair r = {0};
    struct buf whole = {0}; /* the byte-level tokeniser gives bytes as they are */
    utf8_repair(&r, &whole, text.data ? text.data : "", text.len, true);
    lm_words_add(words, u, whole.data ? whole.data : "", whole.len);
    buf_free(&text);
    buf_free(&whole);
    tokens_close(&t);
    return rc;
}

/* A sample as text, up to its end. */
static enum err_code sample_text(struct tokenizer *tok, const int32_t *id, size_t n, struct buf *out,
                                 struct err *e)
{
    struct tok_decode d;
    struct utf8_repair r = {0};
    struct buf raw = {0};
    enum err_code rc = ERR_OK;

    tok_decode_init(&d, tok);
    for (size_t i = 0; i < n && id[i] != TOKEN_END && !rc; i++)
        rc = (size_t)id[i] < tok->n_vocab ? tok_decode_add(&d, (uint32_t)id[i], &raw, e) : ERR_OK; /* padding rows */
    tok_decode_end(&d, &raw);
    utf8_repair(&r, out, raw.data ? raw.data : "", raw.len, true);
    buf_free(&raw);
    return rc;
}

static enum err_code judge(struct job *j, struct tokenizer *tok, const int32_t *id,
                           const struct map *known, const struct unicode *u, struct err *e)
{
    const struct lm_eval_cfg *c = j->cfg;
    size_t n_words = 0, n_known = 0;
    struct buf all = {0}, one = {0};
    enum err_code rc = ERR_OK;

    for (int64_t i = 0; i < c->n_samples && !rc; i++) {
        buf_reset(&one);
        buf_str(&one, "");
        rc = sample_text(tok, id + i * c->sample_ids, (size_t)c->sample_ids, &one, e);
        lm_words_count(known, u, one.data, one.len, &n_words, &n_known);
        buf_fmt(&all, "--- %lld\n%s\n", (long long)i, one.data);
    }
    if (!rc)
        rc = fs_replace(job_path(j, "samples.txt"), all.data, all.len, e);
    if (!rc && n_words)
        job_metric(j, "words_known", (double)n_known / (double)n_words);
    else if (!rc)
        job_metric_absent(j, "words_known", "the samples hold no whole word");
    if (!rc)
        job_summary(j, "%zu of %zu generated words occur in the training text; the texts are in samples.txt.",
                    n_known, n_words);
    buf_free(&all);
    buf_free(&one);
    return rc;
}

enum err_code lm_eval_samples(struct job *j, struct lm_scorer *s, struct tokenizer *tok, struct err *e)
{
    const struct lm_eval_cfg *c = j->cfg;
    const struct lm_sampling o = {(size_t)c->n_samples, (size_t)c->sample_ids, c->temperature,
                                  (size_t)c->top_k, (uint64_t)c->seed};
    int32_t *id = arena_new(j->arena, int32_t, o.n * o.length);
    struct map known = {0};
    struct unicode u;
    enum err_code rc = unicode_open(&u, e);

    if (rc)
        return rc;
    rc = lm_sample(s, &o, id, j, e);
    if (!rc)
        rc = known_words(&known, &u, job_input(j, "data")->dir, tok, e);
    if (!rc)
        rc = judge(j, tok, id, &known, &u, e);
    map_free(&known);
    unicode_close(&u);
    return rc;
}
