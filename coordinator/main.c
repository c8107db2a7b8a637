/* main.c - saegrid: the table of commands.  Each is coordinator/cmd_<name>.c. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "coordinator/cmd.h"
#include "coordinator/cmd_common.h"

#include "common/log.h"

struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
    const char *section; /* begins a section of the help; NULL: same as above */
};

static const struct command commands[] = {
    {"launch", cmd_launch, NULL, NULL}, /* not for people */
    {"plan", cmd_plan, "print the jobs of a sweep, their dependencies and an estimate", "Sweeps"},
    {"run", cmd_run, "run a sweep on this machine", NULL},
    {"serve", cmd_serve, "coordinate a sweep under mpirun or srun", NULL},
    {"kinds", cmd_kinds, "job kinds, their knobs, inputs and metrics", NULL},
    {"schema", cmd_schema, "JSON Schema of sweep files, for editors", NULL},
    {"status", cmd_status, "how far each sweep is, what runs, what failed", "Look"},
    {"jobs", cmd_jobs, "list jobs", NULL},
    {"show", cmd_show, "everything about one job", NULL},
    {"explain", cmd_explain, "why a job waits, was reused, was tried again or failed", NULL},
    {"logs", cmd_logs, "the log of a job", NULL},
    {"table", cmd_table, "print a view or a stored query", NULL},
    {"report", cmd_report, "one HTML page about a sweep, or about all", NULL},
    {"export", cmd_export, "write an SAE in another project's file format", "Exchange"},
    {"import", cmd_import, "read an SAE from another project's file format", NULL},
    {"cancel", cmd_cancel, "stop jobs, a stage or a sweep for good", "Steer"},
    {"pause", cmd_pause, "begin no more jobs until resume", NULL},
    {"resume", cmd_resume, "take back pause", NULL},
    {"priority", cmd_priority, "let jobs run earlier or later than others", NULL},
    {"check", cmd_check, "compare manifest, events, folders and digests", "Repair"},
    {"requeue", cmd_requeue, "put failed jobs back", NULL},
    {"doctor", cmd_doctor, "check what this machine needs", "This machine"},
    {"version", cmd_version, "versions of saegrid and of every library", NULL},
};

static void print_help(void)
{
    printf("usage: saegrid COMMAND [options] [arguments]\n\n"
           "Runs sweeps of sparse-autoencoder experiments from one YAML file over MPI.\n");
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        if (commands[i].help && commands[i].section)
            printf("\n%s\n", commands[i].section);
        if (commands[i].help)
            printf("  %-10s %s\n", commands[i].name, commands[i].help);
    }
    printf("\nsaegrid COMMAND --help tells more.  Exit codes: 0 done, 1 some jobs failed,\n"
           "64 usage, 65 bad input, 69 held by another or cannot start, 70 a bug, 74 cannot\n"
           "write, 75 stopped: the same command goes on.\n");
}

static const struct command *find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

static int unknown(const char *name)
{
    const char *names[ARRAY_LEN(commands)], *near;

    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        names[i] = commands[i].name;
    near = opts_nearest(names, ARRAY_LEN(commands), name);
    if (near)
        fprintf(stderr, "saegrid: %s: unknown command (did you mean %s?)\n", name, near);
    else
        fprintf(stderr, "saegrid: %s: unknown command; see saegrid --help\n", name);
    return err_exit_code(ERR_USAGE);
}

static int help_of(const char *name)
{
    const struct command *c = find(name);
    char help[] = "--help";
    char *argv[] = {(char *)(c ? c->name : name), help, NULL};

    return c ? c->run(2, argv) : unknown(name);
}

int main(int argc, char **argv)
{
    const struct command *c;

    log_level_from_env();
    signal(SIGPIPE, SIG_DFL);
    signal(SIGXFSZ, SIG_IGN); /* a manifest over the limit of file size: a write that fails, and says so */
    if (argc < 2) {
        fprintf(stderr, "saegrid: a command is missing; see saegrid --help\n");
        return err_exit_code(ERR_USAGE);
    }
    if (strcmp(argv[1], "--version") == 0)
        return find("version")->run(1, argv + 1);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        if (argc > 2 && argv[1][0] == 'h')
            return help_of(argv[2]);
        print_help();
        return 0;
    }
    c = find(argv[1]);
    return c ? c->run(argc - 1, argv + 1) : unknown(argv[1]);
}
