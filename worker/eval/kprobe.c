/* kprobe.c - see kprobe.h. */
#include "worker/eval/kprobe.h"

#include <math.h>
#include <stdlib.h>

#include "worker/eval/logit.h"

#define PROBE_C 1.0

/* Appends the rows from..to-1 to row[n...], at most as many of one class as of the other. */
static size_t balance(uint32_t *row, const unsigned char *y, size_t from, size_t to)
{
    size_t count[2] = {0}, left[2], n = 0;

    for (size_t i = from; i < to; i++)
        count[y[i]]++;
    left[0] = left[1] = count[0] < count[1] ? count[0] : count[1];
    for (size_t i = from; i < to; i++)
        if (left[y[i]]) {
            left[y[i]]--;
            row[n++] = (uint32_t)i;
        }
    return n;
}

enum err_code probe_init(struct probe *p, const float *x, size_t f, const unsigned char *y, size_t n_train,
                         size_t n_test, struct err *e)
{
    *p = (struct probe){.x = x, .f = f, .y = y, .row = malloc((n_train + n_test + 1) * sizeof *p->row)};
    if (!p->row)
        return err_set(e, ERR_NOMEM, "probe: %zu rows: out of memory", n_train + n_test);
    p->n_train = balance(p->row, y, 0, n_train);
    p->n_test = balance(p->row + p->n_train, y, n_train, n_train + n_test);
    return ERR_OK;
}

void probe_free(struct probe *p)
{
    free(p->row);
    *p = (struct probe){0};
}

struct ranked {
    double value;
    uint32_t column;
};

static int greatest_first(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;

    if (x->value != y->value)
        return x->value < y->value ? 1 : -1;
    return x->column < y->column ? -1 : 1;
}

enum err_code probe_rank(uint32_t *order, const struct probe *p, bool is_signed, struct err *e)
{
    struct ranked *r = calloc(p->f, sizeof *r);

    if (!r)
        return err_set(e, ERR_NOMEM, "probe: %zu columns: out of memory", p->f);
    for (size_t i = 0; i < p->n_train; i++) {
        const float *x = p->x + (size_t)p->row[i] * p->f;
        double sign = p->y[p->row[i]] ? 1 : -1;

        for (size_t c = 0; c < p->f; c++)
            r[c].value += sign * (double)x[c];
    }
    for (size_t c = 0; c < p->f; c++) {
        r[c].column = (uint32_t)c;
        r[c].value = is_signed ? r[c].value : fabs(r[c].value);
    }
    qsort(r, p->f, sizeof *r, greatest_first);
    for (size_t c = 0; c < p->f; c++)
        order[c] = r[c].column;
    free(r);
    return ERR_OK;
}

static void gather(double *out, const struct probe *p, uint32_t row, const uint32_t *column, size_t k)
{
    for (size_t c = 0; c < k; c++)
        out[c] = (double)p->x[(size_t)row * p->f + column[c]];
}

static struct probe_result test(const struct probe *p, const double *w, const uint32_t *column, double *x,
                                size_t k)
{
    double right = 0, hit = 0, called = 0, real = 0;

    for (size_t i = p->n_train; i < p->n_train + p->n_test; i++) {
        gather(x, p, p->row[i], column, k);
        unsigned char y = p->y[p->row[i]], is = logit_score(w, x, k) > 0;

        right += is == y;
        hit += is && y;
        called += is;
        real += y;
    }
    return (struct probe_result){right / (double)p->n_test, called + real > 0 ? 2 * hit / (called + real) : 0};
}

enum err_code probe_fit(struct probe_result *out, double *w, const struct probe *p, const uint32_t *column,
                        size_t k, struct err *e)
{
    double *x = malloc((p->n_train * k + 2 * k + 2) * sizeof *x), *own = x + p->n_train * k;
    unsigned char *y = malloc(p->n_train + 1);
    enum err_code rc = x && y ? ERR_OK : err_set(e, ERR_NOMEM, "probe: %zu columns: out of memory", k);

    for (size_t i = 0; !rc && i < p->n_train; i++) {
        gather(x + i * k, p, p->row[i], column, k);
        y[i] = p->y[p->row[i]];
    }
    if (!rc)
        rc = logit_fit(own, x, y, p->n_train, k, PROBE_C, e);
    if (!rc)
        *out = test(p, own, column, own + k + 1, k);
    for (size_t c = 0; !rc && w && c <= k; c++)
        w[c] = own[c];
    free(x);
    free(y);
    return rc;
}
