/* lm_eval.c - perplexity, bits a byte and samples of a GPT-NeoX model on a text.
 *
 * The NLL of every id is kept; whatever is reported is a sum over them in the order of the text.  The
 * state between attempts is that table, saved between two batches (lm_scorer.h).
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "common/kinds/lm_eval.h"
#include "worker/data/windows.h"
#include "worker/eval/textloss.h"
#include "worker/jobs/lm_eval_text.h"
#include "worker/jobs/lm_scorer.h"
#include "worker/nn/ckpt.h"
#include "worker/nn/pt.h"
#include "worker/runner/impl.h"

struct eval {
    struct job *j;
    const struct lm_eval_cfg *c;
    struct tokens t;
    struct tokenizer tok;
    struct lm_scorer s;
    struct windows w;
    double *nll;        /* [t.n] NaN: not scored */
    int32_t *fed;       /* [window + 2] one sequence */
    size_t n_done;      /* windows scored */
};

static enum window_protocol protocol_of(const char *name)
{
    return !strcmp(name, "line")     ? WINDOW_LINE
           : !strcmp(name, "block")  ? WINDOW_BLOCK
           : !strcmp(name, "stride") ? WINDOW_STRIDE
                                     : WINDOW_ROLLING;
}

static enum err_code windows_of(struct windows *w, const struct tokens *t,
                                const struct lm_eval_cfg *c, struct err *e)
{
    return windows_init(w, t, protocol_of(c->protocol), (size_t)c->window, (size_t)c->stride, c->prefix,
                        (size_t)c->max_ids, e);
}

static struct lm_scorer_shape shape_of(const struct job *j)
{
    const struct lm_eval_cfg *c = j->cfg;
    int64_t t_max = c->window > c->sample_ids + 1 ? c->window : c->sample_ids + 1;

    return (struct lm_scorer_shape){.n_max = (size_t)(c->batch_ids > t_max ? c->batch_ids : t_max),
                                    .t_max = (size_t)t_max, .threads = (int)j->common.threads,
                                    .is_bf16 = !strcmp(c->precision, "bf16")};
}

static enum err_code plan(struct job *j, struct job_plan *p, struct err *e)
{
    const struct lm_eval_cfg *c = j->cfg;
    const struct lm_scorer_shape shape = shape_of(j);
    struct neox_cfg cfg;
    struct windows w;
    struct tokens t;
    size_t bytes;

    if (tokens_open(&t, job_input(j, "data")->dir, c->split, e))
        return err_wrap(e, "lm_eval: data");
    enum err_code rc = windows_of(&w, &t, c, e);
    if (!rc)
        rc = lm_scorer_plan(job_input(j, "model")->dir, &shape, &cfg, &bytes, e);
    if (!rc && t.n_vocab > cfg.n_vocab)
        rc = err_set(e, ERR_INVALID, "the text has %zu ids, the model knows %zu", t.n_vocab, cfg.n_vocab);
    if (!rc) {
        p->arena_bytes = bytes + arena_need(t.n, sizeof(double)) +
                         arena_need(shape.t_max + 2, sizeof(int32_t)) +
                         arena_need((size_t)c->n_samples * (size_t)c->sample_ids, sizeof(int32_t));
        p->n_steps = (int64_t)w.end;
    }
    tokens_close(&t);
    return rc ? err_wrap(e, "lm_eval") : ERR_OK;
}

/* --- scoring ------------------------------------------------------------------------------- */
static void on_scored(void *ctx, const struct lm_item *item, const double *logprob)
{
    struct eval *v = ctx;

    /* tag: the place in the split of the sequence's first id; a prefix stands before it */
    for (size_t i = item->n_context; i < item->n; i++)
        v->nll[item->tag + i] = -logprob[i - item->n_context];
}

static enum err_code save(struct eval *v, struct err *e)
{
    struct ckpt state = {0};

    ckpt_bytes(&state, "nll", v->nll, v->t.n * sizeof *v->nll);
    ckpt_bytes(&state, "n_done", &v->n_done, sizeof v->n_done);
    enum err_code rc = job_checkpoint_save(v->j, &state, e);
    ckpt_free(&state);
    return rc;
}

static void resume(struct eval *v)
{
    struct ckpt state = {0};
    struct window x;

    for (size_t i = 0; i < v->t.n; i++)
        v->nll[i] = NAN;
    ckpt_bytes(&state, "nll", v->nll, v->t.n * sizeof *v->nll);
    ckpt_bytes(&state, "n_done", &v->n_done, sizeof v->n_done);
    if (!job_checkpoint_load(v->j, &state))
        v->n_done = 0;
    ckpt_free(&state);
    for (size_t i = 0; i < v->n_done && windows_next(&v->w, &x); i++)
        continue;
}

/* Scores the batch; then is the time to save or stop.  n_done counts windows before the one at hand. */
static enum err_code run_batch(struct eval *v, size_t n_added, struct err *e)
{
    if (lm_scorer_run(&v->s, e))
        return e->code;
    v->n_done += n_added;
    job_progress(v->j, (int64_t)v->w.scored_to, (int64_t)v->w.end, "%s", v->c->protocol);
    bool is_stopped = job_stop_wanted(v->j);
    if ((is_stopped || job_checkpoint_due(v->j)) && save(v, e))
        return err_wrap(e, "checkpoint");
    return is_stopped ? err_set(e, ERR_STOPPED, "stopped on request") : ERR_OK;
}

static enum err_code score(struct eval *v, struct err *e)
{
    struct window x;
    size_t n_added = 0;

    while (windows_next(&v->w, &x)) {
        size_t n = x.n + x.has_prefix;

        if (!lm_scorer_fits(&v->s, n)) {
            if (run_batch(v, n_added, e))
                return e->code;
            n_added = 0;
        }
        v->fed[0] = TOKEN_END;
        tokens_copy(&v->t, x.first, x.n, v->fed + x.has_prefix);
        lm_scorer_add(&v->s, v->fed, n, x.n_context + x.has_prefix, x.first - x.has_prefix);
        n_added++;
    }
    return run_batch(v, n_added, e);
}

/* --- what it says -------------------------------------------------------------------------- */
static size_t bytes_of(const struct eval *v, size_t i)
{
    uint32_t id = tokens_get(&v->t, i);
    size_t n = 0;

    if (id != TOKEN_END) /* a separator stands for no text */
        tokenizer_bytes(&v->tok, id, &n);
    return n;
}

static struct text_loss sum_up(const struct eval *v)
{
    struct text_loss l = {0};
    size_t n_open = 0;

    for (size_t i = 0; i < v->t.n; i++) {
        if (isnan(v->nll[i])) {
            n_open += tokens_get(&v->t, i) != TOKEN_END;
            continue;
        }
        l.nll += v->nll[i];
        l.n_scored++;
        l.bytes += (double)bytes_of(v, i);
    }
    if (n_open == 0) /* all of the text: its own bytes, before normalisation */
        l.bytes = (double)tokens_n_bytes(&v->t);
    return l;
}

static enum err_code write_losses(struct eval *v, struct err *e)
{
    float *f = malloc((v->t.n + 1) * sizeof *f);
    struct pt_tensor t = {"", PT_F32, 1, {(int64_t)v->t.n}, f};

    if (!f)
        return err_set(e, ERR_NOMEM, "losses.pt");
    for (size_t i = 0; i < v->t.n; i++)
        f[i] = (float)v->nll[i];
    enum err_code rc = pt_write_tensor(job_path(v->j, "losses.pt"), &t, e);
    free(f);
    return rc;
}

static enum err_code report(struct eval *v, struct err *e)
{
    struct text_loss l = sum_up(v);
    struct text_score s = text_score(&l, (double)tokens_n_bytes(&v->t), (double)tokens_n_words(&v->t));

    if (l.n_scored == 0)
        return err_set(e, ERR_INVALID, "split %s: nothing in it can be scored", v->c->split);
    job_metric(v->j, "nll", s.nll);
    job_metric(v->j, "ppl", s.ppl);
    job_metric(v->j, "bpb", s.bpb);
    job_metric(v->j, "word_ppl", s.word_ppl);
    job_metric(v->j, "n_scored", l.n_scored);
    if (v->t.is_lines && v->w.protocol == WINDOW_LINE)
        job_metric(v->j, "ppl_ref", lm_ref_ppl(v->nll, &v->t, (size_t)v->c->window, (size_t)v->c->ref_batch));
    job_summary(v->j, "%s of %s, window %lld: %.4f bits a byte, perplexity %.3f a token, %.2f a word, %.0f ids scored.",
                v->c->protocol, v->c->split, (long long)v->c->window, s.bpb, s.ppl, s.word_ppl, l.n_scored);
    return v->c->losses ? write_losses(v, e) : ERR_OK;
}

static enum err_code evaluate(struct eval *v, struct err *e)
{
    const struct lm_scorer_shape shape = shape_of(v->j);
    struct job *j = v->j;

    if (windows_of(&v->w, &v->t, v->c, e) ||
        lm_scorer_init(&v->s, job_input(j, "model")->dir, &shape, j->arena, e))
        return e->code;
    v->s.on = on_scored;
    v->s.ctx = v;
    v->nll = arena_new(j->arena, double, v->t.n);
    v->fed = arena_new(j->arena, int32_t, shape.t_max + 2);
    resume(v);
    if (score(v, e) || report(v, e))
        return e->code;
    return v->c->n_samples ? lm_eval_samples(j, &v->s, &v->tok, e) : ERR_OK;
}

static enum err_code run(struct job *j, struct err *e)
{
    struct eval v = {.j = j, .c = j->cfg};
    const char *dir = job_input(j, "data")->dir;

    if (tokens_open(&v.t, dir, v.c->split, e))
        return err_wrap(e, "lm_eval: data");
    enum err_code rc = tokens_tokenizer(&v.tok, dir, e);
    if (!rc) {
        rc = evaluate(&v, e);
        tokenizer_close(&v.tok);
    }
    tokens_close(&v.t);
    return rc ? err_wrap(e, "lm_eval") : ERR_OK;
}

const struct job_impl job_impl_lm_eval = {"lm_eval", plan, run};
