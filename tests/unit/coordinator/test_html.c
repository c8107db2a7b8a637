/* test_html.c - no text of others becomes markup. */
#include "tests/lib/check.h"

#include "coordinator/html.h"

static void expect(void (*put)(struct buf *, const char *), const char *text, const char *want)
{
    struct buf b = {0};

    put(&b, text);
    assert_string_equal(b.data ? b.data : "", want);
    buf_free(&b);
}

static void test_markup_is_escaped(void **state)
{
    (void)state;
    expect(html_text, "<script>alert(\"1\")&'</script>", "&lt;script&gt;alert(&quot;1&quot;)&amp;'&lt;/script&gt;");
    expect(html_text, NULL, "");
    expect(html_text, "a\nb\tc\x01\x02\x7f", "a\nb c   ");
}

static void test_only_utf8_is_let_through(void **state)
{
    (void)state;
    expect(html_text, "\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80", "\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80");
    expect(html_text, "a\xff\x80z", "a\xef\xbf\xbd\xef\xbf\xbdz");
    expect(html_text, "\xc3", "\xef\xbf\xbd");                             /* cut off */
    expect(html_text, "\xc0\xbc", "\xef\xbf\xbd\xef\xbf\xbd");             /* '<' in two bytes */
    expect(html_text, "\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"); /* half of a pair */
}

static void test_ids_and_urls(void **state)
{
    (void)state;
    expect(html_id, "a b\"><x.y-z_1", "a_b___x.y-z_1");
    expect(html_url, "r s/a\"b%.html", "r%20s/a%22b%25.html");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_markup_is_escaped),
        cmocka_unit_test(test_only_utf8_is_let_through),
        cmocka_unit_test(test_ids_and_urls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
