/* Training state: whole or not at all, and the one before when the newest is damaged. */
#include "tests/lib/check.h"

#include <stdio.h>
#include <unistd.h>

#include "common/fs.h"
#include "common/rng.h"
#include "tests/lib/tmpdir.h"
#include "worker/nn/ckpt.h"

struct training {
    real w[6], m[6], v[6], b[2];
    struct param params[2];
    struct rng rng;
    int64_t step;
};

static void training_init(struct training *t, uint64_t seed)
{
    *t = (struct training){.rng = rng_stream(seed, "test")};
    t->params[0] = (struct param){.name = "encoder.weight", .data = t->w, .m = t->m, .v = t->v,
                                  .n = 6, .shape = {2, 3}, .n_dims = 2};
    t->params[1] = (struct param){.name = "b_dec", .data = t->b, .n = 2, .shape = {2}, .n_dims = 1};
}

static void train(struct training *t, int n)
{
    while (n-- > 0) {
        for (int i = 0; i < 6; i++) {
            t->m[i] += (real)rng_normal(&t->rng);
            t->v[i] = t->v[i] * (real)0.9 + t->m[i] * t->m[i];
            t->w[i] -= t->m[i] / (1 + t->v[i]);
        }
        t->b[rng_below(&t->rng, 2)] += 1;
        t->step++;
    }
}

static void list(struct ckpt *c, struct training *t)
{
    *c = (struct ckpt){0};
    ckpt_params(c, t->params, 2);
    ckpt_bytes(c, "rng", &t->rng, sizeof t->rng);
    ckpt_bytes(c, "step", &t->step, sizeof t->step);
}

static void save(struct training *t, const char *path, const char *owner)
{
    struct ckpt c;
    struct err e;

    list(&c, t);
    assert_ok(ckpt_save(&c, path, owner, &e), e);
    ckpt_free(&c);
}

static bool load(struct training *t, const char *path, const char *owner, struct err *e)
{
    struct ckpt c;
    bool is_found;

    list(&c, t);
    ckpt_load(&c, path, owner, &is_found, e);
    ckpt_free(&c);
    return is_found;
}

static void assert_same(const struct training *a, const struct training *b)
{
    assert_memory_equal(a->w, b->w, sizeof a->w);
    assert_memory_equal(a->m, b->m, sizeof a->m);
    assert_memory_equal(a->v, b->v, sizeof a->v);
    assert_memory_equal(a->b, b->b, sizeof a->b);
    assert_memory_equal(&a->rng, &b->rng, sizeof a->rng);
    assert_int_equal(a->step, b->step);
}

static void test_resumed_at_any_step_equals_never_stopped(void **state)
{
    char *dir = tmpdir_make(), *path = tmpdir_path(dir, "state.pt");
    struct training whole, part, resumed;
    struct err e;
    (void)state;

    for (int at = 0; at <= 7; at++) {
        training_init(&whole, 5);
        train(&whole, 7);
        training_init(&part, 5);
        train(&part, at);
        save(&part, path, "job");
        training_init(&resumed, 99); /* another start: all of it must come from the file */
        train(&resumed, 3);
        assert_true(load(&resumed, path, "job", &e));
        train(&resumed, 7 - at);
        assert_same(&whole, &resumed);
    }
    free(path);
    tmpdir_remove(dir);
}

static void test_a_damaged_state_falls_back_to_the_one_before(void **state)
{
    char *dir = tmpdir_make(), *path = tmpdir_path(dir, "state.pt");
    struct training old, now, got;
    struct buf file = {0};
    struct err e;
    (void)state;

    training_init(&old, 5);
    train(&old, 2);
    save(&old, path, "job");
    training_init(&now, 5);
    train(&now, 4);
    save(&now, path, "job");
    assert_ok(fs_read(path, 1 << 20, &file, &e), e);
    for (size_t i = 0; i < file.len; i += 31) {
        file.data[i] ^= 0x40;
        assert_ok(fs_replace(path, file.data, file.len, &e), e);
        file.data[i] ^= 0x40;
        training_init(&got, 1);
        assert_true(load(&got, path, "job", &e));
        if (got.step == 2) /* else the byte was padding */
            assert_same(&old, &got);
        else
            assert_same(&now, &got);
    }
    assert_int_equal(unlink(path), 0); /* killed between the two renames */
    training_init(&got, 1);
    assert_true(load(&got, path, "job", &e));
    assert_same(&old, &got);
    buf_free(&file);
    free(path);
    tmpdir_remove(dir);
}

static void test_nothing_is_touched_when_nothing_fits(void **state)
{
    char *dir = tmpdir_make(), *path = tmpdir_path(dir, "state.pt");
    struct training t, got, untouched;
    struct ckpt c;
    bool is_found;
    struct err e;
    (void)state;

    training_init(&t, 5);
    train(&t, 2);
    training_init(&got, 1);
    training_init(&untouched, 1);
    assert_false(load(&got, path, "job", &e)); /* no file */
    assert_string_equal(e.text, "");
    save(&t, path, "job");
    assert_false(load(&got, path, "other job", &e));
    assert_has(e.text, "another job");
    list(&c, &got);
    ckpt_bytes(&c, "more", &is_found, 1); /* newer code saves more */
    ckpt_load(&c, path, "job", &is_found, &e);
    assert_false(is_found);
    assert_has(e.text, "more");
    ckpt_free(&c);
    got.params[0].n = 5;
    assert_false(load(&got, path, "job", &e));
    assert_has(e.text, "encoder.weight");
    assert_ok(fs_replace(path, "PK", 2, &e), e);
    got.params[0].n = 6;
    assert_false(load(&got, path, "job", &e));
    assert_same(&untouched, &got);
    free(path);
    tmpdir_remove(dir);
}

static void test_extras_of_any_size_come_back(void **state)
{
    char *dir = tmpdir_make(), *path = tmpdir_path(dir, "state.pt");
    struct ckpt c = {0};
    bool is_found;
    size_t n;
    struct err e;
    (void)state;

    ckpt_extra_set(&c, "log", "abc", 3);
    assert_ok(ckpt_save(&c, path, "job", &e), e);
    ckpt_extra_set(&c, "log", "abcdef", 6);
    ckpt_extra_set(&c, "none", NULL, 0);
    assert_ok(ckpt_save(&c, path, "job", &e), e);
    ckpt_free(&c);
    ckpt_load(&c, path, "job", &is_found, &e);
    assert_true(is_found);
    assert_memory_equal(ckpt_extra(&c, "log", &n), "abcdef", 6);
    assert_int_equal(n, 6);
    ckpt_extra(&c, "none", &n);
    assert_int_equal(n, 0);
    assert_null(ckpt_extra(&c, "never", &n));
    ckpt_free(&c);
    free(path);
    tmpdir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resumed_at_any_step_equals_never_stopped),
        cmocka_unit_test(test_a_damaged_state_falls_back_to_the_one_before),
        cmocka_unit_test(test_nothing_is_touched_when_nothing_fits),
        cmocka_unit_test(test_extras_of_any_size_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
