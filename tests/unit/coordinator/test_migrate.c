/* test_migrate.c - which files are taken, which refused, and that the refused stay untouched. */
#include "mf.h"

#include <sqlite3.h>
#include <sys/stat.h>

#include "coordinator/manifest_internal.h"
#include "coordinator/manifest_query.h"
#include "coordinator/migrate.h"

static void path_of(char out[128], const char *dir)
{
    snprintf(out, 128, "%s/manifest.sqlite", dir);
}

static void make_db(const char *dir, const char *sql)
{
    char path[128];
    sqlite3 *db;

    path_of(path, dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void digest_of(const char *dir, uint8_t out[32])
{
    char path[128];
    uint64_t size;
    struct err e = {0};

    path_of(path, dir);
    MF_OK(sha256_file(path, out, &size, &e));
}

/* Both the writer and readers refuse it, with the same file afterwards. */
static void expect_refusal(const char *dir, enum err_code want, const char *text)
{
    struct manifest *m = NULL;
    struct query *q = NULL;
    uint8_t before[32], after[32];
    struct err e = {0};

    digest_of(dir, before);
    assert_int_equal(manifest_open(dir, 0, &m, &e), want);
    if (!strstr(e.text, text))
        fail_msg("\"%s\" lacks \"%s\"", e.text, text);
    assert_int_equal(query_open(dir, &q, &e), want);
    if (!strstr(e.text, text))
        fail_msg("\"%s\" lacks \"%s\"", e.text, text);
    digest_of(dir, after);
    assert_memory_equal(before, after, 32);
}

static void test_a_foreign_sqlite_file_is_refused(void **state)
{
    make_db(*state, "PRAGMA application_id = 252006674; CREATE TABLE notes (t)");
    expect_refusal(*state, ERR_INVALID, "of another program");
}

static void test_a_sqlite_file_without_an_id_but_with_tables_is_refused(void **state)
{
    make_db(*state, "CREATE TABLE notes (t)");
    expect_refusal(*state, ERR_INVALID, "of another program");
}

static void test_a_newer_schema_is_refused(void **state)
{
    struct manifest *m;
    struct err e = {0};
    char sql[64];

    MF_OK(manifest_open(*state, 0, &m, &e));
    manifest_close(m);
    snprintf(sql, sizeof sql, "PRAGMA user_version = %d", migrate_version() + 1);
    make_db(*state, sql);
    expect_refusal(*state, ERR_INVALID, "use a newer saegrid");
}

static void test_a_file_that_is_not_sqlite_is_refused(void **state)
{
    char path[128];
    FILE *f;

    path_of(path, *state);
    f = fopen(path, "w");
    for (int i = 0; i < 2000; i++)
        fputs("not a database\n", f);
    fclose(f);
    expect_refusal(*state, ERR_CORRUPT, "not a SQLite file");
}

static void test_a_damaged_manifest_is_found_after_a_crash(void **state)
{
    struct spec s = mf_spec("x", 1, 1);
    struct manifest *m;
    struct err e = {0};
    char path[128];
    FILE *f;
    long size;

    mf.stages = (const struct mf_stage[]){{"a", "mock", {0}}};
    mf.n_mock = 2000;
    MF_OK(manifest_open(*state, 0, &m, &e));
    mf_add(m, &s, NULL);
    assert_int_equal(sqlite3_exec(m->db, "UPDATE session SET started_ms = 1", NULL, NULL, NULL), SQLITE_OK);
    m->session = 0; /* as if killed: the session keeps no end */
    manifest_close(m);
    path_of(path, *state);
    f = fopen(path, "r+");
    fseek(f, 0, SEEK_END);
    size = ftell(f);
    for (long at = size / 2 / 4096 * 4096; at + 4096 < size; at += 4096) {
        fseek(f, at, SEEK_SET);
        for (int i = 0; i < 512; i++)
            fputs("garbage!", f);
    }
    fclose(f);
    assert_int_equal(manifest_open(*state, 0, &m, &e), ERR_CORRUPT);
    assert_non_null(strstr(e.text, "damaged"));
}

static void test_an_absent_manifest_is_a_hint(void **state)
{
    struct query *q;
    struct err e = {0};
    char path[128];

    assert_int_equal(query_open(*state, &q, &e), ERR_NOT_FOUND);
    assert_non_null(strstr(e.text, "run a sweep first"));
    path_of(path, *state);
    assert_int_equal(mkdir(path, 0755), 0);
    assert_int_equal(query_open(*state, &q, &e), ERR_INVALID);
}

static void test_steps_are_embedded_in_order(void **state)
{
    (void)state;
    assert_true(migrate_version() >= 1);
}

static void test_a_reader_sees_commits_of_a_live_writer(void **state)
{
    struct spec s = mf_spec("x", 1, 1);
    struct manifest *m;
    struct query *q;
    struct err e = {0};
    struct buf holder = {0};
    int64_t n;

    mf.stages = (const struct mf_stage[]){{"a", "mock", {0}}};
    mf.n_mock = 3;
    MF_OK(manifest_open(*state, 0, &m, &e));
    MF_OK(query_open(*state, &q, &e));
    mf_add(m, &s, NULL);
    MF_OK(query_i64(q, &n, &e, "SELECT count(*) FROM runs", ""));
    assert_int_equal(n, 3);
    assert_int_equal(query_table(q, &(struct table){0}, &e, "DELETE FROM job", "") != ERR_OK, 1);
    query_holder(*state, &holder);
    assert_non_null(strstr(holder.data, "pid "));
    query_close(q);
    manifest_close(m);
    buf_reset(&holder);
    query_holder(*state, &holder);
    assert_int_equal(holder.len, 0);
    buf_free(&holder);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, mf_setup, mf_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_foreign_sqlite_file_is_refused),
        TEST(test_a_sqlite_file_without_an_id_but_with_tables_is_refused),
        TEST(test_a_newer_schema_is_refused),
        TEST(test_a_file_that_is_not_sqlite_is_refused),
        TEST(test_a_damaged_manifest_is_found_after_a_crash),
        TEST(test_an_absent_manifest_is_a_hint),
        TEST(test_steps_are_embedded_in_order),
        TEST(test_a_reader_sees_commits_of_a_live_writer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
