/* expand.c - rows become jobs: ids, names, inputs.  See expand.h.
 *
 * Kept for each job: its digest, a slot of the hash index and, for each row, the job's number.
 */
#include <stdlib.h>
#include <string.h>

#include "coordinator/expand.h"
#include "common/oom.h"
#include "common/pathid.h"
#include "coordinator/spec_internal.h"

struct expansion {
    const struct spec *s;
    const struct expand_sink *sink;
    struct jobid *ids; /* by job */
    uint32_t *seen;    /* by job: the gather that last took it */
    uint32_t gather;   /* number of the current one */
    size_t n_jobs, cap_jobs;
    uint32_t *slots; /* job + 1, 0 = free; open addressing on the digest */
    size_t n_slots;
    uint32_t **job_of; /* [stage][row] */
    uint64_t n_rows;   /* of all stages */
    /* of the current row */
    struct buf text, knobs, context, name;
    const uint32_t *context_links; /* links the context was made for */
    struct expand_input *inputs;
    struct jobid *input_ids;
    size_t n_inputs, cap_inputs;
    struct job_knobs common; /* of the stage; axes are put in row by row */
    struct cfg_strings common_keep;
};

static void *grow(void *p, size_t n, size_t size)
{
    p = realloc(p, n * size);
    if (!p && n)
        oom_exit("expand"); /* bounded by the number of rows, which was checked */
    return p;
}

/* --- equal ids ----------------------------------------------------------------------------- */

static uint64_t hash_of(const struct jobid *id)
{
    uint64_t h;

    memcpy(&h, id->b, sizeof h); /* a digest is its own hash */
    return h;
}

static void rehash(struct expansion *x)
{
    x->n_slots = x->n_slots ? 2 * x->n_slots : 1024;
    free(x->slots);
    x->slots = calloc(x->n_slots, sizeof *x->slots);
    if (!x->slots)
        oom_exit("expand");
    for (size_t j = 0; j < x->n_jobs; j++) {
        size_t i = hash_of(&x->ids[j]) & (x->n_slots - 1);

        while (x->slots[i])
            i = (i + 1) & (x->n_slots - 1);
        x->slots[i] = (uint32_t)(j + 1);
    }
}

static uint32_t find_or_add(struct expansion *x, const struct jobid *id, bool *is_repeat)
{
    size_t i;

    if (2 * x->n_jobs >= x->n_slots)
        rehash(x);
    for (i = hash_of(id) & (x->n_slots - 1); x->slots[i]; i = (i + 1) & (x->n_slots - 1)) {
        *is_repeat = memcmp(&x->ids[x->slots[i] - 1], id, sizeof *id) == 0;
        if (*is_repeat)
            return x->slots[i] - 1;
    }
    if (x->n_jobs == x->cap_jobs) {
        x->cap_jobs = x->cap_jobs ? x->cap_jobs + x->cap_jobs / 2 : 1024;
        x->ids = grow(x->ids, x->cap_jobs, sizeof *x->ids);
        x->seen = grow(x->seen, x->cap_jobs, sizeof *x->seen);
    }
    *is_repeat = false;
    x->ids[x->n_jobs] = *id;
    x->seen[x->n_jobs] = 0;
    x->slots[i] = (uint32_t)(x->n_jobs + 1);
    return (uint32_t)x->n_jobs++;
}

/* --- inputs -------------------------------------------------------------------------------- */

static void add_input(struct expansion *x, const struct expand_input *in)
{
    if (x->n_inputs == x->cap_inputs) {
        x->cap_inputs = x->cap_inputs ? 2 * x->cap_inputs : 16;
        x->inputs = grow(x->inputs, x->cap_inputs, sizeof *x->inputs);
        x->input_ids = grow(x->input_ids, x->cap_inputs, sizeof *x->input_ids);
    }
    x->input_ids[x->n_inputs] = x->ids[in->job];
    x->inputs[x->n_inputs++] = *in;
}

/* True the first time a gather meets a job: equal jobs of a group count once. */
static bool is_first_time(struct expansion *x, int64_t job)
{
    bool is_first = x->seen[job] != x->gather;

    x->seen[job] = x->gather;
    return is_first;
}

static void read_source(struct expansion *x, const struct spec_stage *st, size_t source,
                        uint64_t row, size_t *from)
{
    const struct spec_source *src = &st->sources[source];
    const uint32_t *rows = NULL;
    size_t n = knobs_group(src, st->links[row * st->n_sources + source], &rows);
    bool goes_on = source && src->input && st->sources[source - 1].input == src->input;

    if (!goes_on) {
        *from = x->n_inputs;
        if (++x->gather == 0) { /* wrapped: old marks would look new */
            memset(x->seen, 0, x->n_jobs * sizeof *x->seen);
            x->gather = 1;
        }
    }
    for (size_t i = 0; i < n; i++) {
        struct expand_input in = {
            .name = src->input                  ? src->input->name
                    : src->role == SOURCE_VALUE ? st->knobs[src->knob].field->name
                                                : "require",
            .field = src->metric,
            .job = x->job_of[src->stage][rows[i]],
            .ord = (int)(x->n_inputs - *from),
            .must_pass = src->role == SOURCE_REQUIRE,
        };

        if (is_first_time(x, in.job))
            add_input(x, &in);
    }
}

/* A gate that compares a job with others is decided when those are done: wait for them too. */
static void wait_for_rivals(struct expansion *x, const struct spec_stage *st, size_t source)
{
    const struct spec_source *src = &st->sources[source];
    const struct spec_gate *g = src->role == SOURCE_REQUIRE ? &x->s->stages[src->stage].gate : NULL;
    int rivals = !g ? -1 : g->top > 0 ? src->stage : g->against ? spec_find_stage(x->s, g->against) : -1;

    if (rivals < 0 || !x->job_of[rivals])
        return;
    for (uint64_t r = 0; r < x->s->stages[rivals].n_rows; r++) {
        struct expand_input in = {.name = "require", .job = x->job_of[rivals][r], .must_pass = 2};

        if (is_first_time(x, in.job))
            add_input(x, &in);
    }
}

static void read_inputs(struct expansion *x, const struct spec_stage *st, uint64_t row)
{
    size_t from = 0;

    x->n_inputs = 0;
    for (size_t i = 0; i < st->n_sources; i++)
        if (st->sources[i].role != SOURCE_LIKE) {
            read_source(x, st, i, row, &from);
            wait_for_rivals(x, st, i);
        }
}

/* The id of the job that decides a knob. */
static const struct jobid *value_id(const struct expansion *x, const char *knob)
{
    for (size_t i = 0; i < x->n_inputs; i++)
        if (x->inputs[i].field && strcmp(x->inputs[i].name, knob) == 0)
            return &x->input_ids[i];
    return NULL;
}

/* --- identity ------------------------------------------------------------------------------ */

/* Non-default knobs of the id, sorted; texts made on the fly live in `texts`. */
static size_t id_knobs(const struct expansion *x, int stage, uint64_t row, struct jobid_knob *out,
                       char (*texts)[SPEC_TEXT_MAX])
{
    const struct spec_stage *st = &x->s->stages[stage];
    size_t n = 0;

    for (size_t i = 0; i < st->n_knobs; i++) {
        int knob = st->by_name[i];
        const struct spec_knob *k = &st->knobs[knob];

        if (!k->is_in_id)
            continue;
        if (k->from == KNOB_VALUE) {
            out[n++] = (struct jobid_knob){k->field->name, k->canon, value_id(x, k->field->name), 0};
            continue;
        }
        if (k->from == KNOB_DEFAULT && !k->is_like)
            continue;
        out[n].name = k->field->name;
        out[n].canon = knobs_text(x->s, stage, row, knob, texts[n]);
        out[n].from = NULL;
        out[n].len = k->field->type == CFG_PATH && out[n].canon ? pathid_len(out[n].canon) : 0;
        n += out[n].canon && strcmp(out[n].canon, k->deflt) != 0;
    }
    return n;
}

/* Inputs of one name next to each other, without values and gates. */
static size_t id_inputs(const struct expansion *x, struct jobid_input *out)
{
    size_t n = 0;

    for (size_t i = 0; i < x->n_inputs; i++) {
        if (x->inputs[i].field || x->inputs[i].must_pass)
            continue;
        if (n == 0 || out[n - 1].name != x->inputs[i].name)
            out[n++] = (struct jobid_input){x->inputs[i].name, &x->input_ids[i], 0};
        out[n - 1].n++;
    }
    return n;
}

/* --- texts --------------------------------------------------------------------------------- */

static void write_knobs(struct expansion *x, const struct job_kind *kind,
                        const struct jobid_knob *knobs, size_t n)
{
    bool is_first = true;

    buf_reset(&x->knobs);
    buf_char(&x->knobs, '{');
    for (size_t i = 0; i < n; i++) {
        const struct cfg_field *f = cfg_find(kind->fields, kind->n_fields, knobs[i].name);

        if (!f || knobs[i].from) /* threads; or decided later */
            continue;
        if (!is_first)
            buf_char(&x->knobs, ',');
        is_first = false;
        buf_json(&x->knobs, f->name);
        buf_char(&x->knobs, ':');
        cfg_json_value(f, knobs[i].canon, &x->knobs);
    }
    buf_char(&x->knobs, '}');
}

static void add_context(void *ctx, const struct cfg_field *f, const char *canon)
{
    struct buf *out = ctx;

    if (out->len > 1)
        buf_char(out, ',');
    buf_json(out, f->name);
    buf_char(out, ':');
    cfg_json_value(f, canon, out);
}

/* The context depends on the inputs alone, so rows that follow with the same ones share it. */
static void write_context(struct expansion *x, int stage, uint64_t row)
{
    const struct spec_stage *st = &x->s->stages[stage];
    const uint32_t *links = st->links + row * st->n_sources;

    if (x->context_links && memcmp(x->context_links, links, st->n_sources * sizeof *links) == 0)
        return;
    buf_reset(&x->context);
    buf_char(&x->context, '{');
    knobs_context(x->s, stage, row, add_context, &x->context);
    buf_char(&x->context, '}');
    x->context_links = links;
}

static void add_word(struct buf *out, const char *prefix, const char *word)
{
    if (!word || !*word)
        return;
    if (out->len)
        buf_char(out, '_');
    buf_str(out, prefix);
    for (; *word; word++) {
        bool is_safe = (*word >= 'a' && *word <= 'z') || (*word >= 'A' && *word <= 'Z') ||
                       (*word >= '0' && *word <= '9') || *word == '.' || *word == '-' ||
                       *word == '_';

        buf_char(out, is_safe ? *word : '-');
    }
}

/* <phase>_<task>_<arch>_dsae<d>_k<k>_seed<s>; parts that do not apply are left out. */
static void write_name(struct expansion *x, struct knobs_view *v)
{
    enum { NAME_MAX_LEN = 120 }; /* the date and a suffix are to come */
    const struct spec_stage *st = &x->s->stages[v->stage];
    bool has_arch = cfg_find(st->kind->fields, st->kind->n_fields, "arch") != NULL;
    const char *arch = knobs_view_get(v, "arch");

    buf_reset(&x->name);
    add_word(&x->name, "", x->s->phase);
    add_word(&x->name, "", knobs_view_get(v, "task"));
    add_word(&x->name, "", has_arch ? arch : st->kind->tag);
    add_word(&x->name, "dsae", knobs_view_get(v, "d_sae"));
    if (arch && strstr(arch, "topk"))
        add_word(&x->name, "k", knobs_view_get(v, "k"));
    if (cfg_find(st->kind->fields, st->kind->n_fields, "seed"))
        add_word(&x->name, "seed", knobs_view_get(v, "seed"));
    if (x->name.len > NAME_MAX_LEN) {
        x->name.len = NAME_MAX_LEN;
        x->name.data[NAME_MAX_LEN] = '\0';
    }
}

/* --- rows ---------------------------------------------------------------------------------- */

/* Timeout, retries and the like; only those on an axis differ between rows. */
static enum err_code set_common(struct expansion *x, int stage, uint64_t row, bool axes_only,
                                struct err *e)
{
    const struct spec_stage *st = &x->s->stages[stage];
    char text[SPEC_TEXT_MAX];
    enum err_code rc = ERR_OK;

    for (size_t i = 0; i < st->n_knobs && rc == ERR_OK; i++) {
        const struct spec_knob *k = &st->knobs[i];

        if (!k->is_common || (axes_only && k->from != KNOB_AXIS))
            continue;
        rc = cfg_set(k->field, &x->common, knobs_text(x->s, stage, row, (int)i, text),
                     &x->common_keep, e);
    }
    return rc;
}

static enum err_code expand_row(struct expansion *x, int stage, uint64_t row, struct err *e)
{
    enum { KNOBS_MAX = 128 };
    const struct spec_stage *st = &x->s->stages[stage];
    struct knobs_view view = {.s = x->s, .stage = stage, .row = row};
    struct expand_job job = {.kind = st->kind, .stage = stage};
    struct jobid_knob knobs[KNOBS_MAX];
    struct jobid_input inputs[SPEC_SOURCES_MAX];
    char texts[KNOBS_MAX][SPEC_TEXT_MAX];
    enum err_code rc;
    size_t n_knobs, n_inputs;

    rc = set_common(x, stage, row, true, e);
    if (rc)
        return rc;
    read_inputs(x, st, row);
    n_knobs = id_knobs(x, stage, row, knobs, texts);
    n_inputs = id_inputs(x, inputs);
    buf_reset(&x->text);
    jobid_text(&x->text, st->kind, knobs, n_knobs, inputs, n_inputs);
    job.id = jobid_of_text(&x->text);
    job.index = find_or_add(x, &job.id, &job.is_repeat);
    x->job_of[stage][row] = (uint32_t)job.index;
    write_knobs(x, st->kind, knobs, n_knobs);
    write_context(x, stage, row);
    write_name(x, &view);
    job.knobs = x->knobs.data;
    job.context = x->context.data;
    job.run_name = x->name.data;
    job.common = x->common;
    job.inputs = x->inputs;
    job.n_inputs = x->n_inputs;
    job.cost_s = st->kind->cost ? st->kind->cost(knobs_view_get, &view) : 0;
    rc = x->sink->job(x->sink->ctx, &job, e);
    knobs_view_end(&view);
    return rc;
}

static enum err_code expand_stage(struct expansion *x, int stage, struct err *e)
{
    const struct spec_stage *st = &x->s->stages[stage];
    enum err_code rc;

    x->job_of[stage] = grow(NULL, (size_t)st->n_rows, sizeof **x->job_of);
    x->context_links = NULL;
    rc = set_common(x, stage, 0, false, e);
    for (uint64_t r = 0; r < st->n_rows && rc == ERR_OK; r++)
        rc = expand_row(x, stage, r, e);
    return rc;
}

enum err_code expand(const struct spec *s, const struct expand_sink *sink, struct err *e)
{
    struct expansion x = {.s = s, .sink = sink};
    enum err_code rc = ERR_OK;

    x.job_of = calloc(s->n_stages, sizeof *x.job_of);
    if (!x.job_of)
        return err_set(e, ERR_NOMEM, "%s: out of memory", s->path);
    for (size_t i = 0; i < s->n_stages && rc == ERR_OK; i++)
        rc = expand_stage(&x, (int)i, e);
    for (size_t i = 0; i < s->n_stages; i++)
        free(x.job_of[i]);
    free(x.job_of);
    cfg_free(&x.common_keep);
    free(x.ids);
    free(x.seen);
    free(x.slots);
    free(x.inputs);
    free(x.input_ids);
    buf_free(&x.text);
    buf_free(&x.knobs);
    buf_free(&x.context);
    buf_free(&x.name);
    return rc;
}
