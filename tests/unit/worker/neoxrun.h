/* neoxrun.h - a small random GPT-NeoX as the result of a job, for tests of what reads models. */
#pragma once
#include "tests/unit/worker/jobrun.h"

#include "worker/jobs/lm_scorer.h"

/* Writes <root>/<name> with a model of n_vocab ids. */
static UNUSED void neoxrun(const struct jobrun *r, const char *name, size_t n_vocab, uint64_t seed)
{
    const struct neox_cfg c = {.n_layers = 2, .d_model = 16, .n_heads = 2, .d_head = 8, .d_mlp = 32,
                               .n_vocab = n_vocab, .n_rot = 2, .n_ctx = 64, .rope_base = 10000,
                               .ln_eps = 1e-5, .init_range = 0.02, .is_parallel = true,
                               .has_attn_bias = true, .bos = 0, .eos = 0};
    const struct neox_save how = {ST_F32, 0};
    struct buf dir = {0}, path = {0};
    struct arena a;
    struct neox m;
    struct err e;

    buf_fmt(&dir, "%s/%s/" LM_MODEL_DIR, r->root, name);
    assert_ok(fs_mkdirs(dir.data, &e), e);
    assert_ok(arena_open(&a, "neoxrun", neox_bytes(&c, false), &e), e);
    neox_init(&m, &c, false, &a);
    neox_randomise(&m, seed);
    for (size_t i = 0; i < m.n_flat; i++)
        m.flat[0][i] *= 3; /* far from uniform */
    assert_ok(neox_save(&m, dir.data, &how, &e), e);
    arena_close(&a);
    buf_fmt(&path, "%s/result.json", name);
    jobrun_file(r, path.data, "{\"job\": \"00000000000000000000000000000000000000000000000000000000000000ff\"}");
    buf_free(&dir);
    buf_free(&path);
}
