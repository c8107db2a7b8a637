/* lm_train.c - the row of kind `lm_train`. */
#include "common/kinds/lm_train.h"

#include <string.h>

#include "common/kinds/row.h"

#define CFG_STRUCT lm_train_cfg
static const struct cfg_field fields[] = {LM_TRAIN_FIELDS(CFG_ROW)};
static const char *const metrics[] = {"train_acc",      "val_acc", "train_loss",
                                      "val_loss",       "epochs",  "best_epoch",
                                      "first_epoch_99", "steps",   "leak",
                                      "follow_operands", "follow_answer", "fourier_top5",
                                      "fourier_random", NULL};

/* `{metric: value, ...}` as the sweep reader writes it. */
static enum err_code check_stop_at(const char *text, struct err *e)
{
    const char *p = text;

    if (*p == '\0')
        return ERR_OK;
    if (*p++ != '{')
        return err_set(e, ERR_INVALID, "stop_at: expected {metric: value}, got \"%.100s\"", text);
    for (;;) {
        char name[64];
        char *end;
        size_t n;

        p += strspn(p, " ");
        n = strcspn(p, ": ,}");
        if (n == 0 || n >= sizeof name || p[n] != ':')
            return err_set(e, ERR_INVALID, "stop_at: expected {metric: value}, got \"%.100s\"",
                           text);
        memcpy(name, p, n);
        name[n] = '\0';
        if (strcmp(name, "val_acc") != 0 && strcmp(name, "train_acc") != 0 &&
            strcmp(name, "val_loss") != 0 && strcmp(name, "train_loss") != 0)
            return err_set(e, ERR_INVALID,
                           "stop_at: %s is not one of val_acc, train_acc, val_loss, train_loss",
                           name);
        strtod(p + n + 1, &end);
        if (end == p + n + 1)
            return err_set(e, ERR_INVALID, "stop_at: %s: expected a number", name);
        p = end + strspn(end, " ");
        if (*p == '}' && p[1] == '\0')
            return ERR_OK;
        if (*p++ != ',')
            return err_set(e, ERR_INVALID, "stop_at: expected {metric: value}, got \"%.100s\"",
                           text);
    }
}

static enum err_code check(const char *(*get)(void *ctx, const char *name), void *ctx,
                           struct err *e)
{
    int64_t d_model = (int64_t)kind_num(get, ctx, "d_model", 0);
    int64_t n_heads = (int64_t)kind_num(get, ctx, "n_heads", 1);
    const char *stop_at = get(ctx, "stop_at");

    if (d_model % n_heads)
        return err_set(e, ERR_INVALID, "n_heads: %d does not divide d_model, %d", (int)n_heads,
                       (int)d_model);
    return check_stop_at(stop_at ? stop_at : "", e);
}

/* Matrix products of the training: distinct prefixes an example (worker/data/batch.h) through all
 * blocks, the last one at the read-outs only. */
static double cost(const char *(*get)(void *ctx, const char *name), void *ctx)
{
    const char *task = get(ctx, "task");
    bool is_copy = task && (strcmp(task, "copy") == 0 || strcmp(task, "sort") == 0);
    bool is_leaky = task && strcmp(task, "modadd_husai") == 0;
    double p = kind_num(get, ctx, "modulus", 113), d = kind_num(get, ctx, "d_model", 128);
    double f = kind_num(get, ctx, "d_mlp", 512), vocab = is_copy ? 22 : p + 4;
    double rows = is_copy ? kind_num(get, ctx, "n_examples", 0) : p * p;
    double nodes = is_copy ? 19 : is_leaky ? 3.2 : 2.2, reads = is_copy ? 10 : 1;
    double key_value = 4 * d * d, rest = 4 * d * d + 4 * d * f;
    double forward = (kind_num(get, ctx, "n_layers", 2) - 1) * nodes * (key_value + rest) +
                     nodes * key_value + reads * (rest + 2 * d * vocab);

    return 3 * forward * rows * kind_num(get, ctx, "train_fraction", 1) *
           kind_num(get, ctx, "epochs", 0) / kind_flops;
}

KIND_ROW(lm_train) = {
    .name = "lm_train",
    .version = 1,
    .help = "a transformer trained from scratch on an algorithmic task",
    .tag = "model",
    .fields = fields,
    .n_fields = ARRAY_LEN(fields),
    .metrics = metrics,
    .check = check,
    .cost = cost,
};
