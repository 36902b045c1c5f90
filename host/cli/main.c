/* dlop: picks the sub-command from one table and runs it. Options belong to the sub-commands. */
#include <stdio.h>
#include <string.h>

#include "host/cli/cli.h"

static const struct cli_command COMMANDS[] = {
    {"run", "start a training script with its input pipeline offloaded", cli_run},
    {"bench", "measure throughput side by side with the script's own path", cli_bench},
    {"decode", "decode picture files to .npy or .png on any device", cli_decode},
    {"devices", "list the devices of this machine and what is missing for the others", cli_devices},
    {"selftest", "prove the kernels of each device on this machine", cli_selftest},
};
#define N_COMMANDS (sizeof(COMMANDS) / sizeof(COMMANDS[0]))

static void print_help(FILE *stream)
{
    fprintf(stream, "Usage: dlop COMMAND [OPTION...]\n\n"
                    "Runs the input pipeline of PyTorch training scripts on an offload device, "
                    "with the same bits.\n\n"
                    "  dlop run python train.py       same training, faster input\n\n"
                    "Commands (each with --help and --json):\n");
    for (size_t i = 0; i < N_COMMANDS; i++)
        fprintf(stream, "  %-10s %s\n", COMMANDS[i].name, COMMANDS[i].summary);
    fprintf(stream, "\n  --help     this text\n  --version  version, commit and compiler flags\n"
                    "             (--version --json as one object)\n");
}

static int print_version(bool as_json)
{
    if (as_json)
        return cli_print_json(json_pack("{s:s, s:s, s:s}", "schema", "dlop.version/1", "version",
                                        dlop_version(), "build", dlop_build_info()));
    printf("dlop %s\n%s\n", dlop_version(), dlop_build_info());
    return CLI_DONE;
}

/* Run a sub-command with argv[0] = "dlop name", so that its help and errors name it. */
static int run_command(const struct cli_command *command, int argc, char **argv)
{
    char name[64];

    snprintf(name, sizeof(name), "dlop %s", command->name);
    argv[0] = name;
    return command->run(argc, argv);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        print_help(stderr);
        return CLI_USAGE;
    }
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
        print_help(stdout);
        return CLI_DONE;
    }
    if (!strcmp(argv[1], "--version"))
        return print_version(argc > 2 && !strcmp(argv[2], "--json"));
    for (size_t i = 0; i < N_COMMANDS; i++)
        if (!strcmp(argv[1], COMMANDS[i].name))
            return run_command(&COMMANDS[i], argc - 1, argv + 1);
    cli_error("dlop", "there is no command '%s'; dlop --help lists them", argv[1]);
    return CLI_USAGE;
}
