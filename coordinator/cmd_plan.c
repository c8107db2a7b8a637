/* cmd_plan.c - `saegrid plan`: what a sweep would run, and what it would cost.  Writes nothing. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/oom.h"
#include "coordinator/cmd.h"
#include "coordinator/cmd_common.h"
#include "coordinator/cmd_spec.h"
#include "coordinator/expand.h"

struct stage_plan {
    int64_t rows, repeats;
    double cost_s;           /* core seconds of its new jobs */
    int64_t threads, memory; /* most of one job */
    unsigned char *needs;    /* by stage */
};

struct plan {
    const struct spec *s;
    struct stage_plan *stages;
    int *stage_of;    /* by job */
    double *finish_s; /* by job: end of its critical path */
    size_t n_jobs, cap;
    double critical_s;
    int64_t n_inputs;
    struct jsonw *list; /* --jobs --json */
    struct buf *lines;  /* --jobs */
};

static void add_job(struct plan *p, const struct expand_job *j)
{
    struct stage_plan *st = &p->stages[j->stage];
    double start = 0;

    if (p->n_jobs == p->cap) {
        p->cap = p->cap ? 2 * p->cap : 1024;
        p->stage_of = realloc(p->stage_of, p->cap * sizeof *p->stage_of);
        p->finish_s = realloc(p->finish_s, p->cap * sizeof *p->finish_s);
        if (!p->stage_of || !p->finish_s)
            oom_exit("cmd_plan"); /* 12 bytes a job */
    }
    for (size_t i = 0; i < j->n_inputs; i++)
        if (p->finish_s[j->inputs[i].job] > start)
            start = p->finish_s[j->inputs[i].job];
    p->stage_of[p->n_jobs] = j->stage;
    p->finish_s[p->n_jobs] = start + j->cost_s / (double)j->common.threads;
    if (p->finish_s[p->n_jobs] > p->critical_s)
        p->critical_s = p->finish_s[p->n_jobs];
    p->n_jobs++;
    p->n_inputs += (int64_t)j->n_inputs;
    st->cost_s += j->cost_s;
}

static void list_json(struct jsonw *w, const struct plan *p, const struct expand_job *j)
{
    char hex[65];

    jw_open(w, '{');
    jw_key(w, "id");
    jw_str(w, jobid_hex(hex, &j->id));
    jw_key(w, "stage");
    jw_str(w, spec_stage_name(p->s, (size_t)j->stage));
    jw_key(w, "kind");
    jw_str(w, j->kind->name);
    jw_key(w, "name");
    jw_str(w, j->run_name);
    jw_key(w, "repeat");
    jw_bool(w, j->is_repeat);
    jw_key(w, "knobs");
    jw_raw(w, j->knobs);
    jw_key(w, "context");
    jw_raw(w, j->context);
    jw_key(w, "inputs");
    jw_open(w, '[');
    for (size_t i = 0; i < j->n_inputs; i++) {
        jw_open(w, '{');
        jw_key(w, "name");
        jw_str(w, j->inputs[i].name);
        jw_key(w, "job");
        jw_i64(w, j->inputs[i].job);
        if (j->inputs[i].field) {
            jw_key(w, "field");
            jw_str(w, j->inputs[i].field);
        }
        jw_close(w, '}');
    }
    jw_close(w, ']');
    jw_close(w, '}');
}

static void list_line(struct buf *out, const struct plan *p, const struct expand_job *j)
{
    char hex[65];

    buf_fmt(out, "%.12s  %-16s %s%s  %s\n", jobid_hex(hex, &j->id),
            spec_stage_name(p->s, (size_t)j->stage), j->run_name, j->is_repeat ? " (again)" : "",
            j->knobs);
}

static enum err_code on_job(void *ctx, const struct expand_job *j, struct err *e)
{
    struct plan *p = ctx;
    struct stage_plan *st = &p->stages[j->stage];

    (void)e;
    st->rows++;
    st->repeats += j->is_repeat;
    if (j->common.threads > st->threads)
        st->threads = j->common.threads;
    if (j->common.memory > st->memory)
        st->memory = j->common.memory;
    if (!j->is_repeat)
        add_job(p, j);
    for (size_t i = 0; i < j->n_inputs; i++)
        st->needs[p->stage_of[j->inputs[i].job]] = 1;
    if (p->list)
        list_json(p->list, p, j);
    if (p->lines)
        list_line(p->lines, p, j);
    return ERR_OK;
}

static void add_time(struct buf *out, double s)
{
    if (s < 1)
        buf_str(out, "under 1 s");
    else if (s < 120)
        buf_fmt(out, "%.0f s", s);
    else if (s < 7200)
        buf_fmt(out, "%.0f min", s / 60);
    else
        buf_fmt(out, "%.1f h", s / 3600);
}

static double total_cost(const struct plan *p)
{
    double sum = 0;

    for (size_t i = 0; i < p->s->n_stages; i++)
        sum += p->stages[i].cost_s;
    return sum;
}

static int64_t total_rows(const struct plan *p)
{
    int64_t sum = 0;

    for (size_t i = 0; i < p->s->n_stages; i++)
        sum += p->stages[i].rows;
    return sum;
}

static void add_needs(struct buf *out, const struct plan *p, size_t stage)
{
    bool is_first = true;

    for (size_t i = 0; i < p->s->n_stages; i++) {
        if (!p->stages[stage].needs[i])
            continue;
        buf_fmt(out, "%s%s", is_first ? " <- " : ", ", spec_stage_name(p->s, i));
        is_first = false;
    }
}

static void write_text(const struct plan *p, struct buf *out)
{
    buf_fmt(out, "%s%s%s\n\n", p->s->name, *p->s->title ? ": " : "", p->s->title);
    buf_fmt(out, "%-16s %-13s %10s %9s %7s  %-10s %s\n", "stage", "kind", "jobs", "repeats",
            "threads", "estimate", "needs");
    for (size_t i = 0; i < p->s->n_stages; i++) {
        const struct stage_plan *st = &p->stages[i];
        struct buf time = {0};

        add_time(&time, st->cost_s);
        buf_fmt(out, "%-16s %-13s %10" PRId64 " %9" PRId64 " %7" PRId64 "  %-10s",
                spec_stage_name(p->s, i), spec_stage_kind(p->s, i)->name, st->rows, st->repeats,
                st->threads, time.data);
        add_needs(out, p, i);
        if (st->memory)
            buf_fmt(out, "  (memory up to %" PRId64 " MiB a job)", st->memory >> 20);
        buf_char(out, '\n');
        buf_free(&time);
    }
    buf_fmt(out,
            "\n%zu jobs (%" PRId64 " listed, %" PRId64 " of them repeats), %" PRId64
            " dependencies\n",
            p->n_jobs, total_rows(p), total_rows(p) - (int64_t)p->n_jobs, p->n_inputs);
    buf_str(out, "estimate: ");
    add_time(out, total_cost(p));
    buf_fmt(out, " of one core (%.3g core-hours); at best ", total_cost(p) / 3600);
    add_time(out, p->critical_s);
    buf_str(out, ", the longest chain of jobs\n");
}

static void json_stage(struct jsonw *w, const struct plan *p, size_t i)
{
    const struct stage_plan *st = &p->stages[i];

    jw_open(w, '{');
    jw_key(w, "stage");
    jw_str(w, spec_stage_name(p->s, i));
    jw_key(w, "kind");
    jw_str(w, spec_stage_kind(p->s, i)->name);
    jw_key(w, "jobs");
    jw_i64(w, st->rows);
    jw_key(w, "repeats");
    jw_i64(w, st->repeats);
    jw_key(w, "threads");
    jw_i64(w, st->threads);
    jw_key(w, "memory");
    jw_i64(w, st->memory);
    jw_key(w, "cost_s");
    jw_f64(w, st->cost_s);
    jw_key(w, "needs");
    jw_open(w, '[');
    for (size_t j = 0; j < p->s->n_stages; j++)
        if (st->needs[j])
            jw_str(w, spec_stage_name(p->s, j));
    jw_close(w, ']');
    jw_close(w, '}');
}

static void write_json(const struct plan *p, struct jsonw *w)
{
    jw_key(w, "sweep");
    jw_str(w, p->s->name);
    jw_key(w, "title");
    jw_str(w, p->s->title);
    jw_key(w, "jobs");
    jw_i64(w, (int64_t)p->n_jobs);
    jw_key(w, "rows");
    jw_i64(w, total_rows(p));
    jw_key(w, "dependencies");
    jw_i64(w, p->n_inputs);
    jw_key(w, "core_hours");
    jw_f64(w, total_cost(p) / 3600);
    jw_key(w, "critical_path_s");
    jw_f64(w, p->critical_s);
    jw_key(w, "stages");
    jw_open(w, '[');
    for (size_t i = 0; i < p->s->n_stages; i++)
        json_stage(w, p, i);
    jw_close(w, ']');
}

static enum err_code make_plan(struct plan *p, bool json, bool jobs, struct buf *out, struct err *e)
{
    struct expand_sink sink = {on_job, p};
    struct jsonw w;
    enum err_code rc;

    if (json) {
        jw_init(&w, out, !jobs);
        jw_open(&w, '{');
        if (jobs) {
            jw_key(&w, "list");
            jw_open(&w, '[');
            p->list = &w;
        }
    } else if (jobs) {
        p->lines = out;
    }
    rc = expand(p->s, &sink, e);
    if (p->list)
        jw_close(&w, ']');
    if (json) {
        write_json(p, &w);
        jw_close(&w, '}');
        buf_char(out, '\n');
    } else {
        if (jobs)
            buf_char(out, '\n');
        write_text(p, out);
    }
    return rc;
}

static int plan_spec(struct spec *s, bool json, bool jobs)
{
    struct plan p = {.s = s, .stages = calloc(s->n_stages, sizeof *p.stages)};
    unsigned char *needs = calloc(s->n_stages, s->n_stages);
    struct buf out = {0};
    struct err e = {0};
    enum err_code rc = ERR_OK;

    if (!p.stages || !needs)
        rc = err_set(&e, ERR_NOMEM, "%s: out of memory", s->path);
    for (size_t i = 0; rc == ERR_OK && i < s->n_stages; i++)
        p.stages[i].needs = needs + i * s->n_stages;
    if (rc == ERR_OK)
        rc = make_plan(&p, json, jobs, &out, &e);
    free(p.stages);
    free(needs);
    free(p.stage_of);
    free(p.finish_s);
    if (rc == ERR_OK)
        return cmd_put(&out);
    buf_free(&out);
    return cmd_fail("plan", &e);
}

int cmd_plan(int argc, char **argv)
{
    struct opts_list sets = {0};
    const char *profile = NULL, *results = NULL;
    bool json = false, jobs = false;
    const struct opt rows[] = {
        OPT_LIST("set", 0, &sets, "STAGE.KNOB=VALUE",
                 "override a knob or a param; may be repeated"),
        OPT_STR("profile", 0, &profile, "NAME", "apply a profile of the sweep"),
        OPT_FLAG("jobs", 0, &jobs, "list every job with its id and knobs"),
        OPT_RESULTS(&results),
        OPT_JSON(&json),
    };
    const struct opts_cmd cmd = {
        "plan",
        "SPEC",
        "Print the jobs of a sweep, their dependencies and an estimate.\n\n"
        "Nothing is written and nothing runs. The estimate takes a core for 50 GFLOP/s.",
        rows,
        ARRAY_LEN(rows),
        1,
        1};
    struct opts_args args;
    struct spec *s;
    int rc;

    if (!cmd_start(&cmd, argc, argv, &args, &rc)) {
        opts_list_free(&sets);
        return rc;
    }
    s = cmd_load_spec("plan", args.v[0], &sets, profile, &rc);
    if (s)
        rc = plan_spec(s, json, jobs);
    spec_free(s);
    opts_free(&args);
    opts_list_free(&sets);
    return rc;
}
