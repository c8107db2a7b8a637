/* Windows over a text: what is scored, how often, behind what; rolling against the harness's own loop. */
#include "tests/lib/check.h"

#include "worker/data/windows.h"

enum { MAX = 400 };

static uint64_t at[32], zero[32];

static struct tokens text_of(const uint64_t *docs, size_t n_docs, bool is_lines)
{
    at[0] = 0;
    for (size_t i = 0; i < n_docs; i++)
        at[i + 1] = at[i] + docs[i];
    return (struct tokens){.n = at[n_docs], .n_docs = n_docs, .is_lines = is_lines, .token_at = at,
                           .byte_at = zero, .word_at = zero};
}

/* How often each id is scored, and how much stands before it when it is. */
static size_t walk(const struct tokens *t, enum window_protocol p, size_t length, size_t step,
                   bool has_prefix, size_t max_ids, int *n_scored, size_t *n_before)
{
    struct windows w;
    struct window x;
    struct err e;
    size_t n = 0;

    memset(n_scored, 0, MAX * sizeof *n_scored);
    assert_ok(windows_init(&w, t, p, length, step, has_prefix, max_ids, &e), e);
    for (; windows_next(&w, &x); n++) {
        assert_true(x.n > x.n_context && x.first + x.n <= t->n);
        assert_true(x.n - 1 + x.has_prefix <= length); /* ids that are fed */
        assert_true(x.has_prefix || x.n_context > 0);
        for (size_t i = x.n_context; i < x.n; i++) {
            n_scored[x.first + i]++;
            n_before[x.first + i] = i + x.has_prefix;
        }
    }
    return n;
}

static void lines_are_scored_but_for_their_first_id(void **state)
{
    const uint64_t docs[] = {5, 1, 9, 2};
    struct tokens t = text_of(docs, 4, true);
    int n[MAX];
    size_t before[MAX];

    (void)state;
    assert_int_equal(walk(&t, WINDOW_LINE, 6, 0, false, 0, n, before), 3);
    for (size_t i = 0; i < t.n; i++) {
        bool is_first = i == 0 || i == 5 || i == 6 || i == 15, is_behind = i >= 6 + 6 && i < 15;

        assert_int_equal(n[i], !is_first && !is_behind);
    }
    assert_int_equal(walk(&t, WINDOW_LINE, 6, 0, false, 3, n, before), 1);
    assert_int_equal(n[2] + n[3], 1);
}

static void blocks_are_disjoint(void **state)
{
    const uint64_t docs[] = {10, 13};
    struct tokens t = text_of(docs, 2, false);
    int n[MAX];
    size_t before[MAX];

    (void)state;
    assert_int_equal(walk(&t, WINDOW_BLOCK, 7, 0, false, 0, n, before), 4);
    for (size_t i = 0; i < t.n; i++)
        assert_int_equal(n[i], i % 7 != 0);
    assert_int_equal(walk(&t, WINDOW_BLOCK, 7, 0, true, 0, n, before), 4);
    for (size_t i = 0; i < t.n; i++) {
        assert_int_equal(n[i], 1);
        assert_int_equal(before[i], i % 7 + 1);
    }
    assert_int_equal(walk(&t, WINDOW_BLOCK, 11, 0, false, 0, n, before), 2); /* the last id alone scores nothing */
}

static void strides_score_every_id_but_the_first_once(void **state)
{
    (void)state;
    for (uint64_t total = 2; total < 60; total++)
        for (size_t length = 2; length < 12; length++)
            for (size_t step = 1; step <= length; step++) {
                struct tokens t = text_of(&total, 1, false);
                int n[MAX];
                size_t before[MAX];

                walk(&t, WINDOW_STRIDE, length, step, false, 0, n, before);
                for (size_t i = 0; i < total; i++) {
                    /* where windows do not overlap the first id of each has nothing before it */
                    bool is_lost = i == 0 || (step == length && i % length == 0);

                    assert_int_equal(n[i], !is_lost);
                    if (i >= length && !is_lost)
                        assert_true(before[i] >= length - step);
                }
            }
}

/* get_rolling_token_windows and make_disjoint_window of the harness, for one document. */
static void harness(size_t n, size_t length, int *n_scored, size_t *n_before)
{
    size_t predicted = n < length ? n : length;

    for (size_t i = 0; i < predicted; i++) {
        n_scored[i] = 1;
        n_before[i] = i + 1;
    }
    while (predicted < n) {
        size_t more = n - predicted < length ? n - predicted : length, end = predicted + more;
        size_t first_fed = end - length - 1;

        for (size_t i = predicted; i < end; i++) {
            n_scored[i]++;
            n_before[i] = i - first_fed;
        }
        predicted = end;
    }
}

static void rolling_is_that_of_the_harness(void **state)
{
    (void)state;
    for (uint64_t total = 1; total < 60; total++)
        for (size_t length = 1; length < 20; length++) {
            struct tokens t = text_of(&total, 1, false);
            int got[MAX], want[MAX] = {0};
            size_t got_before[MAX], want_before[MAX];

            walk(&t, WINDOW_ROLLING, length, 0, false, 0, got, got_before);
            harness(total, length, want, want_before);
            for (size_t i = 0; i < total; i++) {
                assert_int_equal(got[i], 1);
                assert_int_equal(got[i], want[i]);
                assert_int_equal(got_before[i], want_before[i]);
            }
        }
}

static void rolling_keeps_documents_apart(void **state)
{
    const uint64_t docs[] = {6, 0, 4, 9}; /* packed: the last id of all but the last is a separator */
    int n[MAX];
    size_t before[MAX];

    (void)state;
    for (int is_lines = 0; is_lines < 2; is_lines++) {
        struct tokens t = text_of(docs, 4, is_lines);

        if (!is_lines) {
            at[2] = at[1]++; /* an empty document cannot be packed; make it a separator alone */
            at[2] = at[1];
        }
        walk(&t, WINDOW_ROLLING, 4, 0, false, 0, n, before);
        for (size_t d = 0; d < 4; d++)
            for (size_t i = at[d]; i < at[d + 1]; i++) {
                bool is_separator = !is_lines && d < 3 && i + 1 == at[d + 1];

                assert_int_equal(n[i], !is_separator);
                if (!is_separator)
                    assert_true(before[i] <= i - at[d] + 1);
            }
    }
}

static void some_of_a_text(void **state)
{
    const uint64_t docs[] = {30, 20};
    struct tokens t = text_of(docs, 2, false);
    int n[MAX];
    size_t before[MAX];

    (void)state;
    for (int p = WINDOW_BLOCK; p <= WINDOW_ROLLING; p++) {
        size_t sum = 0;

        walk(&t, p, 8, 4, true, 19, n, before);
        for (size_t i = 0; i < t.n; i++) {
            assert_true(i < 19 || n[i] == 0);
            sum += (size_t)n[i];
        }
        assert_in_range(sum, 16, 19);
    }
}

static void what_does_not_go_together_is_refused(void **state)
{
    const uint64_t docs[] = {5};
    struct tokens lines = text_of(docs, 1, true), packed = text_of(docs, 1, false);
    struct windows w;
    struct err e;

    (void)state;
    assert_fails(windows_init(&w, &packed, WINDOW_LINE, 4, 0, false, 0, &e), ERR_INVALID, e, "layout line");
    assert_fails(windows_init(&w, &lines, WINDOW_BLOCK, 4, 0, false, 0, &e), ERR_INVALID, e, "layout packed");
    assert_fails(windows_init(&w, &packed, WINDOW_STRIDE, 4, 5, false, 0, &e), ERR_INVALID, e, "[1, window]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_scored_but_for_their_first_id),
        cmocka_unit_test(blocks_are_disjoint),
        cmocka_unit_test(strides_score_every_id_but_the_first_once),
        cmocka_unit_test(rolling_is_that_of_the_harness),
        cmocka_unit_test(rolling_keeps_documents_apart),
        cmocka_unit_test(some_of_a_text),
        cmocka_unit_test(what_does_not_go_together_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
