/* test_sha256.c - digests against the NIST vectors (FIPS 180-4 examples), and hex texts. */
#include "tests/lib/check.h"
#include "tests/lib/tmpdir.h"

#include "common/fs.h"
#include "common/sha256.h"

static const struct {
    const char *text, *hex;
} vectors[] = {
    {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
};
#define MILLION_A "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"

static void test_nist_vectors(void **state)
{
    uint8_t d[32];
    char hex[65];

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
        sha256_of(vectors[i].text, strlen(vectors[i].text), d);
        assert_string_equal(hex_text(hex, d, 32), vectors[i].hex);
    }
}

static void test_a_million_a_in_uneven_pieces(void **state)
{
    char piece[997];
    struct sha256 s;
    uint8_t d[32];
    char hex[65];

    (void)state;
    memset(piece, 'a', sizeof piece);
    sha256_init(&s);
    for (size_t left = 1000000; left;) {
        size_t n = left < sizeof piece ? left : sizeof piece;

        sha256_add(&s, piece, n);
        left -= n;
    }
    sha256_end(&s, d);
    assert_string_equal(hex_text(hex, d, 32), MILLION_A);
}

static void test_a_file_has_the_digest_of_its_bytes(void **state)
{
    char *dir = tmpdir_make(), *path = tmpdir_path(dir, "f"), *data = malloc(1000000);
    uint64_t size;
    uint8_t d[32];
    char hex[65];
    struct err e;

    (void)state;
    memset(data, 'a', 1000000);
    assert_ok(fs_replace(path, data, 1000000, &e), e);
    assert_ok(sha256_file(path, d, &size, &e), e);
    assert_int_equal(size, 1000000);
    assert_string_equal(hex_text(hex, d, 32), MILLION_A);
    assert_fails(sha256_file(dir, d, &size, &e), ERR_IO, e, dir);
    free(path);
    path = tmpdir_path(dir, "absent");
    assert_fails(sha256_file(path, d, &size, &e), ERR_NOT_FOUND, e, "absent");
    free(data);
    free(path);
    tmpdir_remove(dir);
}

static void test_hex_reads_back_and_refuses_the_rest(void **state)
{
    const uint8_t want[3] = {0x00, 0xab, 0xff};
    uint8_t got[3];
    char hex[7];

    (void)state;
    assert_string_equal(hex_text(hex, want, 3), "00abff");
    assert_true(hex_parse(got, 3, "00ABff"));
    assert_memory_equal(got, want, 3);
    assert_false(hex_parse(got, 3, "00abf"));
    assert_false(hex_parse(got, 3, "00abff0"));
    assert_false(hex_parse(got, 3, "00abfg"));
    assert_false(hex_parse(got, 3, "00ab/f"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nist_vectors),
        cmocka_unit_test(test_a_million_a_in_uneven_pieces),
        cmocka_unit_test(test_a_file_has_the_digest_of_its_bytes),
        cmocka_unit_test(test_hex_reads_back_and_refuses_the_rest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
