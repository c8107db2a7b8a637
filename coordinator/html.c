/* html.c - see html.h. */
#include "coordinator/html.h"

#include <stdbool.h>
#include <string.h>

/* Bytes of the UTF-8 character at s; 0: it is none. */
static size_t utf8_len(const unsigned char *s)
{
    size_t n = s[0] < 0x80 ? 1 : s[0] >= 0xc2 && s[0] < 0xe0 ? 2 : s[0] >= 0xe0 && s[0] < 0xf0 ? 3 : s[0] >= 0xf0 && s[0] < 0xf5 ? 4 : 0;

    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    if (n == 3 && ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] >= 0xa0)))
        return 0; /* too long a form, or half of a surrogate pair */
    if (n == 4 && ((s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] >= 0x90)))
        return 0;
    return n;
}

void html_text(struct buf *out, const char *s)
{
    while (s && *s) {
        size_t n = utf8_len((const unsigned char *)s);

        if (n == 0)
            buf_str(out, "\xef\xbf\xbd");
        else if (n > 1)
            buf_add(out, s, n);
        else if (*s == '&')
            buf_str(out, "&amp;");
        else if (*s == '<')
            buf_str(out, "&lt;");
        else if (*s == '>')
            buf_str(out, "&gt;");
        else if (*s == '"')
            buf_str(out, "&quot;");
        else
            buf_char(out, ((unsigned char)*s < 0x20 && *s != '\n') || *s == 0x7f ? ' ' : *s);
        s += n ? n : 1;
    }
}

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("._-", c));
}

void html_id(struct buf *out, const char *s)
{
    for (; s && *s; s++)
        buf_char(out, is_plain(*s) ? *s : '_');
}

void html_url(struct buf *out, const char *s)
{
    for (; s && *s; s++) {
        if (is_plain(*s) || *s == '/')
            buf_char(out, *s);
        else
            buf_fmt(out, "%%%02X", (unsigned)(unsigned char)*s);
    }
}
