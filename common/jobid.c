/* jobid.c - see jobid.h. */
#include "common/jobid.h"

#include <assert.h>
#include <string.h>

#include "common/sha256.h"

void jobid_text(struct buf *out, const struct job_kind *kind, const struct jobid_knob *knobs,
                size_t n_knobs, const struct jobid_input *inputs, size_t n_inputs)
{
    char hex[65];

    buf_fmt(out, "saegrid job 1\nkind %s %d\n", kind->name, kind->version);
    for (size_t i = 0; i < n_knobs; i++) {
        const struct jobid_knob *k = &knobs[i];

        assert(i == 0 || strcmp(knobs[i - 1].name, k->name) < 0);
        assert(!strchr(k->canon, '\n'));
        buf_str(out, k->from ? "value " : "knob ");
        buf_str(out, k->name);
        buf_char(out, '=');
        if (k->from) {
            buf_str(out, jobid_hex(hex, k->from));
            buf_char(out, '.');
        }
        buf_add(out, k->canon, k->len ? k->len : strlen(k->canon));
        buf_char(out, '\n');
    }
    for (size_t i = 0; i < n_inputs; i++) {
        for (size_t j = 0; j < inputs[i].n; j++) {
            buf_str(out, "input ");
            buf_str(out, inputs[i].name);
            buf_char(out, ' ');
            buf_str(out, jobid_hex(hex, &inputs[i].ids[j]));
            buf_char(out, '\n');
        }
    }
}

struct jobid jobid_of_text(const struct buf *text)
{
    struct jobid id;

    sha256_of(text->data, text->len, id.b);
    return id;
}

struct jobid jobid_make(const struct job_kind *kind, const struct jobid_knob *knobs, size_t n_knobs,
                        const struct jobid_input *inputs, size_t n_inputs)
{
    struct buf text = {0};
    struct jobid id;

    jobid_text(&text, kind, knobs, n_knobs, inputs, n_inputs);
    id = jobid_of_text(&text);
    buf_free(&text);
    return id;
}

char *jobid_hex(char out[65], const struct jobid *id)
{
    return hex_text(out, id->b, sizeof id->b);
}

bool jobid_parse(struct jobid *out, const char *hex)
{
    return hex_parse(out->b, sizeof out->b, hex);
}
