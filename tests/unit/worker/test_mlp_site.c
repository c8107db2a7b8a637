/* The MLP that a pair of SAEs goes around, of models of both kinds: it maps the rows of one hook to those
 * of the other; and a pair trained on a GPT-NeoX model. */
#include "tests/unit/worker/jobs.h"

#include "common/rng.h"
#include "worker/data/tokens.h"
#include "worker/jobs/mlp_site.h"

enum { VOCAB = 19, IDS = 900, D = 12, H = 20, LAYERS = 2 };

#define TRAIN "\"arch\": \"jsae_pair\", \"d_sae\": 24, \"k\": 4, \"batch\": 64, \"lr\": 3e-3, \"steps\": 300"
#define AROUND "\"layer\": 1, \"hook\": \"ln2_normalized\", \"hook_out\": \"mlp_out\", \"context\": 16"

static void put_result(const char *name, const char *id)
{
    struct buf path = {0}, text = {0};
    struct err e;

    buf_fmt(&path, "%s/%s/result.json", root, name);
    buf_fmt(&text, "{\"format\": 1, \"job\": \"%s\", \"metrics\": {}}", id);
    assert_ok(fs_replace(path.data, text.data, text.len, &e), e);
    buf_free(&path);
    buf_free(&text);
}

static void put_tokens(const char *name)
{
    static const char *const split[] = {"train", "valid", "test"};
    struct buf dir = {0};
    struct rng r = rng_stream(3, "ids");
    struct err e;

    buf_fmt(&dir, "%s/%s", root, name);
    assert_ok(fs_mkdirs(dir.data, &e), e);
    for (uint32_t s = 0; s < 3; s++) {
        struct tokens_writer w;

        assert_ok(tokens_create(&w, dir.data, split[s], VOCAB, false, &e), e);
        for (uint32_t i = 0; i < IDS; i++) {
            uint32_t id = (uint32_t)(rng_u64(&r) % VOCAB);

            assert_ok(tokens_add(&w, &id, 1, &e), e);
        }
        tokens_end_doc(&w, 4, 1);
        assert_ok(tokens_finish(&w, &e), e);
    }
    put_result(name, ID);
    buf_free(&dir);
}

/* A random model with norms and biases unlike those of a new one. */
static void put_neox(const char *name, enum neox_act act, bool is_parallel, enum st_dtype dtype)
{
    const struct neox_cfg c = {.n_layers = LAYERS, .d_model = D, .n_heads = 2, .d_head = 6, .d_mlp = H,
                               .n_vocab = VOCAB, .n_rot = 2, .n_ctx = 32, .rope_base = 10000,
                               .ln_eps = 1e-5, .init_range = 0.02, .act = act, .is_parallel = is_parallel,
                               .has_attn_bias = true, .bos = 0, .eos = 0};
    const struct neox_save how = {dtype, 0};
    struct rng r = rng_stream(8, name);
    struct buf dir = {0};
    struct arena a;
    struct neox m;
    struct err e;

    buf_fmt(&dir, "%s/%s/model", root, name);
    assert_ok(fs_mkdirs(dir.data, &e), e);
    assert_ok(arena_open(&a, "neox", neox_bytes(&c, false), &e), e);
    neox_init(&m, &c, false, &a);
    neox_randomise(&m, 4);
    for (size_t i = 0; i < m.n_params; i++)
        for (size_t j = 0; j < m.param[i].n; j++)
            m.param[i].data[j] += (real)(0.3 * rng_normal(&r));
    assert_ok(neox_save(&m, dir.data, &how, &e), e);
    arena_close(&a);
    put_result(name, ID);
    buf_free(&dir);
}

static double act_of(enum mlp_act act, double z)
{
    return act == MLP_RELU   ? fmax(z, 0)
           : act == MLP_GELU ? z * 0.5 * (1 + erf(z / sqrt(2.0)))
                             : 0.5 * z * (1 + tanh(sqrt(2 / acos(-1.0)) * (z + 0.044715 * z * z * z)));
}

/* y of a row x without the output's bias. */
static void through(double y[D], const struct mlp *m, const float *x)
{
    memset(y, 0, D * sizeof *y);
    for (size_t i = 0; i < m->h; i++) {
        double z = (double)m->b_in[i];

        for (size_t c = 0; c < D; c++)
            z += (double)m->w_in[i * D + c] * (double)x[c];
        z = act_of(m->act, z);
        for (size_t c = 0; c < D; c++)
            y[c] += z * (double)m->w_out[i * D + c];
    }
}

/* The rows at `mlp_out` are the MLP of those at `ln2_normalized`, up to one constant row: its bias. */
static void rows_belong_to_the_mlp(const char *rows, const char *model, enum mlp_act act)
{
    static real w_in[H * D], b_in[H], w_out[H * D];
    struct buf dir[2] = {{0}, {0}};
    struct acts x, y;
    struct mlp_site s;
    struct err e;
    double bias[D] = {0}, size = 0;

    buf_fmt(&dir[0], "%s/%s", root, model);
    buf_fmt(&dir[1], "%s/%s", root, rows);
    assert_ok(mlp_site_open(&s, dir[0].data, 1, &e), e);
    assert_int_equal(s.shape.act, act);
    assert_ok(mlp_site_read(&s, w_in, b_in, w_out, &e), e);
    struct mlp m = {s.shape.d, s.shape.h, s.shape.o, w_in, b_in, w_out, s.shape.act};
    assert_int_equal(m.h, H);
    assert_ok(acts_open(&x, dir[1].data, &e), e);
    assert_ok(acts_open_file(&y, dir[1].data, ACTS_OUT_FILE, &e), e);
    assert_true(x.n == y.n && x.n > 100 && x.d == D);
    for (size_t r = 0; r < x.n; r++) {
        double to[D];

        through(to, &m, x.x + r * D);
        for (size_t c = 0; c < D; c++) {
            double off = (double)y.x[r * D + c] - to[c];

            bias[c] = r == 0 ? off : bias[c];
            size += fabs(to[c]);
            if (!(fabs(off - bias[c]) < 3e-5))
                fail_msg("%s: row %zu, dim %zu: %g beside the MLP's %g", model, r, c, off - bias[c], to[c]);
        }
    }
    assert_true(size / (double)(x.n * D) > 0.1);
    acts_close(&x);
    acts_close(&y);
    mlp_site_close(&s);
    buf_free(&dir[0]);
    buf_free(&dir[1]);
}

static void the_mlp_maps_one_hook_to_the_other(void **state)
{
    static const struct {
        const char *name, *rows;
        enum neox_act act;
        bool is_parallel;
        enum st_dtype dtype;
    } neox[] = {{"exact", "exact_rows", NEOX_GELU, true, ST_F32},
                {"tanh", "tanh_rows", NEOX_GELU_TANH, false, ST_F32},
                {"half", "half_rows", NEOX_GELU, true, ST_BF16}};
    const char *const lm[] = {"model", "lm", NULL};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(neox); i++) {
        const char *const in[] = {"model", neox[i].name, "data", "tokens", NULL};

        put_neox(neox[i].name, neox[i].act, neox[i].is_parallel, neox[i].dtype);
        must_run(neox[i].rows, "acts_extract", AROUND, in);
        rows_belong_to_the_mlp(neox[i].rows, neox[i].name,
                               neox[i].act == NEOX_GELU ? MLP_GELU : MLP_GELU_TANH);
    }
    must_run("lm", "lm_train", "\"modulus\": 11, \"n_layers\": 2, \"d_model\": 12, \"n_heads\": 2, "
             "\"d_mlp\": 20, \"act\": \"relu\", \"batch\": 64, \"epochs\": 3", NULL);
    must_run("lm_rows", "acts_extract", "\"layer\": 1, \"hook\": \"ln2_normalized\", \"hook_out\": \"mlp_out\"",
             lm);
    rows_belong_to_the_mlp("lm_rows", "lm", MLP_RELU);
}

static void a_pair_is_trained_on_a_language_model(void **state)
{
    const char *const in[] = {"acts", "tanh_rows", "model", "tanh", NULL};

    (void)state;
    must_run("free", "sae_train", TRAIN ", \"jacobian\": 0", in);
    must_run("held", "sae_train", TRAIN ", \"jacobian\": 3", in);
    assert_true(metric("free", "ev") > 0.5 && metric("free", "ev_out") > 0.5);
    assert_true(metric("held", "jacobian_mean") < 0.8 * metric("free", "jacobian_mean"));
}

static void what_does_not_fit_is_refused(void **state)
{
    const char *const other_dims[] = {"acts", "exact_rows", "model", "wide", NULL};
    const char *const no_model[] = {"acts", "exact_rows", "model", "tokens", NULL};
    const char *const shallow[] = {"acts", "exact_rows", "model", "shallow", NULL};
    struct err e = {0};

    (void)state;
    must_run("wide", "lm_train", "\"modulus\": 11, \"n_layers\": 2, \"d_model\": 16, \"n_heads\": 2, "
             "\"d_mlp\": 20, \"batch\": 64, \"epochs\": 1", NULL);
    must_run("shallow", "lm_train", "\"modulus\": 11, \"n_layers\": 1, \"d_model\": 12, \"n_heads\": 2, "
             "\"d_mlp\": 20, \"batch\": 64, \"epochs\": 1", NULL);
    assert_fails(run("bad_a", "sae_train", TRAIN, other_dims, NULL, &e), ERR_INVALID, e,
                 "model: d_model 16, the rows have 12 and 12 dims");
    assert_int_not_equal(run("bad_b", "sae_train", TRAIN, no_model, NULL, &e), ERR_OK);
    assert_non_null(strstr(e.text, "model"));
    assert_fails(run("bad_c", "sae_train", TRAIN, shallow, NULL, &e), ERR_INVALID, e,
                 "layer 1 is outside [0, 0]");
}

static int setup(void **state)
{
    (void)state;
    root = tmpdir_make();
    put_tokens("tokens");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tmpdir_remove(root);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_mlp_maps_one_hook_to_the_other),
        cmocka_unit_test(a_pair_is_trained_on_a_language_model),
        cmocka_unit_test(what_does_not_fit_is_refused),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
