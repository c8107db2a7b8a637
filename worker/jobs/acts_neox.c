/* acts_neox.c - see acts_neox.h.
 *
 * Sequences are read in a seeded order, so that max_rows is a sample and a smaller one its beginning.
 * Only the blocks up to the hook are run. */
#include "worker/jobs/acts_neox.h"

#include <string.h>

#include "common/fs.h"
#include "common/kinds/acts_extract.h"
#include "worker/jobs/acts_finish.h"
#include "worker/jobs/neox_feed.h"
#include "worker/jobs/neox_io.h"
#include "worker/neox/neox_acts.h"
#include "worker/num/par.h"

enum { BATCH_IDS = 4096, SITES = 2 };

/* One hook: what it saw of the batch at hand. */
struct site {
    enum neox_hook hook;
    bool is_bare;              /* mlp_in before gain and bias of its norm */
    const struct neox *m;
    const struct neox_acts *s;
    size_t layer;
    real *x;                   /* [n_max,d] */
    float *rows;               /* [n,d] */
};

struct extract {
    const struct acts_extract_cfg *c;
    struct neox_file file;
    struct neox_feed feed;
    struct neox_shape shape;
    struct site site[SITES];
    size_t n_sites, n_all, n, d;
};

bool acts_neox_is(const struct job *j)
{
    return neox_is_in(job_input(j, "model")->dir);
}

bool acts_neox_reads(const char *position, bool skip_bos, size_t t, size_t len)
{
    if (!strcmp(position, "bos"))
        return t == 0;
    if (!strcmp(position, "last"))
        return t + 1 == len;
    return t > 0 || !skip_bos;
}

static size_t rows_of(const struct acts_extract_cfg *c, size_t len)
{
    bool is_one = !strcmp(c->position, "bos") || !strcmp(c->position, "last");

    return is_one ? 1 : len - (c->skip_bos ? 1 : 0);
}

static void parse_hook(struct extract *x, const char *name)
{
    struct site *s = &x->site[x->n_sites];

    s->is_bare = !strcmp(name, "ln2_normalized");
    if (!neox_hook_parse(s->is_bare ? "mlp_in" : name, &s->hook))
        return; /* none */
    s->layer = (size_t)x->c->layer;
    x->n_sites++;
}

static enum err_code check(struct extract *x, struct err *e)
{
    const struct acts_extract_cfg *c = x->c;

    if ((size_t)c->layer >= x->file.cfg.n_layers)
        return err_set(e, ERR_INVALID, "layer: %lld is outside [0, %zu]: the model has %zu blocks",
                       (long long)c->layer, x->file.cfg.n_layers - 1, x->file.cfg.n_layers);
    for (uint64_t p = 0; p < x->feed.n_seq; p++)
        x->n_all += rows_of(c, neox_feed_len(&x->feed, p));
    if (c->max_rows && (size_t)c->max_rows < x->n_all)
        x->n_all = (size_t)c->max_rows;
    if (x->n_all == 0)
        return err_set(e, ERR_INVALID, "data: nothing is left without the first id of each sequence");
    if (x->n_all > UINT32_MAX)
        return err_set(e, ERR_INVALID, "max_rows: %zu rows, more than %u", x->n_all, UINT32_MAX);
    x->n = (size_t)((double)x->n_all * c->data_fraction + 0.5);
    x->n = x->n ? x->n : 1;
    return ERR_OK;
}

static void close_all(struct extract *x)
{
    neox_feed_close(&x->feed);
    neox_file_close(&x->file);
}

static enum err_code open_all(struct extract *x, const struct job *j, struct err *e)
{
    const struct acts_extract_cfg *c = j->cfg;

    *x = (struct extract){.c = c};
    if (!job_input(j, "data"))
        return err_set(e, ERR_INVALID, "data: missing: a GPT-NeoX model is read on token ids "
                       "(data: $tokens, of kind data_make with task: text)");
    if (neox_input_open(&x->file, j, "model", e))
        return e->code;
    if (neox_feed_open(&x->feed, job_input(j, "data")->dir, c->split, (size_t)c->context,
                       x->file.cfg.n_vocab, true, e)) {
        neox_file_close(&x->file);
        return e->code;
    }
    x->d = x->file.cfg.d_model;
    x->shape = (struct neox_shape){.t_max = (size_t)c->context, .n_max = BATCH_IDS, .head_rows = 1,
                                   .threads = (int)j->common.threads};
    if (x->shape.n_max < x->shape.t_max)
        x->shape.n_max = x->shape.t_max;
    parse_hook(x, c->hook);
    parse_hook(x, c->hook_out);
    if (check(x, e)) {
        close_all(x);
        return e->code;
    }
    return ERR_OK;
}

enum err_code acts_neox_plan(struct job *j, struct job_plan *plan, struct err *e)
{
    struct extract x;

    if (open_all(&x, j, e))
        return e->code;
    plan->arena_bytes =
        neox_bytes(&x.file.cfg, false) + neox_acts_bytes(&x.file.cfg, &x.shape) +
        neox_batch_bytes(x.shape.n_max, x.shape.n_max) + neox_feed_bytes(&x.feed, true) +
        arena_need(x.n_all, sizeof(uint32_t)) +
        x.n_sites * (arena_need(x.n * x.d, sizeof(float)) + arena_need(x.shape.n_max * x.d, sizeof(real)));
    plan->n_steps = (int64_t)x.n_all;
    close_all(&x);
    return ERR_OK;
}

static void look(void *ctx, real *x, const struct neox_batch *b, bool is_again)
{
    const struct site *s = ctx;
    const struct neox_cfg *c = &s->m->cfg;
    const struct neox_block_acts *k = &s->s->block[s->layer];
    const real *from = c->is_parallel ? s->s->x[s->layer] : k->mid;

    (void)is_again;
    if (!s->is_bare) {
        memcpy(s->x, x, b->n * c->d_model * sizeof *x);
        return;
    }
    for (size_t i = 0; i < b->n * c->d_model; i++)
        s->x[i] = (from[i] - k->mean2[i / c->d_model]) * k->rstd2[i / c->d_model];
}

static void keep_row(struct extract *x, size_t to, size_t from)
{
    for (size_t i = 0; i < x->n_sites; i++)
        for (size_t j = 0; j < x->d; j++)
            x->site[i].rows[to * x->d + j] = (float)x->site[i].x[from * x->d + j];
}

/* Rows of one batch: `seen` counts those that could be kept, `done` those that were. */
static void take(struct extract *x, const struct neox_batch *b, const uint32_t *keep, size_t *seen,
                 size_t *done)
{
    for (size_t s = 0; s < b->n_seq; s++)
        for (size_t i = b->start[s]; i < b->start[s + 1] && *done < x->n; i++) {
            if (!acts_neox_reads(x->c->position, x->c->skip_bos, i - b->start[s], b->start[s + 1] - b->start[s]))
                continue;
            if (!keep || keep[*done] == *seen)
                keep_row(x, (*done)++, i);
            ++*seen;
        }
}

static enum err_code read_rows(struct job *j, struct extract *x, struct neox *m, struct neox_acts *s,
                               struct neox_batch_mem *b, struct err *e)
{
    const uint32_t *keep = acts_choose(x->n, x->n_all, (uint64_t)x->c->seed, j->arena);
    size_t seen = 0, done = 0;

    for (uint64_t p = 0; p < x->feed.n_seq && done < x->n;) {
        if (job_stop_wanted(j))
            return err_set(e, ERR_STOPPED, "stopped on request");
        neox_batch_clear(b);
        while (p < x->feed.n_seq && neox_feed_add(&x->feed, p, b))
            p++;
        neox_forward(m, s, &b->view, (size_t)x->c->layer + 1);
        take(x, &b->view, keep, &seen, &done);
        job_progress(j, (int64_t)seen, (int64_t)x->n_all, "rows");
    }
    return ERR_OK;
}

static enum err_code meta(struct job *j, const struct extract *x, struct err *e)
{
    const struct acts_extract_cfg *c = x->c;
    struct buf out = {0};
    struct jsonw w;
    enum err_code rc;

    jw_init(&w, &out, true);
    jw_open(&w, '{');
    jw_key(&w, "model"), jw_str(&w, job_input(j, "model")->job);
    jw_key(&w, "data"), jw_str(&w, job_input(j, "data")->job);
    jw_key(&w, "split"), jw_str(&w, c->split);
    jw_key(&w, "context"), jw_i64(&w, c->context);
    jw_key(&w, "hook"), jw_str(&w, c->hook);
    jw_key(&w, "hook_out"), jw_str(&w, c->hook_out);
    jw_key(&w, "layer"), jw_i64(&w, c->layer);
    jw_key(&w, "position"), jw_str(&w, c->position);
    jw_key(&w, "skip_bos"), jw_bool(&w, c->skip_bos);
    jw_key(&w, "data_fraction"), jw_f64(&w, c->data_fraction);
    jw_key(&w, "surrogate"), jw_str(&w, c->surrogate);
    jw_key(&w, "seed"), jw_i64(&w, c->seed);
    jw_key(&w, "shape"), jw_open(&w, '[');
    jw_i64(&w, (int64_t)x->n), jw_i64(&w, (int64_t)x->d);
    jw_close(&w, ']');
    jw_close(&w, '}');
    buf_char(&out, '\n');
    rc = fs_replace(job_path(j, "acts.meta.json"), out.data, out.len, e);
    buf_free(&out);
    return rc;
}

static enum err_code extract(struct job *j, struct extract *x, struct err *e)
{
    struct neox_tap taps[SITES];
    struct neox m;
    struct neox_acts s;
    struct neox_batch_mem b;

    par_threads_set(x->shape.threads);
    neox_init(&m, &x->file.cfg, false, j->arena);
    neox_file_load(&x->file, &m);
    neox_acts_init(&s, &x->file.cfg, &x->shape, j->arena);
    neox_batch_init(&b, x->shape.n_max, x->shape.n_max, j->arena);
    neox_feed_init(&x->feed, true, (uint64_t)x->c->seed, j->arena);
    for (size_t i = 0; i < x->n_sites; i++) {
        struct site *k = &x->site[i];

        k->m = &m;
        k->s = &s;
        k->x = arena_new(j->arena, real, x->shape.n_max * x->d);
        k->rows = arena_new(j->arena, float, x->n * x->d);
        taps[i] = (struct neox_tap){.layer = k->layer, .hook = k->hook, .fwd = look, .ctx = k};
    }
    s.taps = taps;
    s.n_taps = x->n_sites;
    if (read_rows(j, x, &m, &s, &b, e) || meta(j, x, e))
        return e->code;
    return acts_finish(j, x->site[0].rows, x->n_sites > 1 ? x->site[1].rows : NULL, x->n, x->d, e);
}

enum err_code acts_neox_run(struct job *j, struct err *e)
{
    struct extract x;
    enum err_code rc;

    if (open_all(&x, j, e))
        return e->code;
    rc = extract(j, &x, e);
    close_all(&x);
    return rc;
}
