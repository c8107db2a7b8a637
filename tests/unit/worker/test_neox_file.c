/* Hugging Face folders of GPT-NeoX: what is read, what is refused and with which words; saving. */
#include "tests/lib/check.h"

#include <stdio.h>

#include "common/fs.h"
#include "tests/lib/tmpdir.h"
#include "worker/neox/neox_file.h"
#include "worker/neox/neox_plan.h"
#include "worker/nn/half.h"

#define DATA "tests/data/golden_neox/"

static char *data_path(const char *name)
{
    const char *root = getenv("SAEGRID_SOURCE");
    struct buf b = {0};

    buf_fmt(&b, "%s/%s%s", root ? root : ".", DATA, name);
    return b.data;
}

/* A folder with tiny_a's weights and a changed config: `from` becomes `to` in its text. */
static char *folder(const char *model, const char *from, const char *to)
{
    char *dir = tmpdir_make(), *source = data_path(model);
    struct buf text = {0}, out = {0}, path = {0};
    struct err e;
    const char *at;

    buf_fmt(&path, "%s/config.json", source);
    assert_ok(fs_read(path.data, 1 << 20, &text, &e), e);
    at = strstr(text.data, from);
    assert_non_null(at);
    buf_fmt(&out, "%.*s%s%s", (int)(at - text.data), text.data, to, at + strlen(from));
    path.len = 0;
    buf_fmt(&path, "%s/config.json", dir);
    assert_ok(fs_replace(path.data, out.data, out.len, &e), e);
    path.len = text.len = 0;
    buf_fmt(&path, "%s/model.safetensors", source);
    assert_ok(fs_read(path.data, 1 << 24, &text, &e), e);
    path.len = 0;
    buf_fmt(&path, "%s/model.safetensors", dir);
    assert_ok(fs_replace(path.data, text.data, text.len, &e), e);
    buf_free(&text), buf_free(&out), buf_free(&path);
    free(source);
    return dir;
}

static void bad_configs_are_refused_by_field(void **state)
{
    static const struct {
        const char *from, *to, *why;
    } row[] = {
        {"\"gpt_neox\"", "\"gpt2\"", "model_type: gpt2 is not gpt_neox"},
        {"\"vocab_size\": 96", "\"vocab\": 96", "vocab_size: missing"},
        {"\"vocab_size\": 96", "\"vocab_size\": 97", "gpt_neox.embed_in.weight: shape [96, 48], config.json wants [97, 48]"},
        {"\"hidden_size\": 48", "\"hidden_size\": 0", "hidden_size: not a positive integer"},
        {"\"num_attention_heads\": 3", "\"num_attention_heads\": 5", "5 does not divide hidden_size, 48"},
        {"\"num_hidden_layers\": 3", "\"num_hidden_layers\": 4", "gpt_neox.layers.3.input_layernorm.weight: missing"},
        {"\"num_hidden_layers\": 3", "\"num_hidden_layers\": 2", "not a tensor of a GPT-NeoX language model of 2 layers"},
        {"\"hidden_act\": \"gelu\"", "\"hidden_act\": \"relu\"", "hidden_act: relu is not one of"},
        {"\"rotary_pct\": 0.25", "\"rotary_pct\": 1.5", "rotary_pct: 1.5 is outside [0, 1]"},
        {"\"rotary_pct\": 0.25", "\"rotary_pct\": 0.2", "3 rotary dimensions of a head of 16"},
        {"\"rotary_pct\": 0.25", "\"rope_scaling\": {\"type\": \"linear\"}", "rope_scaling"},
        {"\"rotary_pct\": 0.25", "\"rope_parameters\": {\"rope_type\": \"yarn\"}", "rope_type: yarn is not"},
        {"\"attention_bias\": true", "\"attention_bias\": false", "attention.dense.bias: not a tensor"},
        {"\"tie_word_embeddings\": false", "\"tie_word_embeddings\": true", "embed_out.weight: differs from"},
        {"\"layer_norm_eps\": 1e-05", "\"layer_norm_eps\": 0", "layer_norm_eps: 0 is outside"},
        {"\"rotary_emb_base\": 10000", "\"rotary_emb_base\": -1", "rotary_emb_base: -1 is not positive"},
        {"\"use_parallel_residual\": true", "\"use_parallel_residual\": 1", "neither true nor false"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(row); i++) {
        char *dir = folder("tiny_a", row[i].from, row[i].to);
        struct neox_file f;
        struct err e;

        assert_fails(neox_file_open(&f, dir, &e), ERR_INVALID, e, row[i].why);
        tmpdir_remove(dir);
    }
}

/* rope_parameters of newer files stand above rotary_pct; both spellings, both absent. */
static void rotary_settings_come_in_two_spellings(void **state)
{
    static const struct {
        const char *to;
        size_t n_rot;
        double base;
    } row[] = {{"\"rope_parameters\": {\"rope_type\": \"default\", \"rope_theta\": 77, "
                "\"partial_rotary_factor\": 0.5}", 8, 77},
               {"\"rope_parameters\": null", 4, 10000},
               {"\"rotary_pct\": 1.0", 16, 10000},
               {"\"rotary_pct\": 0.0", 0, 10000}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(row); i++) {
        char *dir = folder("tiny_a", "\"rotary_pct\": 0.25", row[i].to);
        struct neox_file f;
        struct err e;

        assert_ok(neox_file_open(&f, dir, &e), e);
        assert_int_equal(f.cfg.n_rot, row[i].n_rot);
        assert_near(f.cfg.rope_base, row[i].base, 0);
        neox_file_close(&f);
        tmpdir_remove(dir);
    }
}

/* Opens, loads, and hands over the model's tensors; `change` spoils one of them. */
static char *respelt(void (*change)(struct st_tensor *t, size_t *n))
{
    char *source = data_path("tiny_a"), *dir = folder("tiny_a", "}", "}");
    struct st_tensor t[64];
    struct st_file f;
    struct buf path = {0};
    struct err e;
    size_t n;

    assert_ok(st_open_dir(&f, source, &e), e);
    n = f.n_tensors;
    memcpy(t, f.tensors, n * sizeof *t);
    change(t, &n);
    buf_fmt(&path, "%s/model.safetensors", dir);
    assert_ok(st_write(path.data, t, n, NULL, 0, &e), e);
    buf_free(&path);
    st_close(&f);
    free(source);
    return dir;
}

static float spoilt[48 * 48];

static struct st_tensor *pick(struct st_tensor *t, const char *name)
{
    while (!strstr(t->name, name))
        t++;
    return t;
}

static void with_nan(struct st_tensor *t, size_t *n)
{
    (void)n;
    spoilt[7] = (float)NAN;
    pick(t, "layers.1.attention.dense.weight")->data = spoilt;
}

static void without_one(struct st_tensor *t, size_t *n)
{
    *pick(t, "layers.2.mlp.dense_4h_to_h.bias") = t[--*n];
}

static void with_another(struct st_tensor *t, size_t *n)
{
    t[*n] = t[0];
    t[(*n)++].name = "score.weight";
}

static void with_buffers(struct st_tensor *t, size_t *n)
{
    static const unsigned char mask[4];
    static const uint16_t minus_inf = 0xfc00;

    t[(*n)++] = (struct st_tensor){.name = "gpt_neox.layers.0.attention.bias", .dtype = ST_U8, .n_dims = 4,
                                   .shape = {1, 1, 2, 2}, .data = mask};
    t[(*n)++] = (struct st_tensor){.name = "gpt_neox.layers.0.attention.masked_bias", .dtype = ST_F16,
                                   .data = &minus_inf};
    t[(*n)++] = (struct st_tensor){.name = "gpt_neox.layers.0.attention.rotary_emb.inv_freq",
                                   .dtype = ST_F16, .n_dims = 1, .shape = {2}, .data = mask};
}

static void of_integers(struct st_tensor *t, size_t *n)
{
    (void)n;
    pick(t, "layers.0.attention.dense.bias")->dtype = ST_I32;
}

static void bad_tensors_are_refused_by_name(void **state)
{
    const struct {
        void (*change)(struct st_tensor *t, size_t *n);
        const char *why;
    } row[] = {{with_nan, "layers.1.attention.dense.weight: element 7 is not finite"},
               {without_one, "gpt_neox.layers.2.mlp.dense_4h_to_h.bias: missing"},
               {with_another, "score.weight: not a tensor of a GPT-NeoX language model"},
               {of_integers, "layers.0.attention.dense.bias: I32 is not a floating type"}};
    struct neox_file f;
    struct err e;
    char *dir;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(row); i++) {
        dir = respelt(row[i].change);
        assert_fails(neox_file_open(&f, dir, &e), ERR_INVALID, e, row[i].why);
        tmpdir_remove(dir);
    }
    dir = respelt(with_buffers);
    assert_ok(neox_file_open(&f, dir, &e), e);
    assert_int_equal(f.n_buffers, 3);
    neox_file_close(&f);
    tmpdir_remove(dir);
}

/* Every Pythia by its config.json: weights counted, the plan of a training in float32 and of a lean one. */
static void every_pythia_is_known_by_its_shape(void **state)
{
    static const struct {
        size_t layers, d, heads, vocab, e, rot, n_weights, n_embedded;
    } row[] = {
        {6, 128, 4, 50304, 32, 8, 14067712, 1189888},
        {6, 256, 8, 50304, 32, 8, 30494720, 4739072},
        {6, 512, 8, 50304, 64, 16, 70426624, 18915328},
        {12, 768, 12, 50304, 64, 16, 162322944, 85056000},
        {24, 1024, 16, 50304, 64, 16, 405334016, 302311424},
        {16, 2048, 8, 50304, 256, 64, 1011781632, 805736448},
        {24, 2048, 16, 50304, 128, 32, 1414647808, 1208602624},
        {32, 2560, 32, 50304, 80, 20, 2775208960, 2517652480},
        {32, 4096, 32, 50432, 128, 32, 6857302016, 6444163072},
        {36, 5120, 40, 50688, 128, 32, 11846072320, 11327027200},
    };
    char *dir = tmpdir_make(), *path = tmpdir_path(dir, "config.json");

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(row); i++) {
        const struct neox_store f32 = {0}, half = {.weights16 = true, .moments16 = true};
        const double n = (double)row[i].n_weights;
        struct buf text = {0};
        struct neox_need need;
        struct neox_cfg c;
        struct err e;

        buf_fmt(&text, "{\"model_type\": \"gpt_neox\", \"hidden_act\": \"gelu\", \"hidden_size\": %zu, "
                "\"intermediate_size\": %zu, \"num_attention_heads\": %zu, \"num_hidden_layers\": %zu, "
                "\"rotary_pct\": 0.25, \"rotary_emb_base\": 10000, \"layer_norm_eps\": 1e-05, "
                "\"max_position_embeddings\": 2048, \"use_parallel_residual\": true, "
                "\"tie_word_embeddings\": false, \"torch_dtype\": \"float16\", \"vocab_size\": %zu}",
                row[i].d, 4 * row[i].d, row[i].heads, row[i].layers, row[i].vocab);
        assert_ok(fs_replace(path, text.data, text.len, &e), e);
        assert_ok(neox_cfg_read(&c, path, &e), e);
        assert_ok(neox_cfg_check(&c, &e), e);
        assert_int_equal(c.d_head, row[i].e);
        assert_int_equal(c.n_rot, row[i].rot);
        assert_int_equal(neox_n_weights(&c), row[i].n_weights);
        assert_int_equal(neox_n_weights(&c) - 2 * row[i].vocab * row[i].d, row[i].n_embedded);
        assert_int_equal(neox_n_rows(&c), 12 * row[i].layers + 4);
        neox_need(&need, &c, NULL, &f32, 0);
        assert_near((double)need.total, 16 * n, 1e-3 * 16 * n);
        neox_need(&need, &c, NULL, &half, 0);
        assert_near((double)(need.total - need.view), 10 * n, 5e-3 * 10 * n);
        buf_free(&text);
    }
    free(path);
    tmpdir_remove(dir);
}

static void damaged_files_are_refused(void **state)
{
    static const struct {
        const char *from, *to, *why;
        enum err_code code;
        size_t cut; /* bytes off the end */
    } row[] = {
        {"", "", "is outside the", ERR_CORRUPT, 100},                       /* truncated */
        {"[96,48]", "[48,96]", "embed_out.weight: shape [48, 96]", ERR_INVALID, 0},
        {"[96,48]", "[95,48]", "embed_out.weight", ERR_CORRUPT, 0},         /* another number of bytes */
        {"[18432,36864]", "[18428,36860]", "gpt_neox.embed_in.weight", ERR_CORRUPT, 0}, /* overlapping */
        {"\"dtype\":\"F32\"", "\"dtype\":\"F99\"", "F99", ERR_INVALID, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(row); i++) {
        char *dir = folder("tiny_a", "}", "}"), *path = tmpdir_path(dir, "model.safetensors");
        struct buf b = {0};
        struct neox_file f;
        struct err e = {0};
        char *at;

        assert_ok(fs_read(path, 1 << 24, &b, &e), e);
        at = memmem(b.data, b.len, row[i].from, strlen(row[i].from));
        assert_non_null(at);
        memcpy(at, row[i].to, strlen(row[i].to));
        assert_ok(fs_replace(path, b.data, b.len - row[i].cut, &e), e);
        assert_fails(neox_file_open(&f, dir, &e), row[i].code, e, row[i].why);
        buf_free(&b);
        free(path);
        tmpdir_remove(dir);
    }
}

static void what_is_no_model_folder_is_said_so(void **state)
{
    char *dir = tmpdir_make(), *path = tmpdir_path(dir, "pytorch_model.bin"), *with = folder("tiny_a", "}", "}");
    char *weights = tmpdir_path(with, "model.safetensors"), *pickle = tmpdir_path(with, "pytorch_model.bin");
    struct neox_file f;
    struct err e;

    (void)state;
    assert_fails(neox_file_open(&f, "no-such-folder", &e), ERR_NOT_FOUND, e, "no such folder");
    assert_fails(neox_file_open(&f, dir, &e), ERR_NOT_FOUND, e, "config.json");
    assert_int_equal(remove(weights), 0);
    assert_int_not_equal(neox_file_open(&f, with, &e), ERR_OK);
    assert_ok(fs_replace(pickle, "x", 1, &e), e);
    assert_fails(neox_file_open(&f, with, &e), ERR_INVALID, e, "save_pretrained");
    free(path), free(weights), free(pickle);
    tmpdir_remove(dir);
    tmpdir_remove(with);
}

static void load(struct neox *m, struct arena *a, const char *dir)
{
    struct neox_file f;
    struct err e;

    assert_ok(neox_file_open(&f, dir, &e), e);
    assert_ok(arena_open(a, "test", neox_bytes(&f.cfg, false), &e), e);
    neox_init(m, &f.cfg, false, a);
    neox_file_load(&f, m);
    neox_file_close(&f);
}

static void saved_models_come_back(void **state)
{
    static const struct {
        const char *model;
        struct neox_save how;
        double tol;
    } row[] = {{"tiny_a", {ST_F32, 0}, 0},            {"tiny_a", {ST_F32, 50000}, 0},
               {"tiny_a", {ST_F16, 0}, 5e-4},         {"tiny_a", {ST_BF16, 40000}, 4e-3},
               {"sequential_tied", {ST_F32, 0}, 0},   {"head80_f16", {ST_F16, 0}, 0},
               {"tiny_a/f16_sharded", {ST_F16, 0}, 0}};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(row); i++) {
        char *dir = tmpdir_make(), *source = data_path(row[i].model);
        struct neox a, b;
        struct arena arena_a, arena_b;
        struct err e;

        load(&a, &arena_a, source);
        assert_ok(neox_save(&a, dir, &row[i].how, &e), e);
        load(&b, &arena_b, dir);
        assert_int_equal(a.cfg.n_rot, b.cfg.n_rot);
        assert_int_equal(a.cfg.act, b.cfg.act);
        assert_int_equal(a.cfg.is_parallel, b.cfg.is_parallel);
        assert_int_equal(a.cfg.is_tied, b.cfg.is_tied);
        assert_near(a.cfg.rope_base, b.cfg.rope_base, 0);
        assert_int_equal(a.n_flat, b.n_flat);
        for (size_t k = 0; k < a.n_flat; k++)
            assert_near(b.flat[0][k], a.flat[0][k], row[i].tol * fmax(1, fabs((double)a.flat[0][k])));
        arena_close(&arena_a), arena_close(&arena_b);
        free(source);
        tmpdir_remove(dir);
    }
}

static void f16_refuses_what_it_cannot_hold(void **state)
{
    char *dir = tmpdir_make(), *source = data_path("tiny_a");
    struct neox_save how = {ST_F16, 0};
    struct neox m;
    struct arena a;
    struct err e;

    (void)state;
    load(&m, &a, source);
    m.w.block[1].b_in[3] = 7e4f;
    assert_fails(neox_save(&m, dir, &how, &e), ERR_INVALID, e,
                 "layers.1.mlp.dense_h_to_4h.bias: element 3, 70000, is beyond the range of F16");
    arena_close(&a);
    free(source);
    tmpdir_remove(dir);
}

/* Every half there and back; rounding to the nearest, ties to even; stochastic rounding on average. */
static void sixteen_bits_are_exact(void **state)
{
    double sum = 0;

    (void)state;
    for (uint32_t h = 0; h < 1 << 16; h++) {
        float f = f32_of_f16((uint16_t)h), b = f32_of_bf16((uint16_t)h);

        if (!isnan(f)) {
            assert_int_equal(f16_of_f32(f), h);
            assert_true((double)f == st_number(&(uint16_t){(uint16_t)h}, ST_F16, 0));
        }
        if (!isnan(b))
            assert_int_equal(bf16_of_f32(b), h);
    }
    assert_int_equal(f16_of_f32(1.0f + 0x1p-11f), 0x3c00);          /* a tie: to even */
    assert_int_equal(f16_of_f32(1.0f + 3 * 0x1p-11f), 0x3c02);
    assert_int_equal(f16_of_f32(1.0f + 0x1.002p-11f), 0x3c01);
    assert_int_equal(f16_of_f32(0x1p-25f), 0);                      /* half of the least one */
    assert_int_equal(f16_of_f32(0x1.8p-25f), 1);
    assert_int_equal(f16_of_f32(65519.0f), 0x7bff);
    assert_int_equal(f16_of_f32(65520.0f), 0x7c00);
    assert_int_equal(bf16_of_f32(1.0f + 0x1p-8f), 0x3f80);
    assert_int_equal(bf16_of_f32(1.0f + 3 * 0x1p-8f), 0x3f82);
    for (uint32_t r = 0; r < 1 << 16; r++)
        sum += f32_of_bf16(bf16_stochastic(1.003f, r));
    assert_near(sum / (1 << 16), 1.003f, 1e-7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_configs_are_refused_by_field),
        cmocka_unit_test(rotary_settings_come_in_two_spellings),
        cmocka_unit_test(bad_tensors_are_refused_by_name),
        cmocka_unit_test(damaged_files_are_refused),
        cmocka_unit_test(every_pythia_is_known_by_its_shape),
        cmocka_unit_test(what_is_no_model_folder_is_said_so),
        cmocka_unit_test(saved_models_come_back),
        cmocka_unit_test(f16_refuses_what_it_cannot_hold),
        cmocka_unit_test(sixteen_bits_are_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
