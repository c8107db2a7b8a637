/* windows.c - see windows.h. */
#include "worker/data/windows.h"

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

enum err_code windows_init(struct windows *w, const struct tokens *t,
                           enum window_protocol protocol, size_t length, size_t step,
                           bool has_prefix, size_t max_ids, struct err *e)
{
    bool is_stream = protocol == WINDOW_BLOCK || protocol == WINDOW_STRIDE;

    *w = (struct windows){.protocol = protocol, .t = t, .length = length, .step = step,
                          .has_prefix = has_prefix, .end = max_ids ? least(max_ids, t->n) : t->n};
    if (protocol == WINDOW_LINE && !t->is_lines)
        return err_set(e, ERR_INVALID, "protocol: line needs data of layout line");
    if (is_stream && t->is_lines)
        return err_set(e, ERR_INVALID, "protocol: block and stride need data of layout packed");
    if (protocol == WINDOW_STRIDE && (step == 0 || step > length))
        return err_set(e, ERR_INVALID, "stride: %zu is outside [1, window], window is %zu", step, length);
    return ERR_OK;
}

static bool next_line(struct windows *w, struct window *out)
{
    while (w->doc < w->t->n_docs) {
        size_t doc = w->doc++, first = w->t->token_at[doc];
        size_t end = least(w->t->token_at[doc + 1], w->end);

        if (end > first + 1) { /* a line of one id scores nothing */
            *out = (struct window){first, least(end - first, w->length), 1, doc, false};
            return true;
        }
    }
    return false;
}

/* T ids a block; the model is fed T - 1 of them, or the prefix and T - 1. */
static bool next_block(struct windows *w, struct window *out)
{
    size_t n = least(w->length, w->end - w->at), n_context = w->has_prefix ? 0 : 1;

    if (n <= n_context)
        return false;
    *out = (struct window){w->at, n, n_context, 0, w->has_prefix};
    w->at += n;
    return true;
}

static bool next_stride(struct windows *w, struct window *out)
{
    size_t n = least(w->length, w->end - w->at);

    if (w->scored_to >= w->end || n < 2)
        return false;
    size_t n_context = w->scored_to > w->at ? w->scored_to - w->at : 1; /* stride = window: as blocks */
    *out = (struct window){w->at, n, n_context, 0, false};
    w->scored_to = w->at + n;
    w->at += w->step;
    return true;
}

/* A document without the separator behind it. */
static size_t doc_end(const struct windows *w, size_t doc)
{
    size_t end = w->t->token_at[doc + 1];

    end -= !w->t->is_lines && doc + 1 < w->t->n_docs;
    return least(end, w->end);
}

static bool next_rolling(struct windows *w, struct window *out)
{
    while (w->doc < w->t->n_docs && w->scored_to >= doc_end(w, w->doc)) {
        if (++w->doc < w->t->n_docs)
            w->scored_to = w->t->token_at[w->doc];
    }
    if (w->doc >= w->t->n_docs || w->scored_to >= w->end)
        return false;
    size_t first = w->t->token_at[w->doc], end = least(doc_end(w, w->doc), w->scored_to + w->length);
    bool is_first = w->scored_to == first;
    size_t from = is_first || end - first < w->length + 1 ? first : end - w->length - 1;
    *out = (struct window){from, end - from, w->scored_to - from, w->doc, is_first};
    w->scored_to = end;
    return true;
}

bool windows_next(struct windows *w, struct window *out)
{
    switch (w->protocol) {
    case WINDOW_LINE:
        return next_line(w, out);
    case WINDOW_BLOCK:
        return next_block(w, out);
    case WINDOW_STRIDE:
        return next_stride(w, out);
    default:
        return next_rolling(w, out);
    }
}
