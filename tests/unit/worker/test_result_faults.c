/* test_result_faults.c - the n-th failing write, sync, open, close or rename while a runner writes its
 * result, and while a training saves its state, for n = 1, 2, ... until none fails.
 *
 * Each time: a clean error or none, and on disk either a complete result or a folder that the next
 * attempt finishes; either the new state or the one before.
 */
#include "tests/lib/check.h"
#include "tests/lib/faults.h"
#include "tests/unit/worker/place.h"

#include "worker/nn/ckpt.h"

static bool is_clean(enum err_code rc)
{
    return rc == ERR_IO || rc == ERR_NO_SPACE || rc == ERR_BUSY || rc == ERR_NOMEM || rc == ERR_UNAVAILABLE;
}

/* Rows of a known dictionary: job.json as an agent writes it. */
static void put_rows_job(const struct place *p)
{
    char *file = tmpdir_path(p->tmp, RUN_JOB_FILE);
    struct buf b = {0};
    struct err e;

    buf_fmt(&b, "{\"job\": \"%s\", \"kind\": \"data_make\", \"version\": 1, \"run_id\": \"run\", \"sweep\": \"s\", "
                "\"stage\": \"st\", \"epoch\": 1, \"knobs\": {\"d_model\": 8, \"n_atoms\": 12, \"n_active\": 2, "
                "\"n_rows\": 64}, \"common\": {}, \"context\": {}, \"inputs\": [], \"results\": \"%s\"}", ID, p->root);
    assert_ok(fs_mkdirs(p->tmp, &e), e);
    assert_ok(fs_replace(file, b.data, b.len, &e), e);
    buf_free(&b);
    free(file);
}

static void finish_again(const struct place *p, long n)
{
    struct fake_time t;
    struct err e = {0};

    if (!has(p->tmp, RUN_JOB_FILE) && !has(p->final, RUN_RESULT_FILE))
        fail_msg("call %ld: neither a result nor a folder to go on from", n);
    if (run(p, fake_time(&t), &e))
        fail_msg("call %ld: the next attempt: %s", n, e.text);
    struct json *result = read_json(p->final, RUN_RESULT_FILE);
    assert_string_equal(json_str(json_get(result, "job")), ID);
    size_t n_files = 0;
    for (const struct json *a = json_first(json_get(result, "artifacts")); a; a = json_next(a)) {
        if (!has(p->final, json_str(json_get(a, "path"))))
            fail_msg("call %ld: %s is listed and not there", n, json_str(json_get(a, "path")));
        n_files++;
    }
    assert_true(n_files >= 5);
    assert_false(has(p->tmp, ""));
    json_free(result);
}

static long walk_result(unsigned kinds, int errnum)
{
    long n = 1, n_errors = 0;

    for (bool has_failed = true; has_failed; n++) {
        struct place p = place_make();
        struct fake_time t;
        struct err e;

        put_rows_job(&p);
        fault_arm(kinds, n, errnum);
        enum err_code rc = run(&p, fake_time(&t), &e);
        has_failed = fault_disarm();
        if (rc && (!is_clean(rc) || !*e.text))
            fail_msg("call %ld: %s: %s", n, err_name(rc), e.text);
        if (rc && has(p.final, RUN_RESULT_FILE) && has(p.final, RUN_ERROR_FILE))
            fail_msg("call %ld: a result that holds an error", n);
        n_errors += rc != ERR_OK;
        finish_again(&p, n);
        place_remove(&p);
    }
    printf("%ld calls, %ld of them end the attempt with an error\n", n - 2, n_errors);
    return n_errors;
}

static void test_each_failing_write_of_a_result(void **state)
{
    (void)state;
    assert_true(walk_result(FAULT_WRITE, ENOSPC) > 10);
}

static void test_each_failing_sync_of_a_result(void **state)
{
    (void)state;
    assert_true(walk_result(FAULT_SYNC, EIO) > 10);
}

static void test_each_failing_open_rename_and_close_of_a_result(void **state)
{
    (void)state;
    assert_true(walk_result(FAULT_OPEN | FAULT_NAME, EIO) > 10);
    walk_result(FAULT_CLOSE, EIO); /* of files that are read, mostly: none has to end it */
}

/* --- the state of a training ---------------------------------------------------------------- */

static enum err_code save(const char *path, int64_t value, struct err *e)
{
    struct ckpt c = {0};

    ckpt_bytes(&c, "value", &value, sizeof value);
    enum err_code rc = ckpt_save(&c, path, ID, e);
    ckpt_free(&c);
    return rc;
}

static int64_t load(const char *path)
{
    struct ckpt c = {0};
    int64_t value = -1;
    bool is_found;
    struct err e = {0};

    ckpt_bytes(&c, "value", &value, sizeof value);
    ckpt_load(&c, path, ID, &is_found, &e);
    ckpt_free(&c);
    if (!is_found)
        fail_msg("no state was found: %s", e.text);
    return value;
}

static void test_each_failing_call_of_a_checkpoint_leaves_the_new_state_or_the_one_before(void **state)
{
    static const unsigned kinds[] = {FAULT_WRITE, FAULT_SYNC, FAULT_NAME, FAULT_OPEN};

    (void)state;
    for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
        bool has_failed = true;
        for (long n = 1; has_failed; n++) {
            struct place p = place_make();
            char *path = tmpdir_path(p.root, "state.pt");
            struct err e = {0};

            assert_ok(save(path, 1, &e), e);
            assert_ok(save(path, 2, &e), e);
            fault_arm(kinds[k], n, ENOSPC);
            enum err_code rc = save(path, 3, &e);
            has_failed = fault_disarm();
            int64_t got = load(path);
            if (rc ? got != 2 && got != 3 : got != 3)
                fail_msg("kind %zu, call %ld: %s, and the state is %lld", k, n, err_name(rc), (long long)got);
            if (rc && !is_clean(rc))
                fail_msg("kind %zu, call %ld: %s: %s", k, n, err_name(rc), e.text);
            assert_ok(save(path, 4, &e), e);
            assert_int_equal(load(path), 4);
            free(path);
            place_remove(&p);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_failing_write_of_a_result),
        cmocka_unit_test(test_each_failing_sync_of_a_result),
        cmocka_unit_test(test_each_failing_open_rename_and_close_of_a_result),
        cmocka_unit_test(test_each_failing_call_of_a_checkpoint_leaves_the_new_state_or_the_one_before),
    };

    setenv("PATH", "/nowhere", 1); /* no gnuplot: what is drawn is not what is tested */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
