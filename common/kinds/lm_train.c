/* lm_train.c - the row of kind `lm_train`. */
#include "common/kinds/lm_train.h"

#include <string.h>

#include "common/kinds/row.h"

#define CFG_STRUCT lm_train_cfg
static const struct cfg_field fields[] = {LM_TRAIN_FIELDS(CFG_ROW)};
static const char *const metrics[] = {"train_acc", "val_acc",    "train_loss",     "val_loss",
                                      "epochs",    "best_epoch", "first_epoch_99", "steps", NULL};

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
            return err_set(e, ERR_INVALID, "stop_at: expected {metric: value}, got \"%.100s\"", text);
        memcpy(name, p, n);
        name[n] = '\0';
        if (strcmp(name, "val_acc") != 0 && strcmp(name, "train_acc") != 0 &&
            strcmp(name, "val_loss") != 0 && strcmp(name, "train_loss") != 0)
            return err_set(e, ERR_INVALID,
                           "stop_at: %s is not one of val_acc, train_acc, val_loss, train_loss", name);
        strtod(p + n + 1, &end);
        if (end == p + n + 1)
            return err_set(e, ERR_INVALID, "stop_at: %s: expected a number", name);
        p = end + strspn(end, " ");
        if (*p == '}' && p[1] == '\0')
            return ERR_OK;
        if (*p++ != ',')
            return err_set(e, ERR_INVALID, "stop_at: expected {metric: value}, got \"%.100s\"", text);
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

static double cost(const char *(*get)(void *ctx, const char *name), void *ctx)
{
    const char *task = get(ctx, "task");
    double p = kind_num(get, ctx, "modulus", 113), d = kind_num(get, ctx, "d_model", 128);
    bool is_copy = task && strcmp(task, "copy") == 0;
    double rows = is_copy ? kind_num(get, ctx, "n_examples", 0) : p * p;
    double tokens = rows * (is_copy ? 12 : 7);
    double params = kind_num(get, ctx, "n_layers", 2) * d * (4 * d + 2 * kind_num(get, ctx, "d_mlp", 512)) +
                    d * p;

    return 6 * params * tokens * kind_num(get, ctx, "train_fraction", 1) *
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
