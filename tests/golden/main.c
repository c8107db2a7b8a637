/* golden_neox - compares the language model with a folder of numbers computed elsewhere in double.
 *
 *   golden_neox DIR
 *
 * DIR holds a model (config.json, safetensors), golden.json and golden.safetensors, and may hold
 * sae.safetensors and f16_sharded/.  The worst error of every quantity is printed; exit 1 if one is
 * beyond its limit, 2 if the folder cannot be read.  The optimiser's trajectory is computed in
 * double by golden_neox_f64, which lies beside this program and takes the same argument.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/fs.h"
#include "tests/golden/golden.h"

static const char usage[] =
    "usage: golden_neox DIR\n"
    "Compares a GPT-NeoX model with DIR/golden.json and DIR/golden.safetensors, prints the worst error\n"
    "of every quantity, and exits with 1 if one is beyond its limit.\n";

/* The trajectory by the double build. */
static bool trajectory_f64(const char *dir)
{
    struct buf path = {0};
    struct err e;
    int status = -1;
    pid_t pid;

    if (fs_exe_dir(&path, &e))
        golden_die("%s", e.text);
    buf_fmt(&path, "/golden_neox_f64");
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        execl(path.data, "golden_neox_f64", "--trajectory", dir, (char *)NULL);
        perror(path.data);
        _exit(2);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        golden_die("golden_neox_f64 cannot be started");
    buf_free(&path);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void run(struct golden *g)
{
    if (!g->only_trajectory) {
        golden_forward(g);
        golden_gradients(g);
        golden_intervention(g);
        golden_sharded(g);
    }
    golden_trajectory(g);
}

int main(int argc, char **argv)
{
    static struct golden g;
    bool is_good = true;

    if (argc == 3 && !strcmp(argv[1], "--trajectory"))
        g.only_trajectory = true;
    else if (argc != 2 || !strcmp(argv[1], "--help")) {
        fputs(usage, argc == 2 ? stdout : stderr);
        return argc == 2 ? 0 : 64;
    }
    golden_open(&g, argv[argc - 1]);
    run(&g);
    if (!g.only_trajectory && sizeof(real) == sizeof(float))
        is_good = trajectory_f64(g.dir);
    is_good = is_good && g.n_bad == 0;
    if (!g.only_trajectory)
        printf("%s: %s\n", g.dir, is_good ? "all within their limits" : "NOT within the limits");
    golden_close(&g);
    return is_good ? 0 : 1;
}
