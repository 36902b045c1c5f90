/* dlop bench: throughput side by side. The contestants are Python loaders, so the measurement
 * itself is the package's module dlop.bench_loader; this command finds the interpreter and hands
 * the options over. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/cli/cli.h"

static const char HELP[] =
    "Usage: dlop bench loader --data DIR [OPTION...]\n\n"
    "Measures the script's own DataLoader and DLOP interleaved in one process tree, at equal\n"
    "numbers of cores, on the photographs below DIR (one folder per class).\n\n"
    "  --data DIR        photographs, as for torchvision's ImageFolder\n"
    "  --cores N         pin the process tree to N cores (default 1)\n"
    "  --rounds N        interleaved rounds; medians are reported (default 5)\n"
    "  --limit N         use the first N images only\n"
    "  --batch-size N    images of a batch (default 32)\n"
    "  --pipeline NAME   v1, v2 or v2-tensor (default v1)\n"
    "  --device NAMES    devices, as for dlop run (default: DLOP_DEVICE, or auto)\n"
    "  --json FILE       write the result, schema dlop.bench.loader/1; - is standard output\n\n"
    "The Python interpreter is DLOP_PYTHON where set, otherwise python3; it needs torch and\n"
    "torchvision.\n";

static int exec_python(const char *command, int argc, char **argv)
{
    struct cli_paths paths;
    const char *python = getenv("DLOP_PYTHON");
    char **child = calloc((size_t)argc + 4, sizeof(char *));
    int n = 0;

    if (!child || !cli_paths_find(command, &paths) ||
        !cli_set_python_environment(paths.package, &paths)) {
        free(child);
        return CLI_FAILED;
    }
    child[n++] = python && *python ? (char *)python : "python3";
    child[n++] = "-m";
    child[n++] = "dlop.bench_loader";
    for (int i = 0; i < argc; i++)
        child[n++] = argv[i];
    execvp(child[0], child);
    cli_error(command, "cannot start %s: %s", child[0], strerror(errno));
    free(child);
    return CLI_FAILED;
}

int cli_bench(int argc, char **argv)
{
    bool wants_help = argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"));

    if (!wants_help && argc > 1 && !strcmp(argv[1], "loader")) {
        for (int i = 2; i < argc; i++)
            wants_help |= !strcmp(argv[i], "--help") || !strcmp(argv[i], "-h");
        if (!wants_help)
            return exec_python(argv[0], argc - 2, argv + 2);
    }
    if (wants_help) {
        fputs(HELP, stdout);
        return CLI_DONE;
    }
    fputs(HELP, stderr);
    return CLI_USAGE;
}
