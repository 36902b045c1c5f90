/* dlop run: the environment that makes every Python process of a command attach, then the command.
 *
 * Options come from the one table in host/base/config.h and become environment variables, so that
 * workers, ranks and other descendants see them. Not here: staying beside the command
 * (supervise.c), attaching (host/python).
 */
#include <argp.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/base/config.h"
#include "host/cli/cli.h"
#include "host/cli/supervise.h"

enum { KEY_FIRST_OPTION = 0x1000, KEY_JSON = 'j' };

struct run_options {
    char **command; /* null-terminated */
    bool as_json;
};

/* --threads 4 -> DLOP_THREADS=4, after the check that the table asks for. */
static error_t set_option(const struct dlop_option *option, const char *value,
                          struct argp_state *state)
{
    uint64_t number;
    char reason[160];

    if (dlop_option_parse(option, value, &number, reason, sizeof(reason)) != DLOP_OK)
        argp_error(state, "--%s: %s", option->name, reason);
    if (setenv(option->environment, value, 1))
        argp_failure(state, CLI_FAILED, errno, "cannot set %s", option->environment);
    return 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct run_options *options = state->input;
    const struct dlop_option *option = NULL;

    if (key >= KEY_FIRST_OPTION)
        option = dlop_option_at((uint32_t)(key - KEY_FIRST_OPTION));
    if (option)
        return set_option(option, arg, state);
    switch (key) {
    case KEY_JSON:
        options->as_json = true;
        return 0;
    case ARGP_KEY_ARGS:
        options->command = state->argv + state->next;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "name the command to start, for example: dlop run python train.py");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* argp's rows from the configuration table; the caller's array has room for all and the end row. */
static void make_argp_options(struct argp_option rows[DLOP_OPTION_COUNT + 2])
{
    uint32_t n = 0;

    for (const struct dlop_option *option; (option = dlop_option_at(n)); n++)
        rows[n] = (struct argp_option){
            option->name, KEY_FIRST_OPTION + (int)n, option->value_name, 0, option->help, 0};
    rows[n++] = (struct argp_option){
        "json",
        KEY_JSON,
        NULL,
        0,
        "Print one JSON object at the end, schema dlop.run/1, on standard error",
        0};
    rows[n] = (struct argp_option){0};
}

/* Loud where the user's wish was not met: these runs had no offload at all. */
static const char *attachment_state(const struct supervise_hello *hello)
{
    if (hello->n_attached)
        return "attached";
    return hello->n_booted ? "no data loader" : "not attached";
}

static void warn_unattached(const char *command, const struct supervise_hello *hello)
{
    if (!hello->n_booted)
        cli_error(command,
                  "NOT ATTACHED: no Python process of this command ran DLOP's start-up hook, so "
                  "nothing was offloaded.\n  Causes: python -I, -E or -S (they ignore PYTHONPATH), "
                  "a frozen or embedded interpreter, PYTHONPATH cleared by the command.\n  Start "
                  "the script without these, or call dlop.accelerate(loader) in it.");
    else if (!hello->n_attached)
        cli_error(command, "nothing to offload: no process imported torch.utils.data");
}

/* End as the command ended: same exit status, same signal. */
static int end_like(int wait_status)
{
    if (WIFSIGNALED(wait_status)) {
        const struct rlimit no_core = {0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        signal(WTERMSIG(wait_status), SIG_DFL);
        raise(WTERMSIG(wait_status));
        return 128 + WTERMSIG(wait_status);
    }
    return WEXITSTATUS(wait_status);
}

int cli_run(int argc, char **argv)
{
    struct argp_option rows[DLOP_OPTION_COUNT + 2];
    const struct argp argp = {
        rows,
        parse,
        "COMMAND [ARGUMENT...]",
        "Start COMMAND; the input pipelines of its PyTorch data loaders run on an offload device "
        "and give the same bits.\vExamples:\n  dlop run python train.py --epochs 90\n"
        "  dlop run --report report.json torchrun --nproc-per-node 8 train.py\n"
        "  dlop run --verify 100 --threads 4 python -m project.train\n\n"
        "Each option can also be given as an environment variable (DLOP_THREADS for --threads, "
        "DLOP_ON_ERROR for --on-error). The exit status is COMMAND's; 2 for wrong usage, 127 "
        "where COMMAND cannot be started.",
        NULL,
        NULL,
        NULL,
    };
    struct run_options options = {0};
    struct supervise_hello hello = {0};
    struct cli_paths paths;

    make_argp_options(rows);
    argp_err_exit_status = CLI_USAGE;
    if (argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &options))
        return CLI_USAGE;
    if (!cli_paths_find(argv[0], &paths) || !cli_set_python_environment(paths.boot, &paths))
        return CLI_FAILED;
    int wait_status = supervise_command(options.command, &hello);
    if (wait_status == -1) {
        cli_error(argv[0], "cannot start %s: %s", options.command[0], strerror(errno));
        return 127;
    }
    warn_unattached(argv[0], &hello);
    if (options.as_json)
        fprintf(stderr,
                "{\"schema\": \"dlop.run/1\", \"state\": \"%s\", \"interpreters\": %llu, "
                "\"attached\": %llu, \"wait_status\": %d}\n",
                attachment_state(&hello), (unsigned long long)hello.n_booted,
                (unsigned long long)hello.n_attached, wait_status);
    return end_like(wait_status);
}
