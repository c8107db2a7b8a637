/* test_jobid.c - ids never change by accident: the canonical text and golden digests. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "common/jobid.h"

static struct jobid made_of(uint8_t byte)
{
    struct jobid id;

    memset(id.b, byte, sizeof id.b);
    return id;
}

static void the_canonical_text_is_as_documented(void **state)
{
    struct jobid from = made_of(0xab), ins[] = {made_of(1), made_of(2)};
    const struct jobid_knob knobs[] = {{"d_sae", "128", NULL, 0}, {"k", "k_sharp", &from, 0}};
    const struct jobid_input inputs[] = {{"acts", ins, 2}};
    struct buf text = {0};

    (void)state;
    jobid_text(&text, kind_find("sae_train"), knobs, 2, inputs, 1);
    assert_string_equal(
        text.data,
        "saegrid job 1\nkind sae_train 2\nknob d_sae=128\n"
        "value k=abababababababababababababababababababababababababababababababab.k_sharp\n"
        "input acts 0101010101010101010101010101010101010101010101010101010101010101\n"
        "input acts 0202020202020202020202020202020202020202020202020202020202020202\n");
    buf_free(&text);
}

static void golden_ids_stay(void **state)
{
    struct jobid in = made_of(7), id;
    const struct jobid_knob knobs[] = {{"k", "4", NULL, 0}, {"seed", "42", NULL, 0}};
    const struct jobid_input inputs[] = {{"acts", &in, 1}};
    char hex[65];

    (void)state;
    id = jobid_make(kind_find("mock"), NULL, 0, NULL, 0);
    assert_string_equal(jobid_hex(hex, &id),
                        "fd4bfce612509f5ecdd4d6c76b58cc4836b341570fcb21b82f2487ef70d8e184");
    id = jobid_make(kind_find("sae_train"), knobs, 2, inputs, 1);
    assert_string_equal(jobid_hex(hex, &id),
                        "351d0ae8878cc4e51900e28fb54a5a30c1479cac32baa243954963fcd64eef72");
}

static void every_part_changes_the_id(void **state)
{
    struct jobid a = made_of(1), b = made_of(2), ids[6];
    struct jobid ab[] = {a, b}, ba[] = {b, a};
    const struct jobid_knob k4 = {"k", "4", NULL, 0}, k5 = {"k", "5", NULL, 0}, kv = {"k", "4", &a, 0};
    const struct jobid_input in_ab = {"saes", ab, 2}, in_ba = {"saes", ba, 2};
    const struct job_kind *kind = kind_find("sae_train");

    (void)state;
    ids[0] = jobid_make(kind, NULL, 0, NULL, 0);
    ids[1] = jobid_make(kind, &k4, 1, NULL, 0);
    ids[2] = jobid_make(kind, &k5, 1, NULL, 0);
    ids[3] = jobid_make(kind, &kv, 1, NULL, 0);
    ids[4] = jobid_make(kind, &k4, 1, &in_ab, 1);
    ids[5] = jobid_make(kind, &k4, 1, &in_ba, 1);
    for (size_t i = 0; i < 6; i++)
        for (size_t j = 0; j < i; j++)
            assert_memory_not_equal(&ids[i], &ids[j], sizeof ids[i]);
}

static void hex_goes_both_ways(void **state)
{
    struct jobid id = made_of(0x5c), back;
    char hex[65];

    (void)state;
    assert_true(jobid_parse(&back, jobid_hex(hex, &id)));
    assert_memory_equal(&id, &back, sizeof id);
    assert_false(jobid_parse(&back, "5c"));
    hex[3] = 'g';
    assert_false(jobid_parse(&back, hex));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_canonical_text_is_as_documented),
        cmocka_unit_test(golden_ids_stay),
        cmocka_unit_test(every_part_changes_the_id),
        cmocka_unit_test(hex_goes_both_ways),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
