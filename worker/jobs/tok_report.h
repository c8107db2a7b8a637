/* tok_report.h - what lm_tokens_compare says: its blobs `tokens` (a table) and `passages` (coloured
 * text), both JSON, so that they lie in the manifest.
 *
 *   tokens    {"rows": [{"id", "text", "list", "n", "loss_control", "d_loss", "d_loss_low", "d_loss_high",
 *              "n_rows", "shift_control", "shift", "d_shift", "d_shift_low", "d_shift_high", "cos"}, ...]}
 *             list: "up", "down" (loss), "shift" (activation); an id may stand in several
 *   passages  [{"what": "loss" | "shift", "unit", "ids": [["text", value or null], ...]}, ...]
 */
#pragma once
#include "worker/data/tokenizer.h"
#include "worker/eval/tokstat.h"
#include "worker/runner/job.h"

struct tok_table {
    struct tokstat loss_control, d_loss;           /* nats, of scored ids */
    struct tokstat shift_control, d_shift, cos;    /* of rows */
    size_t n_vocab, min_count, top;
};
void tok_report_table(struct job *j, const struct tok_table *t, const struct tokenizer *tok);

struct tok_passage {
    const char *what, *unit;
    const uint32_t *id;      /* [n] */
    const double *value;     /* [n] NaN: not measured */
    size_t n;
};
void tok_report_passages(struct job *j, const struct tok_passage *p, size_t n, const struct tokenizer *tok);
