/* test_kinds.c - the rows of the kinds are sound, and their rules hold. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "common/kinds/kind.h"

static void every_default_is_legal_and_every_name_unique(void **state)
{
    (void)state;
    for (size_t i = 0; i < kind_count(); i++) {
        const struct job_kind *k = kind_at(i);

        assert_ptr_equal(kind_find(k->name), k);
        for (size_t f = 0; f < k->n_fields; f++) {
            struct buf b = {0};
            struct err e = {0};

            if (cfg_canon(&k->fields[f], k->fields[f].deflt, &b, &e))
                fail_msg("%s.%s: default: %s", k->name, k->fields[f].name, e.text);
            buf_free(&b);
            assert_ptr_equal(cfg_find(k->fields, k->n_fields, k->fields[f].name), &k->fields[f]);
            assert_null(cfg_find(job_fields, job_fields_n, k->fields[f].name));
            assert_null(kind_input_find(k, k->fields[f].name));
        }
    }
    assert_null(kind_find("nothing"));
    assert_null(kind_at(kind_count()));
}

/* Keys of the language may not be knobs or inputs. */
static void no_knob_has_the_name_of_a_key(void **state)
{
    static const char *const reserved[] = {"kind", "grid", "zip", "sample", "exclude", "when",
                                           "over", "require", "gate"};

    (void)state;
    for (size_t i = 0; i < kind_count(); i++)
        for (size_t j = 0; j < ARRAY_LEN(reserved); j++) {
            const struct job_kind *k = kind_at(i);

            assert_null(cfg_find(k->fields, k->n_fields, reserved[j]));
            assert_null(kind_input_find(k, reserved[j]));
        }
}

static void inputs_metrics_and_like_name_what_exists(void **state)
{
    (void)state;
    for (size_t i = 0; i < kind_count(); i++) {
        const struct job_kind *k = kind_at(i);

        assert_true(k->version >= 1);
        for (const char *const *m = k->metrics; m && *m; m++)
            if (!metric_find(*m) || strcmp(metric_find(*m)->name, *m) != 0)
                fail_msg("%s: %s is not the short name of a metric", k->name, *m);
        for (size_t j = 0; j < KIND_LIKE_MAX && k->like[j]; j++)
            assert_non_null(cfg_find(k->fields, k->n_fields, k->like[j]));
        for (size_t j = 0; j < k->n_inputs; j++) {
            char kinds[128];

            strcpy(kinds, k->inputs[j].kinds);
            for (char *at = kinds, *word; (word = strsep(&at, "|")) != NULL;)
                if (!kind_find(word))
                    fail_msg("%s.%s: there is no kind %s", k->name, k->inputs[j].name, word);
        }
    }
}

struct pairs {
    const char *name, *text;
};

static const char *get(void *ctx, const char *name)
{
    for (const struct pairs *p = ctx; p->name; p++)
        if (strcmp(p->name, name) == 0)
            return p->text;
    return NULL;
}

static void check_says(const char *kind, struct pairs *p, const char *error)
{
    struct err e = {0};
    enum err_code rc = kind_find(kind)->check(get, p, &e);

    assert_int_equal(rc, error ? ERR_INVALID : ERR_OK);
    if (error)
        assert_string_equal(e.text, error);
}

static void rules_across_knobs(void **state)
{
    (void)state;
    check_says("sae_train", (struct pairs[]){{"arch", "topk"}, {"k", "8"}, {"d_sae", "8"}, {"steps", "1"}, {0}}, NULL);
    check_says("sae_train", (struct pairs[]){{"arch", "topk"}, {"k", "9"}, {"d_sae", "8"}, {"steps", "1"}, {0}},
                 "k: 9 is more than d_sae, 8");
    check_says("sae_train", (struct pairs[]){{"arch", "relu"}, {"k", "9"}, {"d_sae", "8"}, {"epochs", "1"}, {0}}, NULL);
    check_says("sae_train", (struct pairs[]){{"arch", "relu"}, {"steps", "0"}, {"epochs", "0"}, {0}},
                 "steps: 0 means \"by epochs\", and epochs is 0 too");
    check_says("lm_train", (struct pairs[]){{"d_model", "30"}, {"n_heads", "4"}, {0}},
                 "n_heads: 4 does not divide d_model, 30");
    check_says("lm_train", (struct pairs[]){{"d_model", "32"}, {"n_heads", "4"}, {"stop_at", "{val_acc: 0.99}"}, {0}}, NULL);
    check_says("lm_train", (struct pairs[]){{"d_model", "32"}, {"n_heads", "4"}, {"stop_at", "{val_acc: 0.99, val_loss: 1}"}, {0}}, NULL);
    check_says("lm_train", (struct pairs[]){{"d_model", "32"}, {"n_heads", "4"}, {"stop_at", "{vla_acc: 0.99}"}, {0}},
                 "stop_at: vla_acc is not one of val_acc, train_acc, val_loss, train_loss");
    check_says("lm_train", (struct pairs[]){{"d_model", "32"}, {"n_heads", "4"}, {"stop_at", "0.99"}, {0}},
                 "stop_at: expected {metric: value}, got \"0.99\"");
    check_says("lm_train", (struct pairs[]){{"d_model", "32"}, {"n_heads", "4"}, {"stop_at", "{val_acc: x}"}, {0}},
                 "stop_at: val_acc: expected a number");
    check_says("acts_extract", (struct pairs[]){{"layer", "2"}, {"n_layers", "2"}, {0}},
                 "layer: 2 is outside [0, 1]: the model has n_layers = 2");
    check_says("data_make", (struct pairs[]){{"n_active", "5"}, {"n_atoms", "4"}, {0}},
                 "n_active: 5 is more than n_atoms, 4");
    check_says("sae_compare", (struct pairs[]){{"n_saes", "1"}, {0}},
                 "saes: a comparison needs two SAEs or more, this group has 1");
}

static void more_work_costs_more(void **state)
{
    struct pairs small[] = {{"d_sae", "64"}, {"steps", "100"}, {"arch", "topk"}, {"k", "4"}, {0}};
    struct pairs big[] = {{"d_sae", "4096"}, {"steps", "100"}, {"arch", "topk"}, {"k", "4"}, {0}};
    struct pairs none[] = {{0}};

    (void)state;
    assert_true(kind_find("sae_train")->cost(get, big) > kind_find("sae_train")->cost(get, small));
    for (size_t i = 0; i < kind_count(); i++)
        if (kind_at(i)->cost)
            assert_true(kind_at(i)->cost(get, none) >= 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_default_is_legal_and_every_name_unique),
        cmocka_unit_test(no_knob_has_the_name_of_a_key),
        cmocka_unit_test(inputs_metrics_and_like_name_what_exists),
        cmocka_unit_test(rules_across_knobs),
        cmocka_unit_test(more_work_costs_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
