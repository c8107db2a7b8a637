/* safetensors: what is written reads back and is deterministic; every lie that a file can tell about
 * itself is refused with a reason; a file cut or flipped anywhere never crashes the reader. */
#include "tests/lib/check.h"

#include <stdio.h>

#include "common/buf.h"
#include "common/fs.h"
#include "tests/lib/tmpdir.h"
#include "worker/nn/safetensors.h"

static const float floats[6] = {1, -2, 3.5f, 4, 5, -6};
static const double doubles[2] = {0.1, -1e300};
static const int64_t whole[2] = {INT64_MIN, 7};
static const uint16_t halves[6] = {0x3c00, 0xc000, 0x0001, 0x7bff, 0x8000, 0x3555};
static const uint16_t brains[2] = {0x3f80, 0xc2f7};
static const struct st_tensor rows[] = {
    {"W_enc", ST_F32, 2, {2, 3}, floats, NULL}, {"big", ST_F64, 1, {2}, doubles, NULL},
    {"steps", ST_I64, 1, {2}, whole, NULL},     {"half", ST_F16, 2, {3, 2}, halves, NULL},
    {"brain", ST_BF16, 1, {2}, brains, NULL},   {"scalar", ST_F32, 0, {0}, floats, NULL},
    {"none", ST_F32, 2, {0, 3}, floats, NULL},  {"bytes", ST_U8, 1, {5}, floats, NULL},
    {"a \"quoted\" name", ST_I16, 1, {2}, floats, NULL},
};
static const struct st_meta meta[] = {{"k", "4"}, {"arch", "topk"}};

static void test_every_dtype_round_trips(void **state)
{
    char *dir = tmpdir_make(), *path = tmpdir_path(dir, "a.safetensors");
    struct st_file f;
    struct err e;
    (void)state;

    assert_ok(st_write(path, rows, ARRAY_LEN(rows), meta, ARRAY_LEN(meta), &e), e);
    assert_ok(st_open(&f, path, &e), e);
    assert_int_equal(f.n_tensors, ARRAY_LEN(rows));
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct st_tensor *t = st_find(&f, rows[i].name);

        assert_non_null(t);
        assert_int_equal(t->dtype, rows[i].dtype);
        assert_int_equal(t->n_dims, rows[i].n_dims);
        for (int d = 0; d < t->n_dims; d++)
            assert_int_equal(t->shape[d], rows[i].shape[d]);
        assert_int_equal((uintptr_t)t->data % st_size(t->dtype), 0);
        assert_memory_equal(t->data, rows[i].data, st_count(t) * st_size(t->dtype));
    }
    assert_string_equal(st_meta_find(&f, "arch"), "topk");
    assert_null(st_meta_find(&f, "format"));
    st_close(&f);
    free(path);
    tmpdir_remove(dir);
}

static void test_order_of_the_caller_does_not_change_a_byte(void **state)
{
    char *dir = tmpdir_make(), *a = tmpdir_path(dir, "a"), *b = tmpdir_path(dir, "b");
    struct st_tensor turned[ARRAY_LEN(rows)];
    const struct st_meta turned_meta[] = {meta[1], meta[0]};
    struct buf x = {0}, y = {0};
    struct err e;
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        turned[i] = rows[ARRAY_LEN(rows) - 1 - i];
    assert_ok(st_write(a, rows, ARRAY_LEN(rows), meta, 2, &e), e);
    assert_ok(st_write(b, turned, ARRAY_LEN(rows), turned_meta, 2, &e), e);
    assert_ok(fs_read(a, 1 << 20, &x, &e), e);
    assert_ok(fs_read(b, 1 << 20, &y, &e), e);
    assert_int_equal(x.len, y.len);
    assert_memory_equal(x.data, y.data, x.len);
    assert_int_equal((8 + (uint8_t)x.data[0] + 256 * (uint8_t)x.data[1]) % 8, 0);
    buf_free(&x);
    buf_free(&y);
    free(a);
    free(b);
    tmpdir_remove(dir);
}

static void test_numbers_convert_and_what_is_not_finite_is_named(void **state)
{
    static const uint16_t bad[3] = {0x3f80, 0x7f80, 0xffff};
    const struct st_tensor inf = {"w", ST_BF16, 1, {3}, bad, NULL};
    float out[6];
    struct err e;
    (void)state;

    assert_ok(st_to_f32(out, &rows[3], true, &e), e);
    const float want[6] = {1, -2, 0x1p-24f, 65504, -0.0f, 0x1.554p-2f};
    assert_memory_equal(out, want, sizeof want);
    assert_ok(st_to_f32(out, &rows[4], true, &e), e);
    assert_true(out[0] == 1.0f && out[1] == -123.5f);
    assert_true(st_number(whole, ST_I64, 0) == -0x1p63);
    assert_fails(st_to_f32(out, &inf, true, &e), ERR_INVALID, e, "element 1 is infinite");
    assert_ok(st_to_f32(out, &inf, false, &e), e);
}

/* A file with this header and n bytes of data. */
static void put(const char *path, const char *header, size_t n_data)
{
    size_t n = strlen(header);
    struct buf b = {0};
    struct err e;

    for (int i = 0; i < 8; i++)
        buf_char(&b, (char)(n >> (8 * i)));
    buf_str(&b, header);
    for (size_t i = 0; i < n_data; i++)
        buf_char(&b, (char)i);
    assert_ok(fs_replace(path, b.data, b.len, &e), e);
    buf_free(&b);
}

static void test_lies_are_refused_with_their_reason(void **state)
{
#define F32(shape, from, to) "{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":[" from "," to "]}"
    static const struct {
        const char *header, *why;
        size_t n_data;
    } lies[] = {
        {"{\"a\":" F32("[2]", "0", "8") ",\"a\":" F32("[2]", "0", "8") "}", "a", 8},
        {"{\"a\":" F32("[2]", "0", "8") ",\"b\":" F32("[2]", "4", "12") "}", "overlaps", 12},
        {"{\"a\":" F32("[1]", "0", "4") ",\"b\":" F32("[1]", "8", "12") "}", "belong to no tensor", 12},
        {"{\"a\":" F32("[1]", "0", "4") "}", "belong to no tensor", 8},
        {"{\"a\":" F32("[2]", "0", "8") "}", "outside", 4},
        {"{\"a\":" F32("[3]", "0", "8") "}", "its shape and dtype need 12", 8},
        {"{\"a\":" F32("[-1]", "0", "8") "}", "a size that cannot be", 8},
        {"{\"a\":" F32("[4611686018427387904, 4]", "0", "8") "}", "a size that cannot be", 8},
        {"{\"a\":" F32("[1,1,1,1,1,1,1,1,2]", "0", "8") "}", "at most 8", 8},
        {"{\"a\":" F32("[2]", "8", "0") "}", "outside", 8},
        {"{\"a\":" F32("[2]", "-8", "0") "}", "outside", 8},
        {"{\"a\":" F32("[2]", "0", "18446744073709551624") "}", "data_offsets", 8},
        {"{\"a\":" F32("[2]", "\"0\"", "8") "}", "data_offsets", 8},
        {"{\"a\":" F32("2", "0", "8") "}", "shape", 8},
        {"{\"a\":{\"dtype\":\"F8_E4M3\",\"shape\":[8],\"data_offsets\":[0,8]}}", "F8_E4M3", 8},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", "not {dtype, shape, data_offsets}", 8},
        {"{\"a\":7}", "not {dtype", 0},
        {"{\"__metadata__\":{\"k\":4}}", "not a string", 0},
        {"{\"__metadata__\":[]}", "__metadata__", 0},
        {"[]", "does not begin with {", 0},
        {"{\"a\":", "header", 0},
    };
    char *dir = tmpdir_make(), *path = tmpdir_path(dir, "a");
    struct st_file f;
    struct err e;
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(lies); i++) {
        put(path, lies[i].header, lies[i].n_data);
        enum err_code rc = st_open(&f, path, &e);
        if (!rc || !strstr(e.text, lies[i].why))
            fail_msg("%s: %s", lies[i].header, rc ? e.text : "was taken");
    }
    assert_fails(st_open(&f, "/nonexistent", &e), ERR_NOT_FOUND, e, "/nonexistent");
    assert_fails(st_open(&f, dir, &e), ERR_INVALID, e, "not a file");
    free(path);
    tmpdir_remove(dir);
}

static void test_a_file_cut_anywhere_is_refused(void **state)
{
    char *dir = tmpdir_make(), *path = tmpdir_path(dir, "a"), *cut = tmpdir_path(dir, "b");
    struct buf all = {0};
    struct st_file f;
    struct err e;
    (void)state;

    assert_ok(st_write(path, rows, ARRAY_LEN(rows), meta, 2, &e), e);
    assert_ok(fs_read(path, 1 << 20, &all, &e), e);
    for (size_t n = 0; n < all.len; n++) {
        assert_ok(fs_replace(cut, all.data, n, &e), e);
        if (!st_open(&f, cut, &e))
            fail_msg("%zu of %zu bytes were taken for a whole file", n, all.len);
    }
    buf_free(&all);
    free(path);
    free(cut);
    tmpdir_remove(dir);
}

/* A reader that trusts a flipped byte would read outside the map; ASan and the map's end tell. */
static void test_a_flip_of_every_bit_of_the_header_never_crashes(void **state)
{
    char *dir = tmpdir_make(), *path = tmpdir_path(dir, "a"), *bad = tmpdir_path(dir, "b");
    struct buf all = {0};
    size_t n_header, n_refused = 0;
    struct err e;
    (void)state;

    assert_ok(st_write(path, rows, ARRAY_LEN(rows), meta, 2, &e), e);
    assert_ok(fs_read(path, 1 << 20, &all, &e), e);
    n_header = 8 + (size_t)(uint8_t)all.data[0] + 256 * (size_t)(uint8_t)all.data[1];
    for (size_t i = 0; i < 8 * n_header; i++) {
        struct st_file f;
        float sum = 0;

        all.data[i / 8] ^= (char)(1 << i % 8);
        FILE *out = fopen(bad, "wb");
        assert_non_null(out);
        assert_int_equal(fwrite(all.data, 1, all.len, out), all.len);
        fclose(out);
        if (st_open(&f, bad, &e))
            n_refused++;
        else {
            for (size_t t = 0; t < f.n_tensors; t++)
                for (size_t k = 0; k < st_count(&f.tensors[t]); k++)
                    sum += (float)st_number(f.tensors[t].data, f.tensors[t].dtype, k);
            assert_true(sum != 12345.678f);
            st_close(&f);
        }
        all.data[i / 8] ^= (char)(1 << i % 8);
    }
    assert_in_range(n_refused, n_header, 8 * n_header);
    buf_free(&all);
    free(path);
    free(bad);
    tmpdir_remove(dir);
}

static void test_shards_read_as_one_and_an_index_that_lies_is_refused(void **state)
{
    char *dir = tmpdir_make(), *index = tmpdir_path(dir, "model.safetensors.index.json");
    char *extra = tmpdir_path(dir, "extra.safetensors");
    static const char *const lies[][2] = {
        {"{}", "weight_map"},
        {"{\"weight_map\": {\"a\": \"../a\"}}", "not the name of a file"},
        {"{\"weight_map\": {\"b\": \"extra.safetensors\"}}", "not in the index"},
        {"{\"weight_map\": {\"W_enc\": \"extra.safetensors\", \"b\": \"extra.safetensors\"}}",
         "in the index, not in"},
        {"{\"weight_map\": {\"W_enc\": \"gone.safetensors\"}}", "gone.safetensors"},
    };
    struct st_file f;
    struct err e;
    (void)state;

    assert_ok(st_write_shards(dir, rows, ARRAY_LEN(rows), 30, &e), e);
    assert_ok(st_open_dir(&f, dir, &e), e);
    assert_int_equal(f.n_tensors, ARRAY_LEN(rows));
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct st_tensor *t = st_find(&f, rows[i].name);

        assert_non_null(t);
        assert_memory_equal(t->data, rows[i].data, st_count(t) * st_size(t->dtype));
    }
    st_close(&f);
    assert_ok(st_write(extra, rows, 1, NULL, 0, &e), e);
    for (size_t i = 0; i < ARRAY_LEN(lies); i++) {
        assert_ok(fs_replace(index, lies[i][0], strlen(lies[i][0]), &e), e);
        enum err_code rc = st_open_dir(&f, dir, &e);
        if (!rc || !strstr(e.text, lies[i][1]))
            fail_msg("%s: %s", lies[i][0], rc ? e.text : "was taken");
    }
    free(index);
    free(extra);
    tmpdir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_dtype_round_trips),
        cmocka_unit_test(test_order_of_the_caller_does_not_change_a_byte),
        cmocka_unit_test(test_numbers_convert_and_what_is_not_finite_is_named),
        cmocka_unit_test(test_lies_are_refused_with_their_reason),
        cmocka_unit_test(test_a_file_cut_anywhere_is_refused),
        cmocka_unit_test(test_a_flip_of_every_bit_of_the_header_never_crashes),
        cmocka_unit_test(test_shards_read_as_one_and_an_index_that_lies_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
