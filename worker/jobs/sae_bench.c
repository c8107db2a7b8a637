/* sae_bench.c - benchmark slices on the labels that the task itself gives; names end in *_like, since
 * neither the data nor the models are those of SAEBench or CE-Bench.
 *
 * Rows are a random choice, the same for the SAE and for the activations beside it: the first n_train
 * of them fit, the others test.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/kinds/sae_bench.h"
#include "common/rng.h"
#include "worker/data/labels.h"
#include "worker/eval/absorb.h"
#include "worker/eval/cebench.h"
#include "worker/eval/kprobe.h"
#include "worker/data/acts.h"
#include "worker/jobs/sae_splice.h"
#include "worker/num/vec.h"
#include "worker/runner/impl.h"
#include "worker/sae/format.h"

#define DENSE_F1_MIN 0.6 /* labels that a dense probe finds enter absorption */
enum { K_MAX = 5 };

enum slice {
    K1, K2, K5, RAW_K5, DENSE, SHUFFLED, ABSORPTION, FULL, SPLIT, CONTRASTIVE, INDEPENDENT,
    INTERPRETABILITY, CONTRASTIVE_RAW, INTERPRETABILITY_RAW, SLICES
};
static const char *const names[SLICES] = {
    "probe_k1", "probe_k2", "probe_k5", "probe_raw_k5", "probe_dense", "probe_shuffled", "absorption",
    "absorption_full", "splitting", "contrastive", "independent", "interpretability",
    "contrastive_raw", "interpretability_raw"};

struct bench {
    const struct sae_bench_cfg *cfg;
    struct sae_model m;
    struct acts acts;
    struct splice splice;
    bool has_acts, has_model;
    size_t n, n_train;       /* rows looked at; the first n_train fit */
    uint32_t *row;           /* [n] of acts */
    float *x, *a;            /* [n,d], [n,f] */
    real *dir;               /* [f,d] unit directions */
    unsigned char *y, *mixed; /* [n] a label, and the same shuffled */
    double sum[SLICES], count[SLICES];
};

static void close_all(struct bench *b)
{
    if (b->has_model)
        lm_file_close(&b->splice.file);
    if (b->has_acts)
        acts_close(&b->acts);
    sae_model_free(&b->m);
}

static enum err_code open_all(struct bench *b, const struct job *j, struct err *e)
{
    const struct sae_format_opts o = {0};

    *b = (struct bench){.cfg = j->cfg};
    if (sae_format_read(&b->m, job_input(j, "sae")->dir, "saegrid", &o, e))
        return err_wrap(e, "sae");
    if (b->m.is_transcoder)
        return err_set(e, ERR_INVALID, "sae: a transcoder: its directions are not in the space of the rows");
    if (acts_open(&b->acts, job_input(j, "acts")->dir, e))
        return err_wrap(e, "acts");
    b->has_acts = true;
    if (b->acts.d != b->m.d)
        return err_set(e, ERR_INVALID, "acts: rows of %zu dims, the SAE takes %zu", b->acts.d, b->m.d);
    if (splice_open(&b->splice, j, &b->m, e))
        return e->code;
    b->has_model = true;
    if (b->acts.n != b->splice.task.n * b->splice.tap.read.count)
        return err_set(e, ERR_INVALID, "acts: %zu rows, the task has %zu examples of %zu positions: data_fraction has to be 1",
                       b->acts.n, b->splice.task.n, b->splice.tap.read.count);
    b->n_train = (size_t)b->cfg->n_train;
    b->n = b->n_train + (size_t)b->cfg->n_test;
    if (b->n > b->acts.n) { /* small tasks: all rows, in the same proportion */
        b->n_train = (size_t)((double)b->n_train / (double)b->n * (double)b->acts.n);
        b->n = b->acts.n;
    }
    return ERR_OK;
}

static enum err_code plan(struct job *j, struct job_plan *p, struct err *e)
{
    struct bench b;
    enum err_code rc = open_all(&b, j, e);

    if (!rc)
        p->arena_bytes = task_bytes(&b.splice.task) + arena_need(b.acts.n, sizeof *b.row) +
                         arena_need(b.n * b.m.d, sizeof(float)) + arena_need(b.n * b.m.f, sizeof(float)) +
                         arena_need(b.m.f * b.m.d, sizeof(real)) + 2 * arena_need(b.n, 1) +
                         sae_infer_bytes(&b.m, sae_infer_rows(&b.m, b.n));
    p->n_steps = (int64_t)label_count();
    close_all(&b);
    return rc ? err_wrap(e, "sae_bench") : ERR_OK;
}

/* --- rows --------------------------------------------------------------------------------------- */

static void choose_rows(struct bench *b, struct arena *arena)
{
    struct rng r = rng_stream((uint64_t)b->cfg->seed, "bench.rows");

    b->row = arena_new(arena, uint32_t, b->acts.n);
    b->x = arena_new(arena, float, b->n * b->m.d);
    b->a = arena_new(arena, float, b->n * b->m.f);
    b->dir = arena_new(arena, real, b->m.f * b->m.d);
    b->y = arena_new(arena, unsigned char, b->n);
    b->mixed = arena_new(arena, unsigned char, b->n);
    rng_perm(&r, b->row, b->acts.n);
    for (size_t i = 0; i < b->n; i++)
        memcpy(b->x + i * b->m.d, b->acts.x + (size_t)b->row[i] * b->m.d, b->m.d * sizeof *b->x);
    memcpy(b->dir, b->m.dir, b->m.f * b->m.d * sizeof *b->dir);
    for (size_t f = 0; f < b->m.f; f++)
        vec_normalise(b->dir + f * b->m.d, b->m.d);
}

static enum err_code encode(struct bench *b, struct arena *arena, struct err *e)
{
    size_t mark = arena_mark(arena), most = sae_infer_rows(&b->m, b->n), f = b->m.f;
    struct sae_infer w;

    sae_infer_new(&w, &b->m, most, arena);
    for (size_t at = 0; at < b->n; at += most) {
        size_t now = b->n - at < most ? b->n - at : most;

        if (!sae_infer_run(&w, b->x + at * b->m.d, now))
            return err_set(e, ERR_INVALID, "a pre-activation is not finite");
        for (size_t i = 0; i < now * f; i++)
            b->a[at * f + i] = (float)((double)w.a[i] * sae_model_norm(&b->m, i % f));
    }
    arena_reset(arena, mark);
    return ERR_OK;
}

static void label_rows(struct bench *b, size_t label)
{
    struct rng r = rng_stream((uint64_t)b->cfg->seed, "bench.shuffle");
    size_t count = b->splice.tap.read.count;

    for (size_t i = 0; i < b->n; i++)
        b->y[i] = b->mixed[i] = label_of(label, &b->splice.task, b->row[i] / count);
    for (size_t i = b->n; i > 1; i--) {
        size_t other = rng_below(&r, i);
        unsigned char t = b->mixed[i - 1];

        b->mixed[i - 1] = b->mixed[other];
        b->mixed[other] = t;
    }
}

/* --- slices ------------------------------------------------------------------------------------- */

static void put(struct bench *b, enum slice s, double value)
{
    if (!isfinite(value))
        return;
    b->sum[s] += value;
    b->count[s]++;
}

/* Accuracy of a probe on the best k columns of v [n,f]. */
static enum err_code probe(struct bench *b, enum slice s, const float *v, size_t f, const unsigned char *y,
                           size_t k, struct err *e)
{
    uint32_t *order = malloc(f * sizeof *order);
    struct probe p = {0};
    struct probe_result r;
    enum err_code rc = order ? probe_init(&p, v, f, y, b->n_train, b->n - b->n_train, e)
                             : err_set(e, ERR_NOMEM, "%zu columns: out of memory", f);

    if (!rc && p.n_train && p.n_test) {
        rc = probe_rank(order, &p, false, e);
        if (!rc)
            rc = probe_fit(&r, NULL, &p, order, k < f ? k : f, e);
        if (!rc)
            put(b, s, r.acc);
    }
    probe_free(&p);
    free(order);
    return rc;
}

static enum err_code probes(struct bench *b, struct err *e)
{
    const struct {
        enum slice s;
        const float *v;
        size_t f;
        const unsigned char *y;
        size_t k;
    } row[] = {{K1, b->a, b->m.f, b->y, 1},         {K2, b->a, b->m.f, b->y, 2},
               {K5, b->a, b->m.f, b->y, K_MAX},     {RAW_K5, b->x, b->m.d, b->y, K_MAX},
               {DENSE, b->x, b->m.d, b->y, b->m.d}, {SHUFFLED, b->a, b->m.f, b->mixed, K_MAX}};

    for (size_t i = 0; i < ARRAY_LEN(row); i++)
        if (probe(b, row[i].s, row[i].v, row[i].f, row[i].y, row[i].k, e))
            return e->code;
    return ERR_OK;
}

static enum err_code absorption(struct bench *b, struct err *e)
{
    struct absorb_in in = {.x = b->x, .a = b->a, .dir = b->dir, .d = b->m.d, .f = b->m.f};
    struct absorb out;
    enum err_code rc = probe_init(&in.dense, b->x, b->m.d, b->y, b->n_train, b->n - b->n_train, e);

    if (!rc)
        rc = probe_init(&in.latent, b->a, b->m.f, b->y, b->n_train, b->n - b->n_train, e);
    if (!rc && in.dense.n_train && in.dense.n_test)
        rc = absorb_measure(&out, &in, e);
    else
        out = (struct absorb){0};
    if (!rc && out.dense_f1 > DENSE_F1_MIN) {
        put(b, ABSORPTION, out.fraction);
        put(b, FULL, out.full);
        put(b, SPLIT, out.n_split);
    }
    probe_free(&in.dense);
    probe_free(&in.latent);
    return rc;
}

/* Pairs of the test rows, one with the label and one without. */
static enum err_code contrast(struct bench *b, struct err *e)
{
    uint32_t *one = malloc(2 * b->n * sizeof *one), *two = one + b->n;
    size_t n[2] = {0};
    struct cebench sae, raw;
    enum err_code rc;

    if (!one)
        return err_set(e, ERR_NOMEM, "%zu rows: out of memory", b->n);
    for (size_t i = b->n_train; i < b->n; i++)
        (b->y[i] ? one : two)[n[b->y[i] ? 0 : 1]++] = (uint32_t)i;
    size_t pairs = n[0] < n[1] ? n[0] : n[1];
    pairs = pairs < (size_t)b->cfg->n_contrasts ? pairs : (size_t)b->cfg->n_contrasts;
    rc = pairs ? cebench_measure(&sae, b->a, b->m.f, one, two, pairs, e) : ERR_OK;
    if (!rc && pairs)
        rc = cebench_measure(&raw, b->x, b->m.d, one, two, pairs, e);
    if (!rc && pairs) {
        put(b, CONTRASTIVE, sae.contrastive);
        put(b, INDEPENDENT, sae.independent);
        put(b, INTERPRETABILITY, sae.interpretability);
        put(b, CONTRASTIVE_RAW, raw.contrastive);
        put(b, INTERPRETABILITY_RAW, raw.interpretability);
    }
    free(one);
    return rc;
}

static void report(struct job *j, const struct bench *b)
{
    for (size_t s = 0; s < SLICES; s++)
        if (b->count[s] > 0)
            job_metric(j, names[s], b->sum[s] / b->count[s]);
        else
            job_metric_absent(j, names[s], "no label allows it: too few rows of one class, or dense F1 of 0.6 or less");
    job_metric(j, "n_absorption", b->count[ABSORPTION]);
    if (b->count[K5] > 0 && b->count[RAW_K5] > 0)
        job_metric(j, "probe_gain", b->sum[K5] / b->count[K5] - b->sum[RAW_K5] / b->count[RAW_K5]);
    if (b->count[K5] > 0)
        job_summary(j, "Probes on %d features: accuracy %.3f (activations' own best %d: %.3f, all of them: %.3f, shuffled "
                       "labels: %.3f), mean over %zu labels.",
                    (int)K_MAX, b->sum[K5] / b->count[K5], (int)K_MAX, b->sum[RAW_K5] / b->count[RAW_K5],
                    b->sum[DENSE] / b->count[DENSE], b->sum[SHUFFLED] / b->count[SHUFFLED], label_count());
}

static enum err_code measure(struct bench *b, struct job *j, struct err *e)
{
    task_make(&b->splice.task, b->splice.seed, "acts.data", j->arena);
    choose_rows(b, j->arena);
    if (encode(b, j->arena, e))
        return e->code;
    for (size_t label = 0; label < label_count(); label++) {
        if (job_stop_wanted(j))
            return err_set(e, ERR_STOPPED, "stopped at label %zu of %zu", label, label_count());
        label_rows(b, label);
        if (probes(b, e) || contrast(b, e) || (label_at(label)->parent == LABEL_NONE && absorption(b, e)))
            return err_wrap(e, "%s", label_at(label)->name);
        job_progress(j, (int64_t)label + 1, (int64_t)label_count(), "labels");
    }
    report(j, b);
    return ERR_OK;
}

static enum err_code run(struct job *j, struct err *e)
{
    struct bench b;
    enum err_code rc = open_all(&b, j, e);

    if (!rc)
        rc = measure(&b, j, e);
    close_all(&b);
    return rc ? err_wrap(e, "sae_bench") : ERR_OK;
}

const struct job_impl job_impl_sae_bench = {"sae_bench", plan, run};
