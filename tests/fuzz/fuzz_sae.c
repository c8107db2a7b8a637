/* fuzz_sae.c - whatever stands in the files of an SAE, ours or another tool's: it becomes a checked model
 * that can be used, or an error that says why not.
 *
 * The first byte is the format: l SAELens, d dictionary_learning, h HUSAI, s safetensors, g ours, else
 * what it looks like.  Of the first two, which are folders, the configuration comes next and ends at
 * a byte 0; the rest is the file of weights.
 */
#include "common/buf.h"
#include "tests/fuzz/fuzz.h"
#include "worker/sae/format.h"

enum { ENTRIES_MAX = 1 << 16 };

static const struct kind {
    char letter;
    const char *format, *config, *weights;
} kinds[] = {{'l', "saelens", "cfg.json", "sae_weights.safetensors"},
             {'d', "dictionary_learning", "config.json", "ae.pt"},
             {'h', "husai", NULL, "sae.pt"},
             {'s', "safetensors", NULL, "sae.safetensors"},
             {'g', "saegrid", NULL, "sae.pt"},
             {0, "auto", NULL, "sae.pt"}};

static void remove_files(void)
{
    char path[160];

    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        for (int is_config = 0; is_config < 2; is_config++) {
            const char *name = is_config ? kinds[i].config : kinds[i].weights;

            if (!name)
                continue;
            snprintf(path, sizeof path, "%s/%s", fuzz_dir(), name);
            unlink(path);
        }
}

static void at_end(void)
{
    remove_files();
    rmdir(fuzz_dir());
}

/* What was read can be run: one row through the model. */
static void use(const struct sae_model *m)
{
    struct sae_infer w;
    struct arena a;
    struct err e;
    float *x = calloc(m->d, sizeof *x);

    if (!x || arena_open(&a, "infer", sae_infer_bytes(m, 1), &e))
        abort();
    sae_infer_new(&w, m, 1, &a);
    for (size_t i = 0; i < m->d; i++)
        x[i] = (float)(i % 7) - 3;
    (void)sae_infer_run(&w, x, 1);
    arena_close(&a);
    free(x);
}

static void read_as(const struct kind *k, const char *path)
{
    const struct sae_format_opts o = {.k = k->letter == 'h' ? 2 : 0}; /* its files may not say it */
    struct sae_model m;
    struct err e = {0};

    if (sae_format_read(&m, path, k->format, &o, &e)) {
        if (!*e.text)
            abort();
        return;
    }
    if (sae_model_check(&m, &e))
        abort(); /* taken, and unsound */
    if (m.f <= ENTRIES_MAX / (m.d + m.o))
        use(&m);
    sae_model_free(&m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static bool is_set_up;
    const struct kind *k = kinds;

    if (!is_set_up)
        is_set_up = atexit(at_end) == 0;
    if (n == 0)
        return 0;
    while (k->letter && k->letter != (char)data[0])
        k++;
    remove_files();
    data++;
    n--;
    if (k->config) {
        const uint8_t *end = memchr(data, 0, n);
        size_t len = end ? (size_t)(end - data) : n;

        fuzz_file(k->config, data, len);
        data += len + (end != NULL);
        n -= len + (end != NULL);
    }
    const char *path = fuzz_file(k->weights, data, n);
    read_as(k, k->config ? fuzz_dir() : path);
    return 0;
}
