/* dlop bench: throughput side by side. Contestants are Python loaders or are reached from Python,
 * so each measurement is a module of the package, named in the table below; this command finds the
 * interpreter and hands the options over, also --help of one measurement. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/cli/cli.h"

static const struct {
    const char *name, *module;
} BENCHES[] = {
    {"loader", "dlop.bench_loader"},
    {"decode", "dlop.bench_decode"},
    {"kernels", "dlop.bench_kernels"},
    {"train", "dlop.bench_train"},
};

static const char HELP[] =
    "Usage: dlop bench loader --data DIR [OPTION...]\n"
    "       dlop bench decode --data DIR [OPTION...]\n"
    "       dlop bench kernels --data DIR [OPTION...]\n"
    "       dlop bench train --data DIR --step-ms M [OPTION...]\n"
    "       dlop bench train [OPTION...] -- COMMAND...\n\n"
    "Measures contestants interleaved in one run, at equal numbers of cores, on the photographs\n"
    "below DIR. The reference comes first and last; medians over the rounds are reported.\n\n"
    "  loader   batches of a training: the script's own DataLoader and DLOP (DIR has one folder\n"
    "           per class), and other loaders where installed: --peers\n"
    "  decode   whole pictures from memory to RGB: DLOP's kernels and libjpeg-turbo\n"
    "  kernels  each step of the CPU's kernels by itself, at each vector level\n"
    "  train    an epoch with a stand-in device step of M ms after each batch: how far from what\n"
    "           the slower of step and loader allows; or a training of your own, as written and\n"
    "           under dlop run, in turn\n\n"
    "Options of all of them; dlop bench NAME --help has the rest:\n"
    "  --cores N         pin the process tree to N cores (default 1; not kernels)\n"
    "  --rounds N        interleaved rounds (default 5)\n"
    "  --limit N         use N images only\n"
    "  --json FILE       write the result, schema dlop.bench.NAME/1; - is standard output\n"
    "  --plot FILE       draw the result: .svg or .png\n\n"
    "Example: dlop bench decode --data photos --rounds 9 --json decode.json\n"
    "The Python interpreter is DLOP_PYTHON where set, otherwise python3; loader and train\n"
    "need torch and torchvision in it.\n";

/* DLOP_COMMAND: this program, for measurements that start dlop run. */
static bool set_own_path(void)
{
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);

    if (n <= 0)
        return false;
    path[n] = '\0';
    return !setenv("DLOP_COMMAND", path, 1);
}

static int exec_python(const char *command, const char *module, int argc, char **argv)
{
    struct cli_paths paths;
    const char *python = getenv("DLOP_PYTHON");
    char **child = calloc((size_t)argc + 4, sizeof(char *));
    int n = 0;

    if (!child || !cli_paths_find(command, &paths) ||
        !cli_set_python_environment(paths.package, &paths) || !set_own_path()) {
        free(child);
        return CLI_FAILED;
    }
    child[n++] = python && *python ? (char *)python : "python3";
    child[n++] = "-m";
    child[n++] = (char *)module;
    for (int i = 0; i < argc; i++)
        child[n++] = argv[i];
    execvp(child[0], child);
    cli_error(command, "cannot start %s: %s", child[0], strerror(errno));
    free(child);
    return CLI_FAILED;
}

int cli_bench(int argc, char **argv)
{
    if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
        fputs(HELP, stdout);
        return CLI_DONE;
    }
    for (size_t i = 0; argc > 1 && i < sizeof BENCHES / sizeof BENCHES[0]; i++)
        if (!strcmp(argv[1], BENCHES[i].name))
            return exec_python(argv[0], BENCHES[i].module, argc - 2, argv + 2);
    fputs(HELP, stderr);
    return CLI_USAGE;
}
