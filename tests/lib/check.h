/* check.h - what every unit test includes: cmocka and a few checks of our own. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"

/* The call succeeds; otherwise its text is shown.  `e` is the struct err that it was given. */
#define assert_ok(call, e)                                                                         \
    do {                                                                                           \
        (e).text[0] = '\0';                                                                        \
        enum err_code code_ = (call);                                                              \
        if (code_)                                                                                 \
            fail_msg("%s: %s: %s", #call, err_name(code_), (e).text);                              \
    } while (0)

/* The call fails with this code and a text that holds `part`. */
#define assert_fails(call, want, e, part)                                                          \
    do {                                                                                           \
        (e).text[0] = '\0';                                                                        \
        enum err_code code_ = (call);                                                              \
        if (code_ != (want) || !strstr((e).text, (part)))                                          \
            fail_msg("%s: %s: \"%s\", wanted %s and \"%s\"", #call, err_name(code_), (e).text,     \
                     err_name(want), (part));                                                      \
    } while (0)

#define assert_has(text, part)                                                                     \
    do {                                                                                           \
        const char *text_ = (text);                                                                \
        if (!text_ || !strstr(text_, (part)))                                                      \
            fail_msg("\"%s\" does not hold \"%s\"", text_ ? text_ : "(null)", (part));             \
    } while (0)

/* |a - b| <= tol; NaN never passes. */
#define assert_near(a, b, tol)                                                                     \
    do {                                                                                           \
        double a_ = (a), b_ = (b);                                                                 \
        if (!(fabs(a_ - b_) <= (tol)))                                                             \
            fail_msg("%s = %.17g, wanted %.17g within %g", #a, a_, b_, (double)(tol));             \
    } while (0)
