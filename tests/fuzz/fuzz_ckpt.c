/* fuzz_ckpt.c - whatever stands in a file of weights or state.  The first byte says how it is read: as
 * safetensors (s), as a pickle (p), as the state of a training (c), else as a .pt file. */
#include "tests/fuzz/fuzz.h"
#include "worker/nn/ckpt.h"
#include "worker/nn/pickle.h"
#include "worker/nn/pt.h"
#include "worker/nn/safetensors.h"

static void at_end(void)
{
    fuzz_clean("file");
}

/* Every byte of every tensor is ours to read. */
static uint64_t sum_pt(const struct pt_file *f)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < f->n_tensors; i++) {
        size_t n = pt_size(f->tensors[i].dtype);
        for (size_t d = 0; d < (size_t)f->tensors[i].n_dims; d++)
            n *= (size_t)f->tensors[i].shape[d];
        for (size_t k = 0; k < n; k++)
            sum += ((const uint8_t *)f->tensors[i].data)[k];
    }
    return sum;
}

static void read_pt(const char *path)
{
    struct pt_file f = {0};
    struct err e = {0};
    volatile uint64_t sum = 0;

    if (pt_open(&f, path, &e)) {
        if (!*e.text)
            abort();
        return;
    }
    sum = sum_pt(&f);
    (void)sum;
    pt_close(&f);
}

static void read_safetensors(const char *path)
{
    struct st_file f = {0};
    struct err e = {0};

    if (st_open(&f, path, &e)) {
        if (!*e.text)
            abort();
        return;
    }
    for (size_t i = 0; i < f.n_tensors; i++) {
        size_t n = st_count(&f.tensors[i]);
        float *out = n < 1 << 20 ? malloc((n ? n : 1) * sizeof *out) : NULL;
        if (out && st_to_f32(out, &f.tensors[i], false, &e) && !*e.text)
            abort();
        free(out);
    }
    st_close(&f);
}

static void read_state(const char *path)
{
    struct ckpt c = {0};
    struct err e = {0};
    uint8_t memory[16] = {0};
    bool is_found;

    ckpt_bytes(&c, "value", memory, 8);
    ckpt_load(&c, path, "owner", &is_found, &e);
    for (size_t i = 0; !is_found && i < sizeof memory; i++)
        if (memory[i])
            abort(); /* refused, and yet it wrote */
    ckpt_free(&c);
}

static void read_pickle(const uint8_t *data, size_t n)
{
    struct pickle p = {0};
    struct err e = {0};

    if (pickle_read(&p, data, n, &e) && !*e.text)
        abort();
    pickle_free(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static bool is_set_up;

    if (!is_set_up)
        is_set_up = atexit(at_end) == 0;
    if (n == 0)
        return 0;
    const char *path = fuzz_file("file", data + 1, n - 1);
    if (data[0] == 's')
        read_safetensors(path);
    else if (data[0] == 'c')
        read_state(path);
    else if (data[0] == 'p')
        read_pickle(data + 1, n - 1);
    else
        read_pt(path);
    return 0;
}
