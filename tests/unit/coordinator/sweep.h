/* sweep.h - sweeps written in a test, loaded in a folder of their own. */
#pragma once
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/fs.h"
#include "coordinator/expand.h"
#include "coordinator/spec.h"

static char sweep_dir[64];

/* Group setup and teardown: the folder becomes the current one, so files have short names. */
static int sweep_setup(void **state)
{
    (void)state;
    strcpy(sweep_dir, "/tmp/saegrid-sweep-XXXXXX");
    return mkdtemp(sweep_dir) && chdir(sweep_dir) == 0 ? 0 : -1;
}

static int sweep_teardown(void **state)
{
    (void)state;
    return chdir("/") == 0 && fs_remove_tree(sweep_dir, NULL) == ERR_OK ? 0 : -1;
}

UNUSED static void sweep_file(const char *name, const char *text)
{
    FILE *f = fopen(name, "w"); /* no fsync: thousands are written */

    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
    assert_int_equal(fclose(f), 0);
}

/* --set as "key=value" strings, NULL-terminated; may be NULL. */
static struct spec *sweep_try(const char *text, const char *const *sets, const char *profile,
                              struct buf *errors)
{
    struct spec_set pairs[8];
    char keys[8][64];
    size_t n = 0;
    struct spec *s;
    struct err e = {0};
    enum err_code rc;

    for (; sets && sets[n]; n++) {
        size_t len = strcspn(sets[n], "=");

        assert_true(n < 8 && len < 64);
        memcpy(keys[n], sets[n], len);
        keys[n][len] = '\0';
        pairs[n] = (struct spec_set){keys[n], sets[n] + len + 1};
    }
    sweep_file("s.yaml", text);
    rc = spec_load("s.yaml", pairs, n, profile, &s, errors, &e);
    assert_int_equal(rc == ERR_OK, s != NULL);
    assert_int_equal(rc == ERR_OK, errors->len == 0);
    return s;
}

UNUSED static void sweep_fails_with(const char *text, const char *const *sets, const char *profile,
                                    const char *want)
{
    struct buf errors = {0};
    struct spec *s = sweep_try(text, sets, profile, &errors);

    if (s)
        fail_msg("taken without an error; wanted %s", want);
    if (strcmp(errors.data, want) != 0)
        fail_msg("%s\n--- got ---\n%s--- wanted ---\n%s", text, errors.data, want);
    buf_free(&errors);
}

UNUSED static struct spec *sweep_load_with(const char *text, const char *const *sets,
                                           const char *profile)
{
    struct buf errors = {0};
    struct spec *s = sweep_try(text, sets, profile, &errors);

    if (!s)
        fail_msg("%s\n%s", text, errors.data);
    buf_free(&errors);
    return s;
}
