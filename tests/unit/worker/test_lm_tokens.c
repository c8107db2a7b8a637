/* test_lm_tokens.c - lm_tokens_compare finds the tokens that were planted, and the id of every row;
 * sae_absorb reads the letters of rows. */
#include "tests/unit/worker/neoxrun.h"

#include "worker/data/acts.h"
#include "worker/data/tokens.h"
#include "worker/jobs/acts_ids.h"
#include "worker/nn/pt.h"

enum { B = 1 + 'b', C = 1 + 'c', D = 1 + 'd', VOCAB = 257, DIM = 16 };

static struct jobrun jobs;

static char *path_of(const char *name, const char *file)
{
    struct buf b = {0};

    buf_fmt(&b, "%s/%s/%s", jobs.root, name, file);
    return buf_steal(&b);
}

static void text(const char *path, unsigned seed, size_t n)
{
    struct buf b = {0};

    for (size_t i = 0; i < n; i++) {
        seed = seed * 1103515245u + 12345;
        buf_char(&b, "abcdefgh"[seed >> 16 & 7]);
    }
    jobrun_file(&jobs, path, b.data);
    buf_free(&b);
}

static void job(const char *name, const char *kind, const char *knobs, const char *inputs)
{
    struct err e;

    assert_ok(jobrun(&jobs, name, kind, knobs, inputs, &e), e);
}

static void put_result(const char *name)
{
    struct buf path = {0}, text_of = {0};

    buf_fmt(&path, "%s/result.json", name);
    buf_fmt(&text_of, "{\"job\": \"%s\"}", jobrun_id(1000 + ++jobs.n));
    jobrun_file(&jobs, path.data, text_of.data);
    buf_free(&path);
    buf_free(&text_of);
}

/* An evaluation whose losses are those of `from`, with what is planted for two ids. */
static void planted_losses(const char *name, const char *from, float b, float c)
{
    char *path = path_of(from, "losses.pt"), *data = path_of("data", ""), *out;
    struct pt_file f;
    struct tokens t;
    struct err e;

    assert_ok(pt_open(&f, path, &e), e);
    const struct pt_tensor *was = pt_find(&f, "");
    assert_ok(tokens_open(&t, data, "valid", &e), e);
    assert_int_equal(was->shape[0], t.n);
    float *loss = malloc(t.n * sizeof *loss);
    for (size_t i = 0; i < t.n; i++)
        loss[i] = ((const float *)was->data)[i] + (tokens_get(&t, i) == B ? b : tokens_get(&t, i) == C ? c : 0);
    struct pt_tensor x = *was;
    x.data = loss;
    free(path);
    path = path_of(name, "losses.pt");
    out = path_of(name, "");
    assert_ok(fs_mkdirs(out, &e), e);
    assert_ok(pt_write_tensor(path, &x, &e), e);
    put_result(name);
    free(loss), free(path), free(data), free(out);
    tokens_close(&t);
    pt_close(&f);
}

/* An extraction whose rows are those of `from`; those of id D `scale` times as long. */
static void planted_rows(const char *name, const char *from, float scale)
{
    const struct job_input in = {.dir = path_of(from, "")};
    char *data = path_of("data", ""), *path, *meta = path_of(from, "acts.meta.json");
    struct buf text_of_meta = {0};
    struct acts a;
    struct err e;

    assert_ok(acts_open(&a, in.dir, &e), e);
    uint32_t *id = malloc(a.n * sizeof *id);
    float *x = malloc(a.n * a.d * sizeof *x);
    assert_ok(acts_ids_read(id, a.n, &in, data, &e), e);
    for (size_t i = 0; i < a.n * a.d; i++)
        x[i] = a.x[i] * (id[i / a.d] == D ? scale : 1);
    path = path_of(name, "");
    assert_ok(fs_mkdirs(path, &e), e);
    free(path);
    path = path_of(name, ACTS_FILE);
    assert_ok(acts_write(path, x, a.n, a.d, &e), e);
    assert_ok(fs_read(meta, 1 << 20, &text_of_meta, &e), e);
    free(path);
    path = path_of(name, "acts.meta.json");
    assert_ok(fs_replace(path, text_of_meta.data, text_of_meta.len, &e), e);
    free(path);
    put_result(name);
    free(id), free(x), free(data), free(meta), free((void *)in.dir);
    buf_free(&text_of_meta);
    acts_close(&a);
}

static int setup(void **state)
{
    struct buf knobs = {0};

    (void)state;
    jobs = (struct jobrun){.root = tmpdir_make()};
    text("text/train/a.txt", 1, 1500);
    text("text/valid/a.txt", 2, 600);
    buf_fmt(&knobs, "\"task\": \"text\", \"text\": \"%s/text\"", jobs.root);
    job("data", "data_make", knobs.data, "");
    buf_free(&knobs);
    neoxrun(&jobs, "model", VOCAB, 1);
    job("eval", "lm_eval", "\"window\": 32, \"n_samples\": 0", "model=model,data=data");
    job("rows", "acts_extract", "\"layer\": 0, \"hook\": \"resid_pre\", \"context\": 32, \"max_rows\": 700, \"skip_bos\": true",
        "model=model,data=data");
    job("base", "acts_extract", "\"layer\": 0, \"hook\": \"resid_pre\", \"context\": 32, \"max_rows\": 900, \"skip_bos\": true",
        "model=model,data=data");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tmpdir_remove(jobs.root);
    return 0;
}

/* Before the first block a row is the embedding of its id: equal ids, equal rows. */
static void every_row_knows_its_id(void **state)
{
    const struct job_input in = {.dir = path_of("rows", "")};
    char *data = path_of("data", "");
    uint32_t id[700];
    struct acts a;
    struct err e;

    (void)state;
    assert_ok(acts_open(&a, in.dir, &e), e);
    assert_int_equal(a.n, 700);
    assert_ok(acts_ids_read(id, 700, &in, data, &e), e);
    for (size_t i = 1; i < a.n; i++)
        for (size_t k = 0; k < i; k += 7)
            assert_int_equal(id[i] == id[k], memcmp(a.x + i * a.d, a.x + k * a.d, a.d * sizeof *a.x) == 0);
    acts_close(&a);
    free((void *)in.dir);
    free(data);
}

/* The first row of a list: its text, and a number. */
static double first_of(const char *list, const char *want, const char *key)
{
    char *path = path_of("tokens", "result.json");
    struct json *doc, *table;
    struct err e;
    double v = NAN;

    assert_ok(json_read(path, 16 << 20, &doc, &e), e);
    const struct json *b = json_first(json_get(doc, "blobs"));
    while (strcmp(json_str(json_get(b, "name")), "tokens") != 0)
        b = json_next(b);
    const char *all = json_str(json_get(b, "text"));
    assert_ok(json_parse(all, strlen(all), &table, &e), e);
    const struct json *row = json_first(json_get(table, "rows"));
    while (row && strcmp(json_str(json_get(row, "list")), list) != 0)
        row = json_next(row);
    assert_non_null(row);
    assert_string_equal(json_str(json_get(row, "text")), want);
    assert_true(json_f64(json_get(row, key), &v));
    json_free(table);
    json_free(doc);
    free(path);
    return v;
}

static void planted_tokens_come_first(void **state)
{
    const char *inputs = "evals=up0,evals=up1,control_evals=eval,control_evals=eval,acts=long0,acts=long1,"
                         "control_acts=rows,control_acts=rows,base_acts=base,data=data";

    (void)state;
    planted_losses("up0", "eval", 1.0f, -0.25f);
    planted_losses("up1", "eval", 1.5f, -0.75f);
    planted_rows("long0", "rows", 1.5f);
    planted_rows("long1", "rows", 1.25f);
    job("tokens", "lm_tokens_compare", "\"min_count\": 5", inputs);
    assert_near(first_of("up", "b", "d_loss"), 1.25, 1e-5);
    assert_near(first_of("up", "b", "d_loss_high"), 1.25 + 12.706204736432095 * 0.25, 1e-4);
    assert_near(first_of("down", "c", "d_loss"), -0.5, 1e-5);
    assert_near(first_of("shift", "d", "d_shift"), 0.375, 1e-6);
    assert_near(first_of("shift", "d", "cos"), 1, 1e-6);
    const double n_rows = first_of("shift", "d", "n_rows");
    assert_near(jobrun_metric(&jobs, "tokens", "act_norm_ratio"), 1 + 0.375 * n_rows / 700, 1e-6);
    assert_near(jobrun_metric(&jobs, "tokens", "act_shift_control"), 0, 0);
    assert_near(jobrun_metric(&jobs, "tokens", "act_shift"), 0.375 * n_rows / 700, 1e-6);
    const double n = jobrun_metric(&jobs, "eval", "n_scored");
    assert_near(jobrun_metric(&jobs, "tokens", "token_loss_delta"),
                (1.25 * first_of("up", "b", "n") - 0.5 * first_of("down", "c", "n")) / n, 1e-6);
    assert_near(jobrun_metric(&jobs, "tokens", "tokens_compared"), 8, 0);
}

/* Every letter is one id here: no word is unseen, so SAEBench's definition has nothing to test. */
static void absorption_reads_the_letters_of_the_rows(void **state)
{
    (void)state;
    job("sae", "sae_train", "\"d_sae\": 16, \"k\": 1, \"steps\": 300, \"batch\": 64, \"lr\": 0.01", "acts=rows");
    job("absorb", "sae_absorb", "\"rows\": 600, \"min_letters\": 1", "sae=sae,acts=rows,data=data");
    assert_near(jobrun_metric(&jobs, "absorb", "n_letters_ref"), 8, 0);
    assert_true(jobrun_metric(&jobs, "absorb", "n_rows_ref") > 100);
    assert_in_range(100 * jobrun_metric(&jobs, "absorb", "absorption_ref"), 0, 100);
    assert_near(jobrun_metric(&jobs, "absorb", "n_letters_saebench"), 0, 0);
    assert_true(isnan(jobrun_metric(&jobs, "absorb", "absorption_saebench")));
}

static void other_places_are_refused(void **state)
{
    struct err e;

    (void)state;
    job("elsewhere", "acts_extract", "\"layer\": 0, \"hook\": \"resid_pre\", \"context\": 16, \"max_rows\": 700, \"skip_bos\": true",
        "model=model,data=data");
    assert_fails(jobrun(&jobs, "bad", "lm_tokens_compare", "",
                        "evals=eval,control_evals=eval,acts=rows,control_acts=elsewhere,base_acts=base,data=data", &e),
                 ERR_INVALID, e, "rows of other places");
    assert_fails(jobrun(&jobs, "few", "lm_tokens_compare", "",
                        "evals=eval,control_evals=eval,acts=base,control_acts=base,base_acts=rows,data=data", &e),
                 ERR_INVALID, e, "base_acts");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_knows_its_id),
        cmocka_unit_test(planted_tokens_come_first),
        cmocka_unit_test(absorption_reads_the_letters_of_the_rows),
        cmocka_unit_test(other_places_are_refused),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
