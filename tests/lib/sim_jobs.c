/* sim_jobs.c - job graphs of sim.h: layers, diamonds, wide fans, chains, with random scripts. */
#include "tests/lib/sim.h"

#include "tests/lib/check.h"

static enum sim_script random_script(struct sim *s)
{
    static const enum sim_script rare[] = {
        SIM_NEGATIVE, SIM_BAD_CONFIG, SIM_BUG,    SIM_INFRA_SOME, SIM_INFRA_SOME, SIM_INFRA_EVER,
        SIM_OOM_EVER, SIM_POISON,     SIM_POISON, SIM_GATED,      SIM_NO_PAYLOAD};

    if (s->config.is_calm || sim_chance(s, 0.75))
        return SIM_WELL;
    return rare[rng_below(&s->rng, ARRAY_LEN(rare))];
}

static void add_input(struct sim_job *j, int64_t id)
{
    for (size_t i = 0; i < j->n_inputs; i++)
        if (j->inputs[i] == id)
            return;
    if (j->n_inputs < ARRAY_LEN(j->inputs))
        j->inputs[j->n_inputs++] = id;
}

/* Shapes: 0 none, 1 chain, 2 layers of `width`, 3 diamonds, 4 one fan-in over all before it. */
static void add_inputs(struct sim *s, struct sim_job *j, int64_t id, int shape, int64_t width)
{
    int64_t layer = (id - 1) / width;

    if (id == 1)
        return;
    if (shape == 1 && sim_chance(s, 0.7))
        add_input(j, id - 1);
    for (int64_t k = 0; shape == 2 && layer > 0 && k < sim_between(s, 1, 3); k++)
        add_input(j, sim_between(s, (layer - 1) * width + 1, layer * width));
    if (shape == 3 && id % 4 == 0) {
        add_input(j, id - 1);
        add_input(j, id - 2);
    } else if (shape == 3 && id % 4 != 1) {
        add_input(j, id - id % 4 + 1);
    }
    for (int64_t k = 1; shape == 4 && id % width == 0 && k < id && k < 60; k++)
        add_input(j, id - k);
}

void sim_make_jobs(struct sim *s)
{
    int shape = (int)sim_between(s, 0, 4);
    int64_t width = sim_between(s, 2, 12);

    if (s->config.width) {
        shape = 2;
        width = s->config.width;
    }
    s->n_jobs = (size_t)s->config.n_jobs;
    for (size_t i = 0; i < s->n_jobs; i++) {
        struct sim_job *j = &s->jobs[i];
        int64_t id = (int64_t)i + 1;
        bool in_agent = sim_chance(s, 0.3);
        j->script = random_script(s);
        if (j->script == SIM_POISON || j->script == SIM_OOM_EVER)
            in_agent = false;
        j->us = in_agent ? sim_between(s, 10, 20000) : sim_between(s, 5000, 4000000);
        j->beats_steps =
            j->script == SIM_WELL || j->script == SIM_POISON ? sim_chance(s, 0.5) : false;
        j->load = (struct job){
            .id = id,
            .cost_s = (float)j->us / 1e6F,
            .priority = (int16_t)sim_between(s, -2, 2),
            .threads = (uint16_t)(in_agent || sim_chance(s, 0.85) ? 1 : sim_between(s, 2, 4)),
            .retries = (uint8_t)sim_between(s, 1, 3),
            .in_agent = in_agent};
        j->n_script = j->script == SIM_INFRA_SOME ? (int)sim_between(s, 1, j->load.retries) : 0;
        add_inputs(s, j, id, shape, width);
    }
}
