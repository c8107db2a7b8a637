/* out_page.c - the files that people read: config.yaml and summary.md. */
#include <string.h>

#include "worker/runner/outputs.h"

/* A field as `name: value`; a text is quoted as in JSON, which YAML reads alike. */
static void put_fields(struct buf *b, const struct cfg_field *fields, size_t n, const void *base)
{
    struct buf text = {0};

    for (size_t i = 0; i < n; i++) {
        buf_reset(&text);
        buf_str(&text, "");
        cfg_text(&fields[i], base, &text);
        buf_fmt(b, "  %s: ", fields[i].name);
        if (cfg_is_text(fields[i].type))
            buf_json(b, text.data);
        else
            buf_str(b, text.data);
        buf_char(b, '\n');
    }
    buf_free(&text);
}

static void put_context(struct buf *b, const struct job *j)
{
    struct buf text = {0};
    bool is_text;

    if (!j->context || !json_len(j->context))
        return;
    buf_str(b, "ancestors:  # knobs of the jobs that the inputs come from\n");
    for (const struct json *v = json_first(j->context); v; v = json_next(v)) {
        const char *name = json_key(v);

        if (cfg_find(j->kind->fields, j->kind->n_fields, name))
            continue;
        buf_reset(&text);
        if (!job_knob_text(j, name, &text, &is_text))
            continue;
        buf_fmt(b, "  %s: ", name);
        if (is_text)
            buf_json(b, text.data);
        else
            buf_str(b, text.data);
        buf_char(b, '\n');
    }
    buf_free(&text);
}

static void put_named(struct buf *b, const char *key, const char *value)
{
    if (!value)
        return;
    buf_fmt(b, "%s: ", key);
    buf_json(b, value);
    buf_char(b, '\n');
}

enum err_code out_config(struct job *j, struct err *e)
{
    struct buf b = {0};

    put_named(&b, "run_id", j->run_id);
    put_named(&b, "job", j->id);
    put_named(&b, "kind", j->kind->name);
    buf_fmt(&b, "kind_version: %d\n", j->kind->version);
    put_named(&b, "sweep", j->sweep);
    put_named(&b, "stage", j->stage);
    buf_fmt(&b, "knobs:%s\n", j->kind->n_fields ? "" : " {}");
    put_fields(&b, j->kind->fields, j->kind->n_fields, j->cfg);
    buf_str(&b, "common:\n");
    put_fields(&b, job_fields, job_fields_n, &j->common);
    buf_fmt(&b, "inputs:%s\n", j->n_inputs ? "" : " []");
    for (size_t i = 0; i < j->n_inputs; i++) {
        buf_fmt(&b, "  - {name: %s, job: \"%s\", path: ", j->inputs[i].name, j->inputs[i].job);
        buf_json(&b, j->inputs[i].dir ? j->inputs[i].dir : "");
        buf_str(&b, "}\n");
    }
    put_context(&b, j);
    return out_file(j, "config.yaml", &b, e);
}

static const char *provenance_text(const struct job *j, const char *key)
{
    for (size_t i = 0; i < j->priv->n_provenance; i++)
        if (strcmp(j->priv->provenance[i].name, key) == 0)
            return j->priv->provenance[i].text;
    return "unknown";
}

/* A cell of a table: '|' would end it. */
static void put_cell(struct buf *b, const char *text)
{
    buf_char(b, ' ');
    for (; *text; text++) {
        if (*text == '|')
            buf_char(b, '\\');
        buf_char(b, *text == '\n' ? ' ' : *text);
    }
    buf_str(b, " |");
}

static void put_metrics(struct buf *b, const struct job *j)
{
    struct buf value = {0};

    buf_str(b, "## Metrics\n\n| metric | value | unit | definition |\n|---|---|---|---|\n");
    for (size_t i = 0; i < j->priv->n_values; i++) {
        const struct job_value *v = &j->priv->values[i];

        buf_reset(&value);
        if (v->absent)
            buf_fmt(&value, "none: %s", v->absent);
        else
            buf_fmt(&value, "%.6g", v->value);
        buf_char(b, '|');
        put_cell(b, v->row->long_name);
        put_cell(b, value.data);
        put_cell(b, v->row->unit);
        put_cell(b, v->row->help);
        buf_char(b, '\n');
    }
    buf_char(b, '\n');
    buf_free(&value);
}

static bool is_default(const struct cfg_field *f, const char *text)
{
    struct buf canon = {0};
    struct err e;
    bool is_same = !cfg_canon(f, f->deflt, &canon, &e) && strcmp(canon.data ? canon.data : "", text) == 0;

    buf_free(&canon);
    return is_same;
}

/* What was chosen: the others say no more than the kind's page does. */
static void put_knobs(struct buf *b, const struct job *j)
{
    struct buf text = {0};
    size_t n_default = 0, n = j->kind->n_fields;

    for (size_t i = 0, n_shown = 0; i < n; i++) {
        const struct cfg_field *f = &j->kind->fields[i];

        buf_reset(&text);
        buf_str(&text, "");
        cfg_text(f, j->cfg, &text);
        if (is_default(f, text.data ? text.data : "")) {
            n_default++;
            continue;
        }
        if (n_shown++ == 0)
            buf_str(b, "## Knobs that are not at their default\n\n| knob | value | meaning |\n|---|---|---|\n");
        buf_char(b, '|');
        put_cell(b, f->name);
        put_cell(b, text.data);
        put_cell(b, f->help);
        buf_char(b, '\n');
    }
    buf_fmt(b, n_default == n ? "All %zu knobs are at their default (`saegrid kinds %s`).\n\n"
                              : "\n%zu more are at their default (`saegrid kinds %s`); `config.yaml` has all.\n\n", n_default, j->kind->name);
    buf_free(&text);
}

static void put_origin(struct buf *b, const struct job *j)
{
    buf_fmt(b, "## Where it comes from\n\nCommit `%s`%s, built by %s (%s), on %s (%s, %s thread%s), "
               "from %s to %s.\n",
            provenance_text(j, "commit"),
            strcmp(provenance_text(j, "dirty"), "true") == 0 ? " with uncommitted changes" : "",
            provenance_text(j, "compiler"), provenance_text(j, "build_type"),
            provenance_text(j, "host"), provenance_text(j, "cpu"), provenance_text(j, "threads"),
            j->common.threads == 1 ? "" : "s", provenance_text(j, "started"),
            provenance_text(j, "ended"));
    for (size_t i = 0; i < j->n_inputs; i++)
        buf_fmt(b, "%s- %s: job `%.12s`, `%s`\n", i ? "" : "\nInputs:\n\n", j->inputs[i].name,
                j->inputs[i].job, j->inputs[i].dir ? j->inputs[i].dir : "knobs only");
    buf_fmt(b, "\nTo run it again: copy `job.json` into a new folder `NAME.tmp` and run\n"
               "`saegrid-runner run NAME.tmp`. The manifest beside this folder knows the rest:\n"
               "`saegrid explain %.12s`.\n",
            j->id);
}

enum err_code out_summary(struct job *j, struct err *e)
{
    struct buf b = {0};

    buf_fmt(&b, "# %s\n\n%s: %s%s%s%s\n\n", j->run_id, j->kind->name, j->kind->help,
            j->sweep ? ", in sweep " : "", j->sweep ? j->sweep : "", j->sweep ? "." : "");
    if (j->priv->verdict)
        buf_fmt(&b, "**Verdict: %s**%s%s\n\n", j->priv->verdict, j->priv->message ? ": " : "",
                j->priv->message ? j->priv->message : "");
    if (j->priv->summary.len)
        buf_fmt(&b, "%s\n", j->priv->summary.data);
    put_metrics(&b, j);
    put_knobs(&b, j);
    put_origin(&b, j);
    return out_file(j, "summary.md", &b, e);
}
