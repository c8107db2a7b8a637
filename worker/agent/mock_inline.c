/* mock_inline.c - see mock_inline.h. */
#include "worker/agent/mock_inline.h"

#include <signal.h>
#include <string.h>

#include "common/json.h"
#include "common/kinds/kind.h"
#include "common/kinds/mock.h"
#include "common/rng.h"

static const struct {
    const char *fail;
    enum err_class class;
    int exit_code, signal;
} ends[] = {
    {"config", ERR_CLASS_CONFIG, 65, 0},    {"infra", ERR_CLASS_INFRA, 74, 0},
    {"code", ERR_CLASS_CODE, 70, 0},        {"science", ERR_CLASS_SCIENCE, 0, 0},
    {"external", ERR_CLASS_EXTERNAL, 75, 0}, {"segv", ERR_CLASS_CODE, -1, SIGSEGV},
    {"abort", ERR_CLASS_CODE, -1, SIGABRT}, {"kill", ERR_CLASS_EXTERNAL, -1, SIGKILL},
    {"exit3", ERR_CLASS_CODE, 3, 0},        {"eat", ERR_CLASS_INFRA, 71, 0},
    {"grow", ERR_CLASS_CONFIG, -1, SIGXFSZ},
};

static void set_failure(struct mock_inline *m, const char *fail)
{
    m->hangs = strcmp(fail, "hang") == 0 || strcmp(fail, "spin") == 0;
    m->is_oom = strcmp(fail, "eat") == 0;
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        if (strcmp(fail, ends[i].fail) != 0)
            continue;
        m->class = ends[i].class;
        m->exit_code = ends[i].exit_code;
        m->signal = ends[i].signal;
    }
    buf_fmt(&m->message, "mock: fail: %s, as asked", fail);
}

static void set_value(struct mock_inline *m, int64_t seed)
{
    struct rng rng = rng_stream((uint64_t)seed, "mock.value");

    buf_str(&m->metrics, "value=");
    buf_f64(&m->metrics, rng_f64(&rng));
}

enum err_code mock_inline(struct mock_inline *m, const char *payload, int64_t epoch, struct err *e)
{
    const struct job_kind *kind = kind_find("mock");
    struct cfg_strings keep = {0};
    struct mock_cfg cfg = {0};
    struct json *doc = NULL;

    *m = (struct mock_inline){0};
    enum err_code rc = json_parse(payload, strlen(payload), &doc, e);
    if (rc)
        return err_wrap(e, "payload");
    rc = cfg_from_json(kind->fields, kind->n_fields, &cfg, json_get(doc, "knobs"), &keep, e);
    if (!rc) {
        m->sleep_s = cfg.sleep;
        bool fails = strcmp(cfg.fail, "none") != 0 &&
                     (cfg.fail_times == 0 || epoch <= cfg.fail_times);
        if (fails)
            set_failure(m, cfg.fail);
        if (m->class == ERR_CLASS_NONE || m->class == ERR_CLASS_SCIENCE)
            set_value(m, cfg.seed);
    }
    cfg_free(&keep);
    json_free(doc);
    return rc;
}

void mock_inline_free(struct mock_inline *m)
{
    buf_free(&m->metrics);
    buf_free(&m->message);
}
