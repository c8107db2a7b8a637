/* test_journal.c - the journal follows the file system: a write-ahead log on local ones, a rollback
 * journal on those of a network, whose name a fake statfs tells; also for a manifest that moves. */
#include "mf.h"

#include <sqlite3.h>
#include <sys/statfs.h>
#include <sys/syscall.h>

static long fake_type; /* 0: what the kernel says */

int statfs(const char *path, struct statfs *st)
{
    int rc = (int)syscall(SYS_statfs, path, st);

    if (!rc && fake_type)
        st->f_type = fake_type;
    return rc;
}

/* What the file is in after a coordinator has had it, and while it has. */
static void check_journal(const char *dir, long type, const char *want)
{
    char path[300], got[64] = "";
    struct manifest *m;
    struct err e = {0};
    sqlite3_stmt *st;
    sqlite3 *db;

    fake_type = type;
    MF_OK(manifest_open(dir, 0, &m, &e));
    snprintf(path, sizeof path, "%s/manifest.sqlite", dir);
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA journal_mode", -1, &st, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    snprintf(got, sizeof got, "%s", (const char *)sqlite3_column_text(st, 0));
    sqlite3_finalize(st);
    sqlite3_close(db);
    snprintf(path, sizeof path, "%s/manifest.sqlite-wal", dir);
    bool has_wal = access(path, F_OK) == 0;
    manifest_close(m);
    bool is_wal = strcmp(got, "wal") == 0;
    if (is_wal != (strcmp(want, "wal") == 0) || has_wal != is_wal)
        fail_msg("type %lx: %s, with a log file: %d; wanted %s", type, got, has_wal, want);
}

static void test_network_file_systems_get_a_rollback_journal(void **state)
{
    static const long network[] = {0x6969, 0x0BD00BD0, 0x47504653, 0xFF534D42, 0xFE534D42, 0x00C36400,
                                   0x19830326, 0x5346414F, 0x65735546, 0x01021997, 0xAAD7AAEA};

    for (size_t i = 0; i < ARRAY_LEN(network); i++) {
        struct err e = {0};
        MF_OK(fs_remove_tree(*state, &e));
        check_journal(*state, network[i], "truncate"); /* a fresh one */
        check_journal(*state, 0xEF53, "wal");          /* copied to ext4 */
        check_journal(*state, network[i], "truncate"); /* and back */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_network_file_systems_get_a_rollback_journal, mf_setup, mf_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
