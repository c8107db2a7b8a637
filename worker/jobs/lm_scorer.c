/* lm_scorer.c - see lm_scorer.h. */
#include "worker/jobs/lm_scorer.h"

#include <assert.h>
#include <math.h>

#include "common/buf.h"
#include "worker/num/par.h"

static struct neox_shape shape_of(const struct lm_scorer_shape *s)
{
    return (struct neox_shape){.n_max = s->n_max, .t_max = s->t_max, .is_bf16 = s->is_bf16,
                               .threads = s->threads};
}

static enum err_code open_model(struct neox_file *f, const char *dir, struct err *e)
{
    struct buf path = {0};

    buf_fmt(&path, "%s/" LM_MODEL_DIR, dir);
    enum err_code rc = neox_file_open(f, path.data, e);
    buf_free(&path);
    return rc;
}

enum err_code lm_scorer_plan(const char *dir, const struct lm_scorer_shape *shape,
                             struct neox_cfg *cfg, size_t *bytes, struct err *e)
{
    struct neox_shape s = shape_of(shape);
    struct neox_file f;

    if (open_model(&f, dir, e))
        return err_wrap(e, "model");
    *cfg = f.cfg;
    neox_file_close(&f);
    *bytes = neox_bytes(cfg, false) + neox_acts_bytes(cfg, &s) +
             neox_batch_bytes(shape->n_max, shape->n_max) +
             arena_need(shape->n_max, sizeof(struct lm_item));
    return ERR_OK;
}

enum err_code lm_scorer_init(struct lm_scorer *s, const char *dir,
                             const struct lm_scorer_shape *shape, struct arena *a, struct err *e)
{
    struct neox_shape acts = shape_of(shape);
    struct neox_file f;

    *s = (struct lm_scorer){.t_max = shape->t_max};
    if (open_model(&f, dir, e))
        return err_wrap(e, "model");
    par_threads_set(shape->threads);
    neox_init(&s->m, &f.cfg, false, a);
    neox_file_load(&f, &s->m);
    neox_acts_init(&s->acts, &f.cfg, &acts, a);
    neox_batch_init(&s->batch, shape->n_max, shape->n_max, a);
    s->item = arena_new(a, struct lm_item, shape->n_max);
    neox_file_close(&f);
    return ERR_OK;
}

bool lm_scorer_fits(const struct lm_scorer *s, size_t n)
{
    return n - 1 <= s->batch.n_max - s->batch.view.n;
}

void lm_scorer_add(struct lm_scorer *s, const int32_t *id, size_t n, size_t n_context, size_t tag)
{
    size_t at = s->batch.view.n;
    bool has_room = neox_batch_add(&s->batch, id, n - 1, id[n - 1]);

    assert(has_room && n_context >= 1 && n_context < n && n - 1 <= s->t_max);
    (void)has_room;
    for (size_t i = 0; i + 1 < n_context; i++) /* position i predicts id i + 1 */
        s->batch.target[at + i] = -1;
    s->item[s->batch.view.n_seq - 1] = (struct lm_item){tag, at, n_context, n};
}

enum err_code lm_scorer_run(struct lm_scorer *s, struct err *e)
{
    const struct neox_batch *b = &s->batch.view;

    if (b->n_seq == 0)
        return ERR_OK;
    if (neox_batch_check(b, &s->m.cfg, s->t_max, e))
        return err_wrap(e, "the model's vocabulary and the text's differ");
    double sum = neox_loss(&s->m, &s->acts, b);
    if (!isfinite(sum))
        return err_set(e, ERR_DIVERGED, "the model gives a loss that is not finite");
    for (size_t i = 0; i < b->n_seq; i++)
        s->on(s->ctx, &s->item[i], s->acts.logprob + s->item[i].at + s->item[i].n_context - 1);
    neox_batch_clear(&s->batch);
    return ERR_OK;
}
