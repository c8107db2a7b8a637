/* cmd_schema.c - `saegrid schema`: JSON Schema (draft 2020-12) of sweep files, from the kinds' rows.
 *
 * Editors use it to complete and check keys.  It is as strict as a schema can be about keys; rules
 * between stages (references, joins) stay with the reader.
 */
#include <string.h>

#include "common/json.h"
#include "common/kinds/kind.h"
#include "coordinator/cmd.h"
#include "coordinator/cmd_common.h"

static void pair(struct jsonw *w, const char *key, const char *value)
{
    jw_key(w, key);
    jw_str(w, value);
}

static void ref(struct jsonw *w, const char *name)
{
    struct buf b = {0};

    buf_fmt(&b, "#/$defs/%s", name);
    jw_open(w, '{');
    pair(w, "$ref", b.data);
    jw_close(w, '}');
    buf_free(&b);
}

static void property(struct jsonw *w, const char *key, const char *def)
{
    jw_key(w, key);
    ref(w, def);
}

static void bounds(struct jsonw *w, const struct cfg_field *f)
{
    if (f->min == 0 && f->max == 0)
        return;
    jw_key(w, "minimum");
    jw_f64(w, f->min);
    if (f->max >= 0x1p62) /* beyond what JSON numbers hold */
        return;
    jw_key(w, "maximum");
    jw_f64(w, f->max);
}

static void choices(struct jsonw *w, const char *words)
{
    struct buf word = {0};

    jw_key(w, "enum");
    jw_open(w, '[');
    while (*words) {
        size_t n = strcspn(words, "|");

        buf_reset(&word);
        buf_add(&word, words, n);
        jw_str(w, word.data);
        words += n + (words[n] == '|');
    }
    jw_close(w, ']');
    buf_free(&word);
}

/* One value of a knob. */
static void value_of(struct jsonw *w, const struct cfg_field *f)
{
    jw_open(w, '{');
    switch (f->type) {
    case CFG_I64:
        pair(w, "type", "integer");
        bounds(w, f);
        break;
    case CFG_F64:
        pair(w, "type", "number");
        bounds(w, f);
        break;
    case CFG_BOOL:
        pair(w, "type", "boolean");
        break;
    case CFG_ENUM:
        choices(w, f->unit);
        break;
    case CFG_PATH:
        pair(w, "type", "string");
        break;
    case CFG_STR:
        jw_key(w, "type");
        jw_raw(w, "[\"string\", \"number\", \"boolean\", \"object\"]");
        break;
    case CFG_DUR:
    case CFG_MEM:
        jw_key(w, "type");
        jw_raw(w, "[\"number\", \"string\"]");
        break;
    }
    jw_close(w, '}');
}

/* A knob of a stage: a value, ${param}, or $stage.metric. */
static void knob(struct jsonw *w, const struct cfg_field *f)
{
    jw_key(w, f->name);
    jw_open(w, '{');
    pair(w, "description", f->help);
    jw_key(w, "anyOf");
    jw_open(w, '[');
    value_of(w, f);
    ref(w, "reference");
    jw_close(w, ']');
    jw_close(w, '}');
}

/* The knob on an axis: a list of values or a range. */
static void axis(struct jsonw *w, const struct cfg_field *f)
{
    jw_key(w, f->name);
    jw_open(w, '{');
    jw_key(w, "anyOf");
    jw_open(w, '[');
    jw_open(w, '{');
    pair(w, "type", "array");
    jw_key(w, "minItems");
    jw_i64(w, 1);
    jw_key(w, "items");
    jw_open(w, '{');
    jw_key(w, "anyOf");
    jw_open(w, '[');
    value_of(w, f);
    ref(w, "param");
    jw_close(w, ']');
    jw_close(w, '}');
    jw_close(w, '}');
    ref(w, "range");
    ref(w, "param");
    value_of(w, f);
    jw_close(w, ']');
    jw_close(w, '}');
}

static void each_field(struct jsonw *w, const struct job_kind *k,
                       void (*one)(struct jsonw *w, const struct cfg_field *f))
{
    for (size_t i = 0; i < k->n_fields; i++)
        one(w, &k->fields[i]);
    for (size_t i = 0; i < job_fields_n; i++)
        one(w, &job_fields[i]);
}

static void axes_def(struct jsonw *w, const struct job_kind *k)
{
    jw_open(w, '{');
    pair(w, "type", "object");
    jw_key(w, "additionalProperties");
    jw_bool(w, false);
    jw_key(w, "properties");
    jw_open(w, '{');
    each_field(w, k, axis);
    jw_close(w, '}');
    jw_close(w, '}');
}

static void required(struct jsonw *w, const struct job_kind *k)
{
    jw_key(w, "required");
    jw_open(w, '[');
    jw_str(w, "kind");
    for (size_t i = 0; i < k->n_inputs; i++)
        if (k->inputs[i].form == INPUT_ONE || k->inputs[i].form == INPUT_MANY)
            jw_str(w, k->inputs[i].name);
    jw_close(w, ']');
}

static void stage_properties(struct jsonw *w, const struct job_kind *k)
{
    static const char *const filters[] = {"when", "exclude"};

    jw_key(w, "kind");
    jw_open(w, '{');
    pair(w, "const", k->name);
    pair(w, "description", k->help);
    jw_close(w, '}');
    each_field(w, k, knob);
    for (size_t i = 0; i < k->n_inputs; i++) {
        const struct kind_input *in = &k->inputs[i];
        bool is_many = in->form == INPUT_MANY || in->form == INPUT_MANY_OPT;

        property(w, in->name, is_many ? "references" : "reference");
    }
    jw_key(w, "grid");
    axes_def(w, k);
    jw_key(w, "zip");
    jw_raw(w, "{\"type\": [\"object\", \"array\"]}");
    jw_key(w, "sample");
    jw_raw(w, "{\"type\": \"object\", \"required\": [\"n\"]}");
    for (size_t i = 0; i < 2; i++)
        property(w, filters[i], "filter");
    property(w, "over", "names");
    property(w, "require", "references");
    property(w, "gate", "gate");
}

static void stage_def(struct jsonw *w, const struct job_kind *k)
{
    jw_key(w, k->name);
    jw_open(w, '{');
    pair(w, "type", "object");
    jw_key(w, "additionalProperties");
    jw_bool(w, false);
    required(w, k);
    jw_key(w, "properties");
    jw_open(w, '{');
    stage_properties(w, k);
    jw_close(w, '}');
    jw_close(w, '}');
}

static void raw(struct jsonw *w, const char *key, const char *json)
{
    jw_key(w, key);
    jw_raw(w, json);
}

static void defs(struct jsonw *w)
{
    jw_key(w, "$defs");
    jw_open(w, '{');
    raw(w, "reference", "{\"type\": \"string\", \"pattern\": \"^\\\\$\"}");
    raw(w, "references",
        "{\"anyOf\": [{\"$ref\": \"#/$defs/reference\"}, {\"type\": \"array\", "
        "\"items\": {\"$ref\": \"#/$defs/reference\"}}]}");
    raw(w, "param",
        "{\"type\": \"string\", \"pattern\": \"\\\\$\\\\{[A-Za-z_][A-Za-z0-9_]*\\\\}\"}");
    raw(w, "range",
        "{\"type\": \"object\", \"minProperties\": 1, \"maxProperties\": 1, "
        "\"additionalProperties\": false, \"properties\": {"
        "\"range\": {\"type\": \"array\", \"minItems\": 2, \"maxItems\": 3}, "
        "\"geom\": {\"type\": \"array\", \"minItems\": 3, \"maxItems\": 3}}}");
    raw(w, "filter", "{\"type\": [\"object\", \"array\"]}");
    raw(w, "names",
        "{\"anyOf\": [{\"type\": \"string\"}, {\"type\": \"array\", "
        "\"items\": {\"type\": \"string\"}}]}");
    raw(w, "gate",
        "{\"type\": \"object\", \"required\": [\"metric\"], \"additionalProperties\": false, "
        "\"properties\": {\"metric\": {\"type\": \"string\"}, \"against\": {\"type\": \"string\"}, "
        "\"min\": {\"type\": \"number\"}, \"max\": {\"type\": \"number\"}, "
        "\"top\": {\"type\": \"number\", \"exclusiveMinimum\": 0}, "
        "\"on_miss\": {\"enum\": [\"negative\", \"fail\"]}}}");
    raw(w, "check",
        "{\"type\": \"object\", \"additionalProperties\": false, \"properties\": {"
        "\"claim\": {\"type\": \"string\"}, \"of\": {\"$ref\": \"#/$defs/reference\"}, "
        "\"metric\": {\"type\": \"string\"}, \"minus\": {\"type\": \"string\"}, "
        "\"matched\": {\"type\": \"string\"}, \"min\": {\"type\": \"number\"}, "
        "\"max\": {\"type\": \"number\"}, \"falls_with\": {\"type\": \"string\"}, "
        "\"rises_with\": {\"type\": \"string\"}, \"spread_min\": {\"type\": \"number\"}, "
        "\"spread_max\": {\"type\": \"number\"}, \"hypothesis\": {\"enum\": "
        "[\"H1\", \"H2\", \"H3\", \"H4\", \"H5\"]}}}");
    raw(w, "export",
        "{\"type\": \"object\", \"required\": [\"format\", \"stage\", \"path\"], "
        "\"additionalProperties\": false, \"properties\": {\"format\": {\"type\": \"string\"}, "
        "\"stage\": {\"type\": \"string\"}, \"path\": {\"type\": \"string\"}}}");
    for (size_t i = 0; i < kind_count(); i++)
        stage_def(w, kind_at(i));
    jw_close(w, '}');
}

/* The kind of a stage decides which keys it may have. */
static void stages(struct jsonw *w)
{
    jw_open(w, '{');
    pair(w, "type", "object");
    jw_key(w, "minProperties");
    jw_i64(w, 1);
    raw(w, "propertyNames", "{\"pattern\": \"^[A-Za-z_][A-Za-z0-9_]*$\"}");
    jw_key(w, "additionalProperties");
    jw_open(w, '{');
    jw_key(w, "required");
    jw_raw(w, "[\"kind\"]");
    jw_key(w, "oneOf");
    jw_open(w, '[');
    for (size_t i = 0; i < kind_count(); i++)
        ref(w, kind_at(i)->name);
    jw_close(w, ']');
    jw_close(w, '}');
    jw_close(w, '}');
}

static void top(struct jsonw *w)
{
    const char *name =
        "{\"type\": \"string\", \"pattern\": \"^[A-Za-z0-9_][A-Za-z0-9._-]{0,199}$\"}";
    const char *text = "{\"type\": [\"string\", \"number\"]}";

    raw(w, "sweep", name);
    raw(w, "phase", name);
    raw(w, "title", text);
    raw(w, "hypothesis", text);
    raw(w, "expected", text);
    raw(w, "defaults", "{\"type\": \"object\"}");
    raw(w, "params", "{\"type\": \"object\"}");
    raw(w, "profiles", "{\"type\": \"object\", \"additionalProperties\": {\"type\": \"object\"}}");
    raw(w, "include", "{\"type\": [\"string\", \"object\", \"array\"], \"items\": {\"type\": [\"string\", \"object\"],"
           " \"properties\": {\"file\": {\"type\": \"string\"}, \"as\": {\"type\": \"string\"}},"
           " \"required\": [\"file\", \"as\"], \"additionalProperties\": false}}");
    raw(w, "controls", "{\"type\": \"string\"}");
    raw(w, "recorded", "{\"type\": [\"string\", \"array\"]}");
    raw(w, "checks", "{\"type\": \"array\", \"items\": {\"$ref\": \"#/$defs/check\"}}");
    raw(w, "exports", "{\"type\": \"array\", \"items\": {\"$ref\": \"#/$defs/export\"}}");
    jw_key(w, "stages");
    stages(w);
}

static void schema(struct buf *out)
{
    struct jsonw w;

    jw_init(&w, out, true);
    jw_open(&w, '{');
    pair(&w, "$schema", "https://json-schema.org/draft/2020-12/schema");
    pair(&w, "title", "saegrid sweep");
    pair(&w, "type", "object");
    raw(&w, "required", "[\"sweep\"]");
    raw(&w, "anyOf", "[{\"required\": [\"stages\"]}, {\"required\": [\"include\"]}]");
    jw_key(&w, "additionalProperties");
    jw_bool(&w, false);
    jw_key(&w, "properties");
    jw_open(&w, '{');
    top(&w);
    jw_close(&w, '}');
    defs(&w);
    jw_close(&w, '}');
    buf_char(out, '\n');
}

int cmd_schema(int argc, char **argv)
{
    const struct opts_cmd cmd = {"schema",
                                 "",
                                 "Print a JSON Schema of sweep files, for editors.\n\n"
                                 "With the YAML language server, begin a sweep with\n"
                                 "# yaml-language-server: $schema=saegrid.schema.json",
                                 NULL,
                                 0,
                                 0,
                                 0};
    struct opts_args args;
    struct buf out = {0};
    int rc;

    if (!cmd_start(&cmd, argc, argv, &args, &rc))
        return rc;
    opts_free(&args);
    schema(&out);
    return cmd_put(&out);
}
