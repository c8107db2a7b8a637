/* test_ingest.c - result folders: what is taken, thinned, refused. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/fs.h"
#include "coordinator/gate.h"
#include "coordinator/ingest.h"

#define HEX "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static int setup(void **state)
{
    char *dir = strdup("/tmp/saegrid_test_XXXXXX");

    *state = dir;
    return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
    struct err e;
    int rc = fs_remove_tree(*state, &e) ? -1 : 0;

    free(*state);
    return rc;
}

static void put(const char *dir, const char *name, const char *text)
{
    char path[256];
    struct err e = {0};

    snprintf(path, sizeof path, "%s/%s", dir, name);
    if (fs_replace(path, text, strlen(text), &e))
        fail_msg("%s", e.text);
}

struct seen {
    int64_t first, last, n;
    double sum;
};

static enum err_code see(void *ctx, const struct ingest_point *p, struct err *e)
{
    struct seen *s = ctx;

    (void)e;
    if (!s->n++)
        s->first = p->step;
    s->last = p->step;
    s->sum += p->value;
    return ERR_OK;
}

static void test_a_long_series_is_thinned_by_the_stated_rule(void **state)
{
    static const int lengths[] = {1, 1999, 2000, 2001, 2500, 4000, 12345};

    for (size_t k = 0; k < ARRAY_LEN(lengths); k++) {
        struct ingest in = {0};
        struct buf text = {0};
        struct seen s = {0};
        struct err e = {0};
        int n = lengths[k], want = n < INGEST_SERIES_MAX ? n : INGEST_SERIES_MAX;

        buf_str(&text, "name,step,value\n");
        for (int i = 0; i < n; i++)
            buf_fmt(&text, "loss,%d,%d\n", i, 1);
        put(*state, "series.csv", text.data);
        buf_str(&in.dir, *state);
        assert_int_equal(ingest_series(&in, see, &s, &e), ERR_OK);
        if (s.n != want)
            fail_msg("%d points: %lld kept, not %d", n, (long long)s.n, want);
        assert_int_equal(s.first, 0);
        assert_int_equal(s.last, n - 1);
        buf_free(&text);
        ingest_close(&in);
    }
}

static void test_bad_series_name_the_line(void **state)
{
    struct ingest in = {0};
    struct seen s = {0};
    struct err e = {0};

    buf_str(&in.dir, *state);
    put(*state, "series.csv", "name,step,value\nloss,1,0.5\nloss,x,0.5\n");
    assert_int_equal(ingest_series(&in, see, &s, &e), ERR_CORRUPT);
    assert_non_null(strstr(e.text, "series.csv:3"));
    put(*state, "series.csv", "nonsense\n");
    assert_int_equal(ingest_series(&in, see, &s, &e), ERR_CORRUPT);
    put(*state, "series.csv", "name,step,value\nloss,1,\nloss,2,nan\nloss,3,0.5");
    s = (struct seen){0};
    assert_int_equal(ingest_series(&in, see, &s, &e), ERR_OK);
    assert_int_equal(s.n, 1);
    assert_int_equal(s.last, 3);
    ingest_close(&in);
}

static void test_results_are_checked_before_they_are_believed(void **state)
{
    static const struct {
        const char *text, *want;
    } row[] = {
        {"{", "result.json"},
        {"[]", "format"},
        {"{\"format\":2}", "format"},
        {"{\"format\":1,\"job\":\"ff\",\"metrics\":{}}", "is of job ff"},
        {"{\"format\":1,\"job\":\"" HEX "\"}", "metrics are missing"},
        {"{\"format\":1,\"job\":\"" HEX "\",\"kind\":\"mock\",\"metrics\":{},\"absent\":{\"value\":\"\"}}",
         "metrics: value: declared by kind mock, neither there nor absent with a reason"},
        {"{\"format\":1,\"job\":\"" HEX "\",\"verdict\":\"maybe\",\"metrics\":{}}", "verdict is \"maybe\""},
        {"{\"format\":1,\"job\":\"" HEX "\",\"metrics\":{},\"artifacts\":[{\"path\":\"../../etc/passwd\",\"bytes\":1,"
         "\"sha256\":\"" HEX "\"}]}", "leads out of the folder"},
        {"{\"format\":1,\"job\":\"" HEX "\",\"metrics\":{},\"artifacts\":[{\"path\":\"x\",\"bytes\":1,\"sha256\":\"1\"}]}",
         "malformed"},
        {"{\"format\":1,\"job\":\"" HEX "\",\"metrics\":{},\"artifacts\":[{\"path\":\"x\",\"bytes\":1,\"sha256\":\"" HEX
         "\"}]}", "No such file"},
    };
    struct ingest in;
    struct err e = {0};

    assert_int_equal(ingest_open(&in, *state, HEX, &e), ERR_CORRUPT);
    for (size_t i = 0; i < ARRAY_LEN(row); i++) {
        put(*state, "result.json", row[i].text);
        assert_int_equal(ingest_open(&in, *state, HEX, &e), ERR_CORRUPT);
        if (!strstr(e.text, row[i].want))
            fail_msg("row %zu: \"%s\" lacks \"%s\"", i, e.text, row[i].want);
    }
    put(*state, "result.json", "{\"format\":1,\"job\":\"" HEX "\",\"verdict\":\"negative\",\"message\":\"no\",\"metrics\":{},"
                               "\"provenance\":{\"commit\":\"c\",\"pid\":7,\"command\":\"run x\",\"cores\":2}}");
    assert_int_equal(ingest_open(&in, *state, HEX, &e), ERR_OK);
    assert_string_equal(in.verdict, "negative");
    assert_string_equal(in.provenance.data, "{\"commit\":\"c\",\"cores\":2}");
    assert_string_equal(in.command, "run x");
    ingest_close(&in);
}

static enum err_code see_pair(void *ctx, const struct ingest_pair *p, struct err *e)
{
    *(struct ingest_pair *)ctx = *p;
    (void)e;
    return ERR_OK;
}

static void test_pairs_go_by_their_header(void **state)
{
    struct ingest_pair p;
    struct err e = {0};

    (void)state;
    assert_int_equal(ingest_pairs("mmcs,seed_b,extra,seed_a,pwmcc\r\n0.25,7,x,3,0.5\r\n", see_pair, &p, &e), ERR_OK);
    assert_true(p.seed_a == 3 && p.seed_b == 7 && p.value[0] == 0.5 && p.value[1] == 0.25 && isnan(p.value[2]));
    assert_int_equal(ingest_pairs("seed_a,pwmcc\n1,2\n", see_pair, &p, &e), ERR_CORRUPT);
    assert_int_equal(ingest_pairs("seed_a,seed_b,pwmcc\n1,2,x\n", see_pair, &p, &e), ERR_CORRUPT);
}

static enum err_code see_metric(void *ctx, const char *name, double value, struct err *e)
{
    (void)e;
    *(double *)ctx += value * (name[0] == 'a' ? 1 : 10);
    return ERR_OK;
}

static void test_inline_metrics(void **state)
{
    double sum = 0;
    struct err e = {0};

    (void)state;
    assert_int_equal(ingest_inline(" a=1  b=2.5 a=nan ", see_metric, &sum, &e), ERR_OK);
    assert_true(sum == 26);
    assert_int_equal(ingest_inline("a", see_metric, &sum, &e), ERR_CORRUPT);
    assert_int_equal(ingest_inline("a=x", see_metric, &sum, &e), ERR_CORRUPT);
}

static void test_gates(void **state)
{
    static const struct {
        double min, max, value, mean;
        const char *against;
        bool want;
    } row[] = {
        {1, 2, 1, 0, NULL, true},    {1, 2, 2, 0, NULL, true},     {1, 2, 0.9, 0, NULL, false},
        {1, 2, 2.1, 0, NULL, false}, {NAN, 2, -9, 0, NULL, true},  {1, NAN, 9, 0, NULL, true},
        {NAN, 2, 12, 11, "c", true}, {NAN, 2, 12, 9, "c", false},  {NAN, NAN, 1, NAN, "c", false},
        {NAN, NAN, NAN, 0, NULL, false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(row); i++) {
        struct gate g = {"ev", row[i].against, row[i].min, row[i].max};
        struct buf why = {0};

        if (gate_passes(&g, row[i].value, row[i].mean, &why) != row[i].want)
            fail_msg("row %zu: %s", i, why.data);
        assert_true(why.len > 0);
        buf_free(&why);
    }
}

static void test_how_many_go_on(void **state)
{
    (void)state;
    assert_int_equal(gate_kept(0.34, 9), 4); /* rounded up */
    assert_int_equal(gate_kept(1.0 / 3, 9), 3);
    assert_int_equal(gate_kept(0.01, 9), 1);
    assert_int_equal(gate_kept(3, 9), 3);
    assert_int_equal(gate_kept(30, 9), 9);
    assert_int_equal(gate_kept(0.5, 0), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_long_series_is_thinned_by_the_stated_rule),
        TEST(test_bad_series_name_the_line),
        TEST(test_results_are_checked_before_they_are_believed),
        TEST(test_pairs_go_by_their_header),
        TEST(test_inline_metrics),
        TEST(test_gates), TEST(test_how_many_go_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
