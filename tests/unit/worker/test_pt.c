/* PyTorch archives: what is written reads back and loads aligned; what PyTorch wrote is read;
 * damaged and hostile files are refused with a reason, whatever byte is wrong. */
#include "tests/lib/check.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "common/fs.h"
#include "tests/lib/tmpdir.h"
#include "worker/nn/pt.h"
#include "worker/nn/pt_zip.h"

static char *data_file(const char *name)
{
    static char path[4096];
    const char *root = getenv("SAEGRID_SOURCE");

    snprintf(path, sizeof path, "%s/tests/data/%s", root ? root : ".", name);
    return path;
}

static const struct pt_scalar *scalar(const struct pt_file *f, const char *name)
{
    for (size_t i = 0; i < f->n_scalars; i++)
        if (strcmp(f->scalars[i].name, name) == 0)
            return &f->scalars[i];
    fail_msg("no scalar %s", name);
    return NULL;
}

static const float weights[6] = {1, -2, 3.5f, 4, 5, -6};
static const int64_t whole[2] = {INT64_MIN, 7};
static const struct pt_tensor rows[] = {
    {"encoder.weight", PT_F32, 2, {2, 3}, weights},
    {"steps", PT_I64, 1, {2}, whole},
    {"k", PT_I32, 0, {0}, weights},
    {"none", PT_F64, 2, {0, 3}, weights},
    {"bytes", PT_U8, 3, {2, 1, 2}, weights},
    {"flags", PT_BOOL, 1, {3}, weights},
    {"half", PT_F16, 1, {3}, weights},
    {"brain", PT_BF16, 1, {3}, weights},
    {"short", PT_I16, 1, {2}, weights},
    {"char", PT_I8, 1, {5}, weights},
};
static const struct pt_scalar scalars[] = {
    {"d_sae", PT_INT, 1024, 0, NULL},       {"big", PT_INT, 1LL << 40, 0, NULL},
    {"negative", PT_INT, -1, 0, NULL},      {"lr", PT_FLOAT, 0, 3e-4, NULL},
    {"arch", PT_TEXT, 0, 0, "top\"k' \xc3\xa9"}, {"tied", PT_TRUTH, 1, 0, NULL},
};

static void test_every_dtype_and_scalar_round_trips(void **state)
{
    char *dir = tmpdir_make(), *path = tmpdir_path(dir, "a.pt");
    struct pt_file f;
    struct err e;
    (void)state;

    assert_ok(pt_write(path, rows, ARRAY_LEN(rows), scalars, ARRAY_LEN(scalars), &e), e);
    assert_ok(pt_open(&f, path, &e), e);
    assert_int_equal(f.n_tensors, ARRAY_LEN(rows));
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct pt_tensor *t = pt_find(&f, rows[i].name);
        size_t n = pt_size(rows[i].dtype);

        assert_non_null(t);
        assert_int_equal(t->dtype, rows[i].dtype);
        assert_int_equal(t->n_dims, rows[i].n_dims);
        for (int d = 0; d < t->n_dims; d++) {
            assert_int_equal(t->shape[d], rows[i].shape[d]);
            n *= (size_t)t->shape[d];
        }
        assert_memory_equal(t->data, rows[i].data, n);
        assert_int_equal((uintptr_t)t->data % 64, 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(scalars); i++) {
        const struct pt_scalar *s = scalar(&f, scalars[i].name);

        assert_int_equal(s->type, scalars[i].type);
        if (s->type == PT_TEXT)
            assert_string_equal(s->s, scalars[i].s);
        else if (s->type == PT_FLOAT)
            assert_true(s->f == scalars[i].f);
        else
            assert_int_equal(s->i, scalars[i].i);
    }
    pt_close(&f);
    free(path);
    tmpdir_remove(dir);
}

static void test_equal_contents_give_equal_bytes(void **state)
{
    char *dir = tmpdir_make(), *a = tmpdir_path(dir, "a.pt"), *b = tmpdir_path(dir, "other.pt");
    struct buf ta = {0}, tb = {0};
    struct err e;
    (void)state;

    assert_ok(pt_write(a, rows, ARRAY_LEN(rows), scalars, ARRAY_LEN(scalars), &e), e);
    assert_ok(pt_write(b, rows, ARRAY_LEN(rows), scalars, ARRAY_LEN(scalars), &e), e);
    assert_ok(fs_read(a, 1 << 20, &ta, &e), e);
    assert_ok(fs_read(b, 1 << 20, &tb, &e), e);
    assert_int_equal(ta.len, tb.len);
    assert_memory_equal(ta.data, tb.data, ta.len);
    buf_free(&ta);
    buf_free(&tb);
    free(a);
    free(b);
    tmpdir_remove(dir);
}

static void test_a_bare_tensor_has_the_empty_name(void **state)
{
    char *dir = tmpdir_make(), *path = tmpdir_path(dir, "a.pt");
    struct pt_file f;
    struct err e;
    (void)state;

    assert_ok(pt_write_tensor(path, &rows[0], &e), e);
    assert_ok(pt_open(&f, path, &e), e);
    assert_int_equal(f.n_tensors, 1);
    assert_memory_equal(pt_find(&f, "")->data, weights, sizeof weights);
    pt_close(&f);
    free(path);
    tmpdir_remove(dir);
}

static void test_files_of_pytorch_are_read(void **state)
{
    struct pt_file f;
    struct err e;
    (void)state;

    assert_ok(pt_open(&f, data_file("torch_tensor.pt"), &e), e);
    const struct pt_tensor *t = pt_find(&f, "");
    assert_int_equal(t->shape[0], 3);
    assert_int_equal(t->shape[1], 4);
    for (int i = 0; i < 12; i++)
        assert_true(((const float *)t->data)[i] == (float)i / 8);
    pt_close(&f);

    assert_ok(pt_open(&f, data_file("torch_state_dict.pt"), &e), e);
    assert_int_equal(f.n_tensors, 7);
    assert_true(((const float *)pt_find(&f, "0.weight")->data)[5] == 5);
    assert_true(((const float *)pt_find(&f, "1.bias")->data)[1] == 31);
    assert_int_equal(pt_find(&f, "1.num_batches_tracked")->dtype, PT_I64);
    pt_close(&f);
}

static void test_nested_dictionaries_are_joined_with_dots(void **state)
{
    struct pt_file f;
    struct err e;
    (void)state;

    assert_ok(pt_open(&f, data_file("torch_nested.pt"), &e), e);
    assert_true(((const float *)pt_find(&f, "model.w")->data)[5] == 5);
    assert_int_equal(pt_find(&f, "model.half")->dtype, PT_BF16);
    assert_true(((const float *)pt_find(&f, "best")->data)[1] == 7); /* a Parameter */
    assert_int_equal(pt_find(&f, "view")->shape[0], 4);
    assert_true(((const float *)pt_find(&f, "view")->data)[0] == 3); /* offset in its storage */
    assert_int_equal(scalar(&f, "epoch")->i, 3);
    assert_int_equal(scalar(&f, "big")->i, 1LL << 40);
    assert_int_equal(scalar(&f, "neg")->i, -5);
    assert_true(scalar(&f, "lr")->f == 1e-3);
    assert_string_equal(scalar(&f, "names.1")->s, "b");
    assert_int_equal(scalar(&f, "size.1")->i, 3);
    assert_int_equal(scalar(&f, "yes")->type, PT_TRUTH);
    assert_null(pt_find(&f, "nothing"));
    pt_close(&f);
}

static void test_refusals_name_the_cause(void **state)
{
    char *dir = tmpdir_make(), *text = tmpdir_path(dir, "text.pt"), *none = tmpdir_path(dir, "no");
    struct pt_file f;
    struct err e;
    (void)state;

    assert_ok(fs_replace(text, "hello, this is no archive at all", 32, &e), e);
    assert_fails(pt_open(&f, data_file("torch_transposed.pt"), &e), ERR_INVALID, e,
                 "tensor w: not contiguous");
    assert_fails(pt_open(&f, data_file("hostile.pt"), &e), ERR_INVALID, e, "system");
    assert_fails(pt_open(&f, text, &e), ERR_CORRUPT, e, "not a zip archive");
    assert_fails(pt_open(&f, none, &e), ERR_NOT_FOUND, e, none);
    assert_fails(pt_open(&f, dir, &e), ERR_INVALID, e, "not a file");
    free(text);
    free(none);
    tmpdir_remove(dir);
}

/* Opens and touches all data, so that a sanitizer sees a bad pointer. */
static bool opens(const char *path)
{
    static volatile unsigned sink;
    struct pt_file f;
    struct err e = {0};

    if (pt_open(&f, path, &e)) {
        assert_true(e.text[0] != '\0');
        return false;
    }
    for (size_t i = 0; i < f.n_tensors; i++) {
        size_t n = pt_size(f.tensors[i].dtype);

        for (int d = 0; d < f.tensors[i].n_dims; d++)
            n *= (size_t)f.tensors[i].shape[d];
        for (size_t b = 0; b < n; b++)
            sink = sink + ((const unsigned char *)f.tensors[i].data)[b];
    }
    pt_close(&f);
    return true;
}

static void test_a_file_cut_short_anywhere_is_refused(void **state)
{
    static const char *const names[] = {"torch_nested.pt", "torch_state_dict.pt"};
    char *dir = tmpdir_make(), *path = tmpdir_path(dir, "a.pt");
    struct err e;
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct buf whole_file = {0};

        assert_ok(fs_read(data_file(names[i]), 1 << 20, &whole_file, &e), e);
        assert_ok(fs_replace(path, whole_file.data, whole_file.len, &e), e);
        assert_true(opens(path));
        for (size_t n = whole_file.len; n-- > 0;) {
            assert_int_equal(truncate(path, (off_t)n), 0);
            assert_false(opens(path));
        }
        buf_free(&whole_file);
    }
    free(path);
    tmpdir_remove(dir);
}

static void test_a_flipped_byte_anywhere_never_crashes(void **state)
{
    static const unsigned char flips[] = {0x01, 0x80, 0xff};
    char *dir = tmpdir_make(), *path = tmpdir_path(dir, "a.pt");
    struct buf file = {0};
    size_t n_refused = 0;
    struct err e;
    (void)state;

    assert_ok(fs_read(data_file("torch_nested.pt"), 1 << 20, &file, &e), e);
    assert_ok(fs_replace(path, file.data, file.len, &e), e);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    for (size_t i = 0; i < file.len; i++) {
        for (size_t k = 0; k < ARRAY_LEN(flips); k++) {
            unsigned char c = (unsigned char)file.data[i] ^ flips[k];

            assert_int_equal(pwrite(fd, &c, 1, (off_t)i), 1);
            n_refused += !opens(path);
        }
        assert_int_equal(pwrite(fd, &file.data[i], 1, (off_t)i), 1);
    }
    close(fd);
    assert_true(n_refused > file.len / 2); /* the pickle has a CRC, the records are checked */
    buf_free(&file);
    free(path);
    tmpdir_remove(dir);
}

/* Place of the CRC in the directory record of an entry. */
static size_t crc_at(const struct buf *file, const char *name)
{
    for (size_t i = 0; i + 46 + strlen(name) < file->len; i++)
        if (memcmp(file->data + i, "PK\1\2", 4) == 0 &&
            memcmp(file->data + i + 46, name, strlen(name)) == 0)
            return i + 16;
    fail_msg("no directory record of %s", name);
    return 0;
}

/* The CRC is made right again, so that the interpreter sees the damage. */
static void test_a_damaged_pickle_never_crashes(void **state)
{
    char *dir = tmpdir_make(), *path = tmpdir_path(dir, "a.pt");
    struct buf file = {0};
    struct zip_in in;
    struct err e;
    (void)state;

    assert_ok(fs_read(data_file("torch_nested.pt"), 1 << 20, &file, &e), e);
    assert_ok(fs_replace(path, file.data, file.len, &e), e);
    assert_ok(zip_open(&in, path, &e), e);
    const struct zip_entry *pkl = &in.entries[0];
    assert_has(pkl->name, "data.pkl");
    size_t crc_place = crc_at(&file, pkl->name);
    unsigned char *copy = (unsigned char *)file.data + pkl->at;
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    for (size_t i = 0; i < 2 * pkl->size; i++) {
        unsigned char flip = i % 2 ? 0x13 : 0xff;

        copy[i / 2] ^= flip;
        uint32_t crc = (uint32_t)crc32_z(0, copy, pkl->size);
        assert_int_equal(pwrite(fd, &crc, 4, (off_t)crc_place), 4);
        assert_int_equal(pwrite(fd, copy + i / 2, 1, (off_t)(pkl->at + i / 2)), 1);
        opens(path);
        copy[i / 2] ^= flip;
        assert_int_equal(pwrite(fd, copy + i / 2, 1, (off_t)(pkl->at + i / 2)), 1);
    }
    close(fd);
    zip_close(&in);
    buf_free(&file);
    free(path);
    tmpdir_remove(dir);
}

static void write_pickle(const char *path, const void *pkl, size_t n)
{
    struct zip_out z;
    struct err e;

    assert_ok(zip_create(&z, path, &e), e);
    assert_ok(zip_add(&z, "a/data.pkl", pkl, n, &e), e);
    assert_ok(zip_finish(&z, &e), e);
}

static void test_pickles_made_to_explode_are_refused(void **state)
{
    char *dir = tmpdir_make(), *path = tmpdir_path(dir, "a.pt");
    struct buf b = {0};
    struct pt_file f;
    struct err e;
    (void)state;

    /* a list that holds itself */
    write_pickle(path, "\x80\x02]q\x01h\x01" "a.", 9);
    assert_fails(pt_open(&f, path, &e), ERR_INVALID, e, "nested deeper");
    /* each tuple holds the value before it five times: 5^20 items */
    buf_str(&b, "((((((((((((((((((((]q\x01K\x01" "a");
    for (int i = 0; i < 20; i++)
        buf_str(&b, "h\x01h\x01h\x01h\x01h\x01tq\x01");
    buf_char(&b, '.');
    write_pickle(path, b.data, b.len);
    assert_fails(pt_open(&f, path, &e), ERR_INVALID, e, "more than");
    buf_free(&b);
    free(path);
    tmpdir_remove(dir);
}

static void test_zip64_records_are_written_and_read(void **state)
{
    char *dir = tmpdir_make(), *path = tmpdir_path(dir, "a.zip");
    struct zip_out out;
    struct zip_in in;
    struct err e;
    (void)state;

    assert_ok(zip_create(&out, path, &e), e);
    out.zip64_from = 10; /* as if 10 bytes were 4 GiB */
    assert_ok(zip_add(&out, "small", "12345", 5, &e), e);
    assert_ok(zip_add(&out, "large", "0123456789abcdef", 16, &e), e);
    assert_ok(zip_finish(&out, &e), e);
    assert_ok(zip_open(&in, path, &e), e);
    const struct zip_entry *small = zip_find(&in, "small"), *large = zip_find(&in, "large");
    assert_int_equal(large->size, 16);
    assert_memory_equal(in.map + large->at, "0123456789abcdef", 16);
    assert_memory_equal(in.map + small->at, "12345", 5);
    assert_int_equal(large->at % ZIP_ALIGN, 0);
    assert_ok(zip_verify(&in, large, &e), e);
    zip_close(&in);
    free(path);
    tmpdir_remove(dir);
}

static void test_offsets_beyond_the_end_are_refused(void **state)
{
    static const struct {
        int at, n; /* bytes of the only entry's records to set to 0xff; at < 0: from the end */
        const char *why;
    } row[] = {
        {28, 2, "reaches beyond the end"},           /* length of the local extra data */
        {-22 - 51 + 24, 3, "compressed"},            /* size in the directory */
        {-22 - 51 + 42, 3, "no entry where it should be"}, /* offset in the directory */
        {-22 + 16, 3, "directory reaches beyond"},   /* offset of the directory */
    };
    char *dir = tmpdir_make(), *path = tmpdir_path(dir, "a.zip");
    struct zip_out out;
    struct zip_in in;
    struct err e;
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(row); i++) {
        struct buf file = {0};

        assert_ok(zip_create(&out, path, &e), e);
        assert_ok(zip_add(&out, "12345", "data", 4, &e), e); /* directory record: 46 + 5 bytes */
        assert_ok(zip_finish(&out, &e), e);
        assert_ok(fs_read(path, 1 << 20, &file, &e), e);
        size_t at = row[i].at < 0 ? file.len - (size_t)-row[i].at : (size_t)row[i].at;
        memset(file.data + at, 0xff, (size_t)row[i].n);
        assert_ok(fs_replace(path, file.data, file.len, &e), e);
        assert_int_not_equal(zip_open(&in, path, &e), ERR_OK);
        assert_has(e.text, row[i].why);
        buf_free(&file);
    }
    free(path);
    tmpdir_remove(dir);
}

static void test_a_failed_write_leaves_no_file(void **state)
{
    char *dir = tmpdir_make(), *path = tmpdir_path(dir, "missing/a.pt");
    struct err e;
    (void)state;

    assert_fails(pt_write_tensor(path, &rows[0], &e), ERR_NOT_FOUND, e, path);
    assert_int_equal(access(path, F_OK), -1);
    struct pt_tensor bad = {"w", PT_F32, 2, {INT64_MAX, INT64_MAX}, weights};
    free(path);
    path = tmpdir_path(dir, "a.pt");
    assert_fails(pt_write_tensor(path, &bad, &e), ERR_BUG, e, "shape");
    assert_int_equal(access(path, F_OK), -1);
    free(path);
    tmpdir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_dtype_and_scalar_round_trips),
        cmocka_unit_test(test_equal_contents_give_equal_bytes),
        cmocka_unit_test(test_a_bare_tensor_has_the_empty_name),
        cmocka_unit_test(test_files_of_pytorch_are_read),
        cmocka_unit_test(test_nested_dictionaries_are_joined_with_dots),
        cmocka_unit_test(test_refusals_name_the_cause),
        cmocka_unit_test(test_a_file_cut_short_anywhere_is_refused),
        cmocka_unit_test(test_a_flipped_byte_anywhere_never_crashes),
        cmocka_unit_test(test_a_damaged_pickle_never_crashes),
        cmocka_unit_test(test_pickles_made_to_explode_are_refused),
        cmocka_unit_test(test_zip64_records_are_written_and_read),
        cmocka_unit_test(test_offsets_beyond_the_end_are_refused),
        cmocka_unit_test(test_a_failed_write_leaves_no_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
