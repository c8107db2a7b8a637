/* acts_extract.c - activations of a trained model at a hook, as one matrix.
 *
 * Modular addition: the whole table in row-major (a,b) order, training and validation alike.
 * Drawn tasks: fresh examples from the job's own seed.  Writes acts.pt and acts.meta.json; with
 * `hook_out` also acts_out.pt, the same rows at a second hook of the block.  GPT-NeoX models on text
 * are read by acts_neox.c.
 */
#include <string.h>

#include "common/arena.h"
#include "common/fs.h"
#include "common/kinds/acts_extract.h"
#include "worker/jobs/acts_finish.h"
#include "worker/jobs/acts_neox.h"
#include "worker/lm/lm_file.h"
#include "worker/lm/lm_hook.h"
#include "worker/runner/impl.h"

struct extract {
    struct lm_file file;
    struct task task;
    struct lm_tap tap;
    size_t n_all, n;    /* rows of the whole matrix, and kept */
    size_t d;
    bool has_out;       /* a second hook */
};

static struct batch_read read_of(const struct task *t, const char *position)
{
    const struct {
        const char *name;
        struct batch_read read;
    } row[] = {
        {"answer", {t->read_pos, 1}}, {"bos", {0, 1}},          {"first_operand", {t->operand_pos, 1}},
        {"all", {0, t->len}},         {"last", {t->len - 1, 1}},
    };
    size_t i = 0;

    while (strcmp(row[i].name, position)) /* the knob allows no other */
        i++;
    return row[i].read;
}

static enum err_code check(const struct extract *x, const struct acts_extract_cfg *c, struct err *e)
{
    const struct lm_cfg *m = &x->file.cfg;

    if ((size_t)c->layer >= m->n_layers)
        return err_set(e, ERR_INVALID, "layer: %lld is outside [0, %zu]: the model has %zu block%s",
                       (long long)c->layer, m->n_layers - 1, m->n_layers,
                       m->n_layers == 1 ? "" : "s");
    if (m->n_vocab != x->task.n_vocab || m->n_ctx != x->task.len)
        return err_set(e, ERR_INVALID,
                       "model: its vocabulary of %zu and context of %zu are not those of task %s, "
                       "%zu and %zu", m->n_vocab, m->n_ctx, x->file.origin.task, x->task.n_vocab,
                       x->task.len);
    return ERR_OK;
}

/* Opens the model; everything but the weights. */
static enum err_code open_model(struct extract *x, const struct job *j, struct err *e)
{
    const struct acts_extract_cfg *c = j->cfg;
    const struct task_kind *kind;
    struct buf path = {0};
    enum err_code rc;

    *x = (struct extract){0};
    buf_fmt(&path, "%s/%s", job_input(j, "model")->dir, LM_FILE);
    rc = lm_file_open(&x->file, path.data, e);
    buf_free(&path);
    if (rc)
        return rc;
    kind = task_find(x->file.origin.task);
    if (!kind || x->file.origin.modulus < 1 || x->file.origin.modulus > 1 << 14) {
        lm_file_close(&x->file);
        return err_set(e, ERR_INVALID, "model: task \"%s\", modulus %lld: not known",
                       x->file.origin.task, (long long)x->file.origin.modulus);
    }
    task_plan(&x->task, kind->name, x->file.origin.modulus, kind->n_extract);
    x->d = x->file.cfg.d_model;
    x->tap.layer = (size_t)c->layer;
    x->tap.read = read_of(&x->task, c->position);
    (void)lm_hook_parse(c->hook, &x->tap.hook); /* the knob allows no other */
    x->has_out = lm_hook_parse(c->hook_out, &x->tap.hook_out);
    x->n_all = x->task.n * x->tap.read.count;
    x->n = (size_t)((double)x->n_all * c->data_fraction + 0.5);
    x->n = x->n ? x->n : 1;
    rc = check(x, c, e);
    if (rc)
        lm_file_close(&x->file);
    return rc;
}

static enum err_code plan(struct job *j, struct job_plan *plan, struct err *e)
{
    struct extract x;

    if (acts_neox_is(j))
        return acts_neox_plan(j, plan, e);
    if (open_model(&x, j, e))
        return e->code;
    plan->arena_bytes = lm_bytes(&x.file.cfg, false) + task_bytes(&x.task) +
                        lm_tap_bytes(&x.file.cfg, &x.task, &x.tap) +
                        arena_need(x.n_all, sizeof(uint32_t)) +
                        (x.has_out ? 2 : 1) * arena_need(x.n * x.d, sizeof(float));
    lm_file_close(&x.file);
    return ERR_OK;
}

static enum err_code meta(struct job *j, const struct extract *x, struct err *e)
{
    const struct acts_extract_cfg *c = j->cfg;
    struct buf out = {0};
    struct jsonw w;
    enum err_code rc;

    jw_init(&w, &out, true);
    jw_open(&w, '{');
    jw_key(&w, "model"), jw_str(&w, job_input(j, "model")->job);
    jw_key(&w, "task"), jw_str(&w, x->file.origin.task);
    jw_key(&w, "modulus"), jw_i64(&w, x->file.origin.modulus);
    jw_key(&w, "hook"), jw_str(&w, c->hook);
    jw_key(&w, "hook_out"), jw_str(&w, c->hook_out);
    jw_key(&w, "layer"), jw_i64(&w, c->layer);
    jw_key(&w, "position"), jw_str(&w, c->position);
    jw_key(&w, "positions"), jw_open(&w, '[');
    jw_i64(&w, (int64_t)x->tap.read.from);
    jw_i64(&w, (int64_t)(x->tap.read.from + x->tap.read.count));
    jw_close(&w, ']');
    jw_key(&w, "data_fraction"), jw_f64(&w, c->data_fraction);
    jw_key(&w, "surrogate"), jw_str(&w, c->surrogate);
    jw_key(&w, "seed"), jw_i64(&w, c->seed);
    jw_key(&w, "shape"), jw_open(&w, '[');
    jw_i64(&w, (int64_t)x->n);
    jw_i64(&w, (int64_t)x->d);
    jw_close(&w, ']');
    jw_close(&w, '}');
    buf_char(&out, '\n');
    rc = fs_replace(job_path(j, "acts.meta.json"), out.data, out.len, e);
    buf_free(&out);
    return rc;
}

static enum err_code extract(struct job *j, struct extract *x, struct err *e)
{
    const struct acts_extract_cfg *c = j->cfg;
    struct lm m;
    const uint32_t *keep;
    float *rows, *out;

    lm_init(&m, &x->file.cfg, false, j->arena);
    if (lm_file_read(&x->file, &m, e))
        return err_wrap(e, "model");
    task_make(&x->task, (uint64_t)c->seed, "acts.data", j->arena);
    keep = acts_choose(x->n, x->n_all, (uint64_t)c->seed, j->arena);
    rows = arena_new(j->arena, float, x->n * x->d);
    out = x->has_out ? arena_new(j->arena, float, x->n * x->d) : NULL;
    lm_tap_rows(rows, out, &m, &x->task, &x->tap, keep, x->n, j->arena);
    if (meta(j, x, e))
        return e->code;
    return acts_finish(j, rows, out, x->n, x->d, e);
}

static enum err_code run(struct job *j, struct err *e)
{
    struct extract x;
    enum err_code rc;

    if (acts_neox_is(j))
        return acts_neox_run(j, e);
    rc = open_model(&x, j, e);
    if (rc)
        return rc;
    rc = extract(j, &x, e);
    lm_file_close(&x.file);
    return rc;
}

const struct job_impl job_impl_acts_extract = {"acts_extract", plan, run};
