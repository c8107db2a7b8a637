/* html.h - texts of others in an HTML page. */
#pragma once
#include "common/buf.h"

/* Text or the value of a quoted attribute: markup is escaped, control characters become blanks, bytes
 * that are no UTF-8 become U+FFFD.  NULL adds nothing. */
void html_text(struct buf *out, const char *s);
/* A part of an id or a link: letters, digits, '.', '_' and '-' stay, all else becomes '_'. */
void html_id(struct buf *out, const char *s);
/* A part of a relative URL: all but letters, digits, '.', '_', '-' and '/' as %XX. */
void html_url(struct buf *out, const char *s);
