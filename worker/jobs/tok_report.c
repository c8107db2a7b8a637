/* tok_report.c - see tok_report.h. */
#include "worker/jobs/tok_report.h"

#include <math.h>
#include <stdlib.h>

#include "worker/data/utf8.h"

/* An id as text; bytes that are no whole character become U+FFFD. */
static void put_text(struct jsonw *w, const struct tokenizer *tok, uint32_t id)
{
    struct utf8_repair r = {0};
    struct buf text = {0};
    size_t n = 0;
    const char *bytes = id < tok->n_vocab ? tokenizer_bytes(tok, id, &n) : "";

    buf_str(&text, "");
    utf8_repair(&r, &text, bytes ? bytes : "", n, true);
    jw_str(w, text.data);
    buf_free(&text);
}

static void put_num(struct jsonw *w, const char *key, double v)
{
    jw_key(w, key);
    jw_f64(w, v); /* null if not finite */
}

static void put_row(struct jsonw *w, const struct tok_table *t, const struct tokenizer *tok, uint32_t id,
                    const char *list)
{
    const struct tok_effect loss = tokstat_of(&t->d_loss, id), shift = tokstat_of(&t->d_shift, id);
    const double control = tokstat_of(&t->shift_control, id).mean;

    jw_open(w, '{');
    jw_key(w, "id"), jw_i64(w, id);
    jw_key(w, "text"), put_text(w, tok, id);
    jw_key(w, "list"), jw_str(w, list);
    put_num(w, "n", loss.n);
    put_num(w, "loss_control", tokstat_of(&t->loss_control, id).mean);
    put_num(w, "d_loss", loss.mean);
    put_num(w, "d_loss_low", loss.low);
    put_num(w, "d_loss_high", loss.high);
    put_num(w, "n_rows", shift.n);
    put_num(w, "shift_control", control);
    put_num(w, "shift", control + shift.mean);
    put_num(w, "d_shift", shift.mean);
    put_num(w, "d_shift_low", shift.low);
    put_num(w, "d_shift_high", shift.high);
    put_num(w, "cos", tokstat_of(&t->cos, id).mean);
    jw_close(w, '}');
}

struct ranked {
    double value;
    uint32_t id;
};

static int greatest_first(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;

    if (x->value != y->value)
        return x->value < y->value ? 1 : -1;
    return x->id < y->id ? -1 : x->id > y->id;
}

/* The ids with the greatest sign * mean of `by`, above 0. */
static void put_list(struct jsonw *w, const struct tok_table *t, const struct tokenizer *tok, const struct tokstat *by,
                     double sign, const char *list)
{
    struct ranked *r = malloc((t->n_vocab + 1) * sizeof *r);
    size_t n = 0;

    if (!r)
        abort(); /* as buf does */
    for (uint32_t id = 0; id < t->n_vocab; id++) {
        const struct tok_effect x = tokstat_of(by, id);

        if (x.n >= (double)t->min_count && sign * x.mean > 0)
            r[n++] = (struct ranked){sign * x.mean, id};
    }
    qsort(r, n, sizeof *r, greatest_first);
    for (size_t i = 0; i < n && i < t->top; i++)
        put_row(w, t, tok, r[i].id, list);
    free(r);
}

void tok_report_table(struct job *j, const struct tok_table *t, const struct tokenizer *tok)
{
    struct buf out = {0};
    struct jsonw w;

    jw_init(&w, &out, false);
    jw_open(&w, '{');
    jw_key(&w, "rows");
    jw_open(&w, '[');
    put_list(&w, t, tok, &t->d_loss, 1, "up");
    put_list(&w, t, tok, &t->d_loss, -1, "down");
    put_list(&w, t, tok, &t->d_shift, 1, "shift");
    jw_close(&w, ']');
    jw_close(&w, '}');
    job_blob(j, "tokens", "application/json", out.data);
    buf_free(&out);
}

void tok_report_passages(struct job *j, const struct tok_passage *p, size_t n, const struct tokenizer *tok)
{
    struct buf out = {0};
    struct jsonw w;

    jw_init(&w, &out, false);
    jw_open(&w, '[');
    for (size_t i = 0; i < n; i++) {
        jw_open(&w, '{');
        jw_key(&w, "what"), jw_str(&w, p[i].what);
        jw_key(&w, "unit"), jw_str(&w, p[i].unit);
        jw_key(&w, "ids");
        jw_open(&w, '[');
        for (size_t k = 0; k < p[i].n; k++) {
            jw_open(&w, '[');
            put_text(&w, tok, p[i].id[k]);
            jw_f64(&w, p[i].value[k]);
            jw_close(&w, ']');
        }
        jw_close(&w, ']');
        jw_close(&w, '}');
    }
    jw_close(&w, ']');
    job_blob(j, "passages", "application/json", out.data);
    buf_free(&out);
}
