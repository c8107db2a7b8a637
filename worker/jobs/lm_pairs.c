/* lm_pairs.c - minimal pairs under a GPT-NeoX model.
 *
 * Equal sentences, within a pair or across the set, are scored once.  The state between attempts is
 * the table of log-likelihoods, saved between two batches (lm_scorer.h).
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "common/fs.h"
#include "common/kinds/lm_pairs.h"
#include "common/map.h"
#include "common/pathid.h"
#include "worker/data/tokens.h"
#include "worker/eval/pairstat.h"
#include "worker/jobs/lm_scorer.h"
#include "worker/jobs/pair_scores.h"
#include "worker/nn/ckpt.h"
#include "worker/runner/impl.h"

struct score {
    struct job *j;
    const struct lm_pairs_cfg *c;
    struct pairs p;
    struct map seen;       /* sentence -> its place below */
    struct ids ids;        /* all different sentences, id 0 before each */
    size_t *from;          /* [n_texts + 1] in ids */
    size_t n_texts, n_done;
    size_t *good, *bad;    /* [p.n] sentences of the pairs */
    double *ll;            /* [n_texts] */
    struct lm_scorer s;
};

static bool is_legacy(const struct lm_pairs_cfg *c)
{
    return !strcmp(c->mode, "legacy");
}

/* --- sentences ----------------------------------------------------------------------------- */
static enum err_code open_tokenizer(struct tokenizer *t, const struct job *j, struct err *e)
{
    const struct lm_pairs_cfg *c = j->cfg;
    const struct job_input *data = job_input(j, "data");
    struct buf path = {0};

    if (*c->tokenizer)
        return pathid_verify(c->tokenizer, e) ? err_wrap(e, "tokenizer")
                                              : tokenizer_open(t, pathid_path(c->tokenizer), 0, e);
    if (data)
        return tokens_tokenizer(t, data->dir, e);
    buf_fmt(&path, "%s/" LM_MODEL_DIR "/tokenizer.json", job_input(j, "model")->dir);
    enum err_code rc = fs_is_file(path.data)
                           ? tokenizer_open(t, path.data, 0, e)
                           : err_set(e, ERR_INVALID, "tokenizer: none: the model brings none, and neither "
                                                     "`data` nor `tokenizer` is given");
    buf_free(&path);
    return rc;
}

/* Place of a sentence; its ids are made the first time. */
static size_t text_of(struct score *s, struct tokenizer *t, const char *sentence, struct buf *text)
{
    bool is_new;
    int64_t *place = map_put(&s->seen, sentence, strlen(sentence), &is_new);

    if (!is_new)
        return (size_t)*place;
    *place = (int64_t)s->n_texts;
    buf_reset(text);
    buf_fmt(text, "%s%s", is_legacy(s->c) ? "" : " ", sentence);
    size_t at = s->ids.n;
    ids_push(&s->ids, TOKEN_END);
    tokenizer_encode(t, text->data, text->len, false, &s->ids);
    if (s->ids.n > at + 2 && s->ids.id[at + 1] == TOKEN_END) { /* it begins with the prefix: once is enough */
        memmove(s->ids.id + at, s->ids.id + at + 1, (s->ids.n - at - 1) * sizeof *s->ids.id);
        s->ids.n--;
    }
    s->from[s->n_texts++] = at;
    return s->n_texts - 1;
}

static enum err_code tokenise(struct score *s, struct tokenizer *t, struct err *e)
{
    struct buf text = {0};

    s->from = calloc(2 * s->p.n + 1, sizeof *s->from);
    s->good = calloc(s->p.n, sizeof *s->good);
    s->bad = calloc(s->p.n, sizeof *s->bad);
    if (!s->from || !s->good || !s->bad)
        return err_set(e, ERR_NOMEM, "%zu pairs", s->p.n);
    for (size_t i = 0; i < s->p.n; i++) {
        s->good[i] = text_of(s, t, s->p.pair[i].good, &text);
        s->bad[i] = text_of(s, t, s->p.pair[i].bad, &text);
    }
    s->from[s->n_texts] = s->ids.n;
    buf_free(&text);
    return ERR_OK;
}

static void score_close(struct score *s)
{
    pairs_free(&s->p);
    map_free(&s->seen);
    ids_free(&s->ids);
    free(s->from);
    free(s->good);
    free(s->bad);
}

static enum err_code score_open(struct score *s, struct job *j, struct err *e)
{
    struct tokenizer t;

    *s = (struct score){.j = j, .c = j->cfg};
    if (pathid_verify(s->c->path, e) ||
        pairs_read(&s->p, pathid_path(s->c->path), (size_t)s->c->max_pairs, e))
        return err_wrap(e, "path");
    enum err_code rc = open_tokenizer(&t, j, e);
    if (!rc) {
        rc = tokenise(s, &t, e);
        tokenizer_close(&t);
    }
    if (rc)
        score_close(s);
    return rc;
}

static struct lm_scorer_shape shape_of(const struct score *s)
{
    size_t longest = 1;

    for (size_t i = 0; i < s->n_texts; i++)
        longest = s->from[i + 1] - s->from[i] > longest ? s->from[i + 1] - s->from[i] : longest;
    size_t n_max = (size_t)s->c->batch_ids > longest ? (size_t)s->c->batch_ids : longest;
    return (struct lm_scorer_shape){.n_max = n_max, .t_max = longest, .threads = (int)s->j->common.threads};
}

static enum err_code plan(struct job *j, struct job_plan *p, struct err *e)
{
    struct neox_cfg cfg;
    struct score s;
    size_t bytes;

    if (score_open(&s, j, e))
        return err_wrap(e, "lm_pairs");
    struct lm_scorer_shape shape = shape_of(&s);
    enum err_code rc = lm_scorer_plan(job_input(j, "model")->dir, &shape, &cfg, &bytes, e);
    if (!rc) {
        p->arena_bytes = bytes + arena_need(s.n_texts, sizeof(double)) +
                         arena_need(shape.t_max + 1, sizeof(int32_t)) + 2 * arena_need(s.p.n, sizeof(double));
        p->n_steps = (int64_t)s.n_texts;
    }
    score_close(&s);
    return rc ? err_wrap(e, "lm_pairs") : ERR_OK;
}

/* --- scoring ------------------------------------------------------------------------------- */
static void on_scored(void *ctx, const struct lm_item *item, const double *logprob)
{
    struct score *s = ctx;
    double sum = 0;

    for (size_t i = 0; i < item->n - item->n_context; i++)
        sum += logprob[i];
    s->ll[item->tag] = sum;
}

static void list_state(struct score *s, struct ckpt *state)
{
    ckpt_bytes(state, "ll", s->ll, s->n_texts * sizeof *s->ll);
    ckpt_bytes(state, "n_done", &s->n_done, sizeof s->n_done);
}

static enum err_code run_batch(struct score *s, size_t n_done, struct err *e)
{
    struct ckpt state = {0};
    bool is_stopped = job_stop_wanted(s->j);
    enum err_code rc;

    if (lm_scorer_run(&s->s, e))
        return e->code;
    s->n_done = n_done;
    job_progress(s->j, (int64_t)n_done, (int64_t)s->n_texts, "sentences");
    if (!is_stopped && !job_checkpoint_due(s->j))
        return ERR_OK;
    list_state(s, &state);
    rc = job_checkpoint_save(s->j, &state, e);
    ckpt_free(&state);
    if (rc)
        return err_wrap(e, "checkpoint");
    return is_stopped ? err_set(e, ERR_STOPPED, "stopped on request") : ERR_OK;
}

static enum err_code score_all(struct score *s, int32_t *fed, struct err *e)
{
    for (size_t i = s->n_done; i < s->n_texts; i++) {
        size_t n = s->from[i + 1] - s->from[i];

        if (n < 2) { /* nothing behind the prefix */
            s->ll[i] = 0;
            continue;
        }
        if (!lm_scorer_fits(&s->s, n) && run_batch(s, i, e))
            return e->code;
        for (size_t k = 0; k < n; k++)
            fed[k] = (int32_t)s->ids.id[s->from[i] + k];
        lm_scorer_add(&s->s, fed, n, 1, i);
    }
    return run_batch(s, s->n_texts, e);
}

/* --- what it says -------------------------------------------------------------------------- */
/* Numbers of a row; one that is not finite stays empty. */
static void put_numbers(struct buf *out, const double *number, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (isfinite(number[i]))
            buf_f64(out, number[i]);
        buf_char(out, i + 1 < n ? ',' : '\n');
    }
}

/* Means over the paradigms that share a term, or a field. */
static void put_groups(struct job *j, const struct pairs *p, const struct pair_score *each,
                       const char *blob, bool is_term)
{
    struct buf out = {0};
    struct pair_score *part = calloc(p->n_paradigms, sizeof *part);
    struct map names = {0};
    bool is_new;

    buf_str(&out, "name,paradigms,pairs,accuracy,se,ties,margin\n");
    for (size_t i = 0; i < p->n_paradigms; i++) {
        const char *name = is_term ? p->paradigm[i].term : p->paradigm[i].field;
        size_t n = 0;

        map_put(&names, name, strlen(name), &is_new);
        for (size_t k = i; k < p->n_paradigms && is_new && part; k++)
            if (!strcmp(name, is_term ? p->paradigm[k].term : p->paradigm[k].field))
                part[n++] = each[k];
        if (n) {
            struct pair_mean m = pair_mean(part, n);
            const double row[] = {(double)m.n_groups, (double)m.n, m.accuracy, m.se, (double)m.n_ties, m.margin};

            buf_fmt(&out, "%s,", name);
            put_numbers(&out, row, ARRAY_LEN(row));
        }
    }
    job_blob(j, blob, "text/csv", out.data);
    map_free(&names);
    buf_free(&out);
    free(part);
}

static void put_paradigms(struct job *j, const struct pairs *p, const struct pair_score *each)
{
    struct buf out = {0};

    buf_str(&out, "uid,term,field,pairs,accuracy,se,ties,margin,margin_se\n");
    for (size_t i = 0; i < p->n_paradigms; i++) {
        const double row[] = {(double)each[i].n, each[i].accuracy, each[i].se, (double)each[i].n_ties,
                              each[i].margin, each[i].margin_se};

        buf_fmt(&out, "%s,%s,%s,", p->paradigm[i].uid, p->paradigm[i].term, p->paradigm[i].field);
        put_numbers(&out, row, ARRAY_LEN(row));
    }
    job_blob(j, "paradigms", "text/csv", out.data);
    buf_free(&out);
}

static void report(struct score *s, const struct pair_score *each)
{
    struct pair_mean m = pair_mean(each, s->p.n_paradigms);

    job_metric(s->j, "pair_acc", m.accuracy);
    if (isfinite(m.se)) {
        job_metric(s->j, "pair_acc_se", m.se);
        job_metric(s->j, "pair_acc_se_pooled", m.se_pooled);
    } else {
        job_metric_absent(s->j, "pair_acc_se", "a paradigm has one pair only");
    }
    job_metric(s->j, "pair_margin", m.margin);
    job_metric(s->j, "n_ties", (double)m.n_ties);
    job_metric(s->j, "n_min_pairs", (double)s->p.n);
    job_metric(s->j, "n_paradigms", (double)s->p.n_paradigms);
    put_paradigms(s->j, &s->p, each);
    put_groups(s->j, &s->p, each, "terms", true);
    put_groups(s->j, &s->p, each, "fields", false);
    job_summary(s->j, "Mode %s: accuracy %.4f +- %.4f over %zu paradigms, %zu pairs, %zu ties (a tie is %s); margin %.3f nats.",
                s->c->mode, m.accuracy, m.se, s->p.n_paradigms, s->p.n, m.n_ties,
                is_legacy(s->c) ? "wrong" : "right", m.margin);
}

static enum err_code conclude(struct score *s, struct err *e)
{
    double *good = arena_new(s->j->arena, double, s->p.n), *bad = arena_new(s->j->arena, double, s->p.n);
    struct pair_score *each = calloc(s->p.n_paradigms, sizeof *each);

    if (!each)
        return err_set(e, ERR_NOMEM, "%zu paradigms", s->p.n_paradigms);
    for (size_t i = 0; i < s->p.n; i++) {
        good[i] = s->ll[s->good[i]];
        bad[i] = s->ll[s->bad[i]];
    }
    for (size_t i = 0; i < s->p.n_paradigms; i++) {
        size_t first = s->p.paradigm[i].first;

        each[i] = pair_score(good + first, bad + first, s->p.paradigm[i].n, !is_legacy(s->c));
    }
    report(s, each);
    free(each);
    return pair_scores_write(job_path(s->j, PAIR_SCORES_FILE), s->c->mode, &s->p, good, bad, e);
}

static enum err_code evaluate(struct score *s, struct err *e)
{
    const struct lm_scorer_shape shape = shape_of(s);
    struct ckpt state = {0};

    if (lm_scorer_init(&s->s, job_input(s->j, "model")->dir, &shape, s->j->arena, e))
        return e->code;
    s->s.on = on_scored;
    s->s.ctx = s;
    s->ll = arena_new(s->j->arena, double, s->n_texts);
    int32_t *fed = arena_new(s->j->arena, int32_t, shape.t_max + 1);
    list_state(s, &state);
    if (!job_checkpoint_load(s->j, &state))
        s->n_done = 0;
    ckpt_free(&state);
    return score_all(s, fed, e) ? e->code : conclude(s, e);
}

static enum err_code run(struct job *j, struct err *e)
{
    struct score s;

    if (score_open(&s, j, e))
        return err_wrap(e, "lm_pairs");
    enum err_code rc = evaluate(&s, e);
    score_close(&s);
    return rc ? err_wrap(e, "lm_pairs") : ERR_OK;
}

const struct job_impl job_impl_lm_pairs = {"lm_pairs", plan, run};
