/* UTF-8 repaired by maximal parts, and NFC against its own definition. */
#include "tests/lib/check.h"

#include "common/rng.h"
#include "worker/data/nfc.h"
#include "worker/data/utf8.h"

#define BAD "\xEF\xBF\xBD"

static void ill_formed_parts_become_one_mark_each(void **state)
{
    const struct {
        const char *in, *out;
    } row[] = { /* the first rows: Unicode 15, table 3-8 to 3-11 */
        {"\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41", BAD BAD BAD BAD BAD BAD BAD BAD "A"},
        {"\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41", BAD BAD BAD BAD BAD BAD BAD BAD "A"},
        {"\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42", BAD BAD BAD BAD BAD "A" BAD BAD "B"},
        {"\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41", BAD BAD BAD BAD "A"},
        {"\xE2\x82", BAD},
        {"x\xF0\x9F\x98", "x" BAD},
        {BAD "ok", BAD "ok"},
        {"12345678\xC3\xA9", "12345678\xC3\xA9"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(row); i++)
        for (size_t chunk = 1; chunk <= 16; chunk++) {
            struct utf8_repair r = {0};
            struct buf out = {0};
            size_t n = strlen(row[i].in);

            for (size_t at = 0; at < n; at += chunk)
                utf8_repair(&r, &out, row[i].in + at, n - at < chunk ? n - at : chunk, false);
            utf8_repair(&r, &out, "", 0, true);
            assert_string_equal(out.data, row[i].out);
            buf_free(&out);
        }
}

static void every_code_point_there_and_back(void **state)
{
    char text[4];
    size_t len;
    uint32_t got;

    (void)state;
    for (uint32_t c = 0; c <= UNICODE_MAX; c++) {
        if (c >= 0xD800 && c < 0xE000)
            continue;
        size_t n = utf8_put(text, c);
        assert_int_equal(utf8_get((const uint8_t *)text, &len), c);
        assert_int_equal(len, n);
        assert_int_equal(utf8_next((const uint8_t *)text, n, &got), n);
        assert_int_equal(got, c);
        for (size_t cut = 1; cut < n; cut++)
            assert_int_equal(utf8_next((const uint8_t *)text, cut, &got), 0);
    }
}

static struct unicode u;

static void assert_nfc(const char *in, const char *want)
{
    struct buf out = {0};

    nfc_add(&u, &out, (const uint8_t *)in, strlen(in));
    assert_string_equal(out.data, want);
    buf_free(&out);
}

static void known_normal_forms(void **state)
{
    (void)state;
    assert_nfc("plain", "plain");
    assert_nfc("e\xCC\x81", "\xC3\xA9");
    assert_nfc("x\xCC\x81", "x\xCC\x81");
    assert_nfc("\xE2\x84\xAB", "\xC3\x85");                           /* angstrom sign */
    assert_nfc("a\xCC\x81\xCC\xA3", "\xE1\xBA\xA1\xCC\x81");          /* dot below before acute */
    assert_nfc("\xE1\x84\x92\xE1\x85\xA1\xE1\x86\xAB", "\xED\x95\x9C"); /* Hangul L V T */
    assert_nfc("\xED\x95\x98\xE1\x86\xAB", "\xED\x95\x9C");           /* LV + T */
    assert_nfc("\xE0\xA5\x98", "\xE0\xA4\x95\xE0\xA4\xBC");           /* excluded from composition */
    assert_nfc("\xCD\x84", "\xCC\x88\xCC\x81");                       /* a mark that decomposes */
    assert_nfc("\xC7\x95", "\xC7\x95");                               /* two levels, both compose */
    assert_nfc("u\xCC\x88\xCC\x84", "\xC7\x96");
}

/* Cutting at boundaries must not change the form: character by character against all at once. */
static void runs_are_normalised_as_the_whole_would_be(void **state)
{
    static const uint32_t pool[] = {'a', 'e', 'u', ' ', 0x301, 0x308, 0x304, 0x323, 0x327, 0x345, 0x212B,
                                    0xC5, 0x1EA1, 0x1100, 0x1161, 0x11A8, 0xAC00, 0xAC01, 0x958, 0x93C,
                                    0x344, 0xF73, 0xF71, 0x4E2D, 0xFB1D, 0x5B4, 0x1D15E, 0x0B47, 0x0B3E};
    struct rng r = rng_stream(1, "test.nfc");
    struct buf text = {0}, once = {0}, twice = {0}, parts = {0};

    (void)state;
    for (int round = 0; round < 20000; round++) {
        char four[4];
        size_t n = (size_t)rng_below(&r, 12), last = 0;

        buf_reset(&text);
        buf_reset(&once);
        buf_reset(&twice);
        buf_reset(&parts);
        for (size_t i = 0; i < n; i++) {
            uint32_t c = pool[rng_below(&r, ARRAY_LEN(pool))];

            if (!(u.flags[c] & UNICODE_JOINS)) {
                nfc_add(&u, &parts, (const uint8_t *)text.data + last, text.len - last);
                last = text.len;
            }
            buf_add(&text, four, utf8_put(four, c));
        }
        nfc_add(&u, &parts, (const uint8_t *)text.data + last, text.len - last);
        nfc_add(&u, &once, (const uint8_t *)text.data, text.len);
        nfc_add(&u, &twice, (const uint8_t *)once.data, once.len);
        assert_string_equal(once.data, twice.data);
        assert_string_equal(once.data, parts.data);
        if (nfc_is_stable(&u, (const uint8_t *)text.data, text.len))
            assert_memory_equal(text.data, once.data, text.len);
    }
    buf_free(&text);
    buf_free(&once);
    buf_free(&twice);
    buf_free(&parts);
}

static void classes_of_some_code_points(void **state)
{
    const struct {
        uint32_t c;
        enum unicode_class kind;
    } row[] = {{'a', CLASS_LETTER},   {'7', CLASS_NUMBER},    {' ', CLASS_SPACE},  {'\n', CLASS_SPACE},
               {'_', CLASS_OTHER},    {0xA0, CLASS_SPACE},    {0x200B, CLASS_OTHER}, {0x661, CLASS_NUMBER},
               {0x4E2D, CLASS_LETTER}, {0x301, CLASS_OTHER},  {0xB2, CLASS_NUMBER}, {0x1F600, CLASS_OTHER},
               {0x10FFFF, CLASS_OTHER}, {0x85, CLASS_SPACE},  {0x3000, CLASS_SPACE}, {0, CLASS_OTHER}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(row); i++)
        assert_int_equal(u.flags[row[i].c] & UNICODE_CLASS, row[i].kind);
}

static int setup(void **state)
{
    struct err e;

    (void)state;
    assert_ok(unicode_open(&u, &e), e);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unicode_close(&u);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ill_formed_parts_become_one_mark_each),
        cmocka_unit_test(every_code_point_there_and_back),
        cmocka_unit_test(known_normal_forms),
        cmocka_unit_test(runs_are_normalised_as_the_whole_would_be),
        cmocka_unit_test(classes_of_some_code_points),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
