/* Tasks and their batches: right labels, no leak where none is promised, prefixes shared. */
#include "tests/lib/check.h"

#include "worker/data/batch.h"

static struct arena arena;

static struct task make(const char *name, int64_t p, size_t n, uint64_t seed)
{
    struct task t;

    task_plan(&t, name, p, n);
    task_make(&t, seed, "test", &arena);
    return t;
}

static int setup(void **state)
{
    struct err e;

    (void)state;
    return arena_open(&arena, "test", 1 << 24, &e);
}

static int teardown(void **state)
{
    (void)state;
    arena_close(&arena);
    return 0;
}

static void modadd_is_the_whole_table_in_order_and_never_shows_the_answer(void **state)
{
    struct task t = make("modadd", 7, 0, 1);

    (void)state;
    assert_int_equal(t.n, 49);
    assert_int_equal(t.len, 5);
    assert_int_equal(t.n_vocab, 11);
    assert_int_equal(t.answer_pos, 4);
    for (int i = 0; i < 49; i++) {
        const int32_t want[5] = {7, i / 7, 10, i % 7, 9};

        assert_memory_equal(t.tok + 5 * i, want, sizeof want);
        assert_int_equal(t.answer[i], (i / 7 + i % 7) % 7);
    }
}

static void modadd_husai_reads_the_answer_where_it_is_visible(void **state)
{
    struct task t = make("modadd_husai", 7, 0, 1);

    (void)state;
    assert_int_equal(t.len, 7);
    assert_int_equal(t.answer_pos, 5);
    for (int i = 0; i < 49; i++) {
        const int32_t want[7] = {7, i / 7, 10, i % 7, 9, (i / 7 + i % 7) % 7, 8};

        assert_memory_equal(t.tok + 7 * i, want, sizeof want);
        assert_int_equal(t.answer[i], t.tok[7 * i + 5]); /* the leak */
    }
}

static void copy_answers_are_the_symbols_and_the_seed_decides_them(void **state)
{
    struct task t = make("copy", 0, 200, 1), same = make("copy", 0, 200, 1);
    struct task other = make("copy", 0, 200, 2);
    int seen[20] = {0};

    (void)state;
    assert_int_equal(t.len, 21);
    assert_int_equal(t.n_vocab, 22);
    for (size_t i = 0; i < 200; i++)
        for (size_t j = 0; j < 10; j++) {
            int32_t symbol = t.tok[i * 21 + j];

            assert_in_range(symbol, 0, 19);
            seen[symbol]++;
            assert_int_equal(t.answer[i * 10 + j], symbol);
            assert_int_equal(t.tok[i * 21 + 10], 20);
            assert_int_equal(t.tok[i * 21 + 11 + j], 21);
        }
    for (int s = 0; s < 20; s++)
        assert_in_range(seen[s], 60, 140);
    assert_memory_equal(t.tok, same.tok, 200 * 21 * sizeof *t.tok);
    assert_memory_not_equal(t.tok, other.tok, 200 * 21 * sizeof *t.tok);
}

static void sort_answers_are_the_symbols_in_order(void **state)
{
    struct task t = make("sort", 0, 100, 1), copy = make("copy", 0, 100, 1);

    (void)state;
    assert_memory_equal(t.tok, copy.tok, 100 * 21 * sizeof *t.tok);
    for (size_t i = 0; i < 100; i++)
        for (int32_t s = 0; s < 20; s++) {
            int fed = 0, sorted = 0;

            for (size_t j = 0; j < 10; j++) {
                fed += t.tok[i * 21 + j] == s;
                sorted += t.answer[i * 10 + j] == s;
                assert_true(j == 0 || t.answer[i * 10 + j] >= t.answer[i * 10 + j - 1]);
            }
            assert_int_equal(fed, sorted);
        }
}

static void a_split_is_a_permutation_with_the_share_asked_for(void **state)
{
    struct task t = make("modadd", 113, 0, 1);
    static uint32_t order[12769], again[12769];
    static char seen[12769];

    (void)state;
    assert_int_equal(task_split(&t, 0.9, 3, order), 11492);
    assert_int_equal(task_split(&t, 0.5, 3, again), 6384);
    assert_memory_equal(order, again, sizeof order); /* a smaller share is a subset */
    task_split(&t, 0.9, 4, again);
    assert_memory_not_equal(order, again, sizeof order);
    for (size_t i = 0; i < t.n; i++)
        assert_int_equal(seen[order[i]]++, 0);
}

static void equal_beginnings_are_one_node(void **state)
{
    struct task t = make("modadd", 7, 0, 1);
    struct batch b;

    (void)state;
    batch_init(&b, &t, 49, batch_answers(&t), &arena);
    batch_build(&b, &t, NULL, 0, 49, batch_answers(&t));
    assert_int_equal(b.n, 1 + 7 + 7 + 49 + 49); /* BOS, a, a PLUS, a PLUS b, a PLUS b EQ */
    assert_int_equal(b.n_out, 49);
    batch_build_dense(&b, &t, 0, 49, batch_answers(&t));
    assert_int_equal(b.n, 49 * 5);
}

static void paths_spell_the_sequences(void **state)
{
    const struct {
        const char *task;
        struct batch_read read;
    } row[] = {{"modadd", {4, 1}}, {"modadd_husai", {0, 7}}, {"copy", {11, 10}}};
    const uint32_t pick[] = {30, 2, 17, 17, 40, 3};

    (void)state;
    for (size_t k = 0; k < ARRAY_LEN(row); k++) {
        struct task t = make(row[k].task, 7, 49, 1);
        struct batch b;

        batch_init(&b, &t, 6, row[k].read, &arena);
        batch_build(&b, &t, pick, 0, 6, row[k].read);
        for (size_t i = 0; i < 6; i++)
            for (size_t c = 0; c < row[k].read.count; c++) {
                size_t pos = row[k].read.from + c, node = (size_t)b.out[i * row[k].read.count + c];

                assert_int_equal(b.pos[node], pos);
                for (size_t s = 0; s <= pos; s++)
                    assert_int_equal(b.tok[b.path[node * b.t + s]], t.tok[pick[i] * t.len + s]);
            }
        assert_int_equal(b.out[2 * row[k].read.count], b.out[3 * row[k].read.count]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(modadd_is_the_whole_table_in_order_and_never_shows_the_answer),
        cmocka_unit_test(modadd_husai_reads_the_answer_where_it_is_visible),
        cmocka_unit_test(copy_answers_are_the_symbols_and_the_seed_decides_them),
        cmocka_unit_test(sort_answers_are_the_symbols_in_order),
        cmocka_unit_test(a_split_is_a_permutation_with_the_share_asked_for),
        cmocka_unit_test(equal_beginnings_are_one_node),
        cmocka_unit_test(paths_spell_the_sequences),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
