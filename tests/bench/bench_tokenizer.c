/* Megabytes a second of the tokeniser on the texts that ship, one core: best and median of 9. */
#include <stdio.h>

#include "common/clock.h"
#include "tests/lib/shipped.h"
#include "worker/data/gz.h"
#include "worker/data/tokenizer.h"

enum { REPEATS = 9, TEXT_MAX = 1 << 24 };

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double seconds(void)
{
    return (double)clock_system.mono_us(&clock_system) * 1e-6;
}

static void row(const char *name, double *s, size_t n_bytes)
{
    qsort(s, REPEATS, sizeof *s, by_value);
    printf("%-28s %9zu bytes  best %7.1f MB/s  median %7.1f MB/s\n", name, n_bytes,
           (double)n_bytes / s[0] / 1e6, (double)n_bytes / s[REPEATS / 2] / 1e6);
}

static void bench(const char *path, const struct buf *text, size_t n_vocab, const char *label)
{
    double cold[REPEATS], warm[REPEATS], back[REPEATS];
    char name[80];
    struct err e;

    for (int i = 0; i < REPEATS; i++) {
        struct tokenizer t;
        struct ids ids = {0};
        struct buf out = {0};
        struct tok_decode d;

        if (tokenizer_open(&t, path, n_vocab, &e)) {
            fprintf(stderr, "%s\n", e.text);
            exit(1);
        }
        double start = seconds();
        tokenizer_encode(&t, text->data, text->len, false, &ids);
        cold[i] = seconds() - start;
        ids.n = 0;
        start = seconds();
        tokenizer_encode(&t, text->data, text->len, false, &ids);
        warm[i] = seconds() - start;
        tok_decode_init(&d, &t);
        start = seconds();
        for (size_t k = 0; k < ids.n; k++)
            if (tok_decode_add(&d, ids.id[k], &out, &e))
                exit(1);
        back[i] = seconds() - start;
        buf_free(&out);
        ids_free(&ids);
        tokenizer_close(&t);
    }
    snprintf(name, sizeof name, "%s encode, first time", label);
    row(name, cold, text->len);
    snprintf(name, sizeof name, "%s encode, again", label);
    row(name, warm, text->len);
    snprintf(name, sizeof name, "%s decode", label);
    row(name, back, text->len);
}

int main(void)
{
    static const char *const file[] = {"train/middlemarch.txt", "test/state_union.txt",
                                       "wikitext2/wiki.test.raw"};
    char neox[4096];
    struct err e;

    snprintf(neox, sizeof neox, "%s", shipped_path("sweeps/data/tokenizer/20B_tokenizer.json.gz"));
    for (size_t i = 0; i < ARRAY_LEN(file); i++) {
        char path[128];
        struct buf text = {0};

        snprintf(path, sizeof path, "sweeps/data/text/%s.gz", file[i]);
        if (gz_read(shipped_path(path), TEXT_MAX, &text, &e)) {
            fprintf(stderr, "%s\n", e.text);
            return 1;
        }
        printf("%s\n", file[i]);
        bench(neox, &text, 0, "neox");
        bench(neox, &text, 4096, "4096");
        buf_free(&text);
    }
    return 0;
}
