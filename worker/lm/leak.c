/* leak.c - see leak.h. */
#include "worker/lm/leak.h"

#include <stdlib.h>
#include <string.h>

/* Example i of `mixed`: the tokens of order[i], but the answer's token of order[i + 1]. */
static void mix(struct task *mixed, int32_t *other, const struct task *t, const uint32_t *order)
{
    size_t answers = t->n_answers;

    for (size_t i = 0; i < mixed->n; i++) {
        size_t own = order[i], next = order[(i + 1) % mixed->n];

        memcpy(mixed->tok + i * t->len, t->tok + own * t->len, t->len * sizeof *t->tok);
        memcpy(mixed->answer + i * answers, t->answer + own * answers, answers * sizeof *other);
        memcpy(other + i * answers, t->answer + next * answers, answers * sizeof *other);
        if (t->shown_pos != TASK_NOT_SHOWN)
            mixed->tok[i * t->len + t->shown_pos] = t->tok[next * t->len + t->shown_pos];
    }
}

static double share_right(struct lm_trainer *t, const struct task *mixed)
{
    size_t n_right = 0;

    for (size_t at = 0; at < mixed->n; at += t->batch.rows_max) {
        size_t now = mixed->n - at < t->batch.rows_max ? mixed->n - at : t->batch.rows_max, right;

        batch_build(&t->batch, mixed, NULL, at, now, batch_answers(mixed));
        const struct lm_batch b = lm_batch_of(&t->batch);
        (void)lm_loss(&t->lm, &t->acts, &b, &right);
        n_right += right;
    }
    return (double)n_right / (double)(mixed->n * mixed->n_answers);
}

enum err_code leak_test(struct leak *out, struct lm_trainer *t, struct err *e)
{
    size_t n = t->task.n < LEAK_ROWS ? t->task.n : LEAK_ROWS, n_answers = n * t->task.n_answers;
    int32_t *tok = malloc(n * t->task.len * sizeof *tok);
    int32_t *own = malloc(2 * n_answers * sizeof *own), *other = own + n_answers;
    struct task mixed = t->task;
    size_t n_same = 0;

    if (!tok || !own) {
        free(tok);
        free(own);
        return err_set(e, ERR_NOMEM, "leak test: %zu examples: out of memory", n);
    }
    mixed.n = n;
    mixed.tok = tok;
    mixed.answer = own;
    mix(&mixed, other, &t->task, t->order);
    out->follow_operands = share_right(t, &mixed);
    mixed.answer = other;
    out->follow_answer = share_right(t, &mixed);
    for (size_t i = 0; i < n_answers; i++)
        n_same += own[i] == other[i];
    out->chance = (double)n_same / (double)n_answers;
    out->leak = out->chance < 1 ? (out->follow_answer - out->chance) / (1 - out->chance) : 0;
    out->leak = out->leak > 0 ? out->leak : 0;
    free(tok);
    free(own);
    return ERR_OK;
}
