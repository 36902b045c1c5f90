/* The command line: one row per sub-command, one file per row.
 *
 * Rules for every sub-command: --help teaches, --json prints one object with a "schema" field,
 * nothing but the result goes to standard output, exit status 0 done, 1 failed, 2 wrong usage.
 */
#ifndef DLOP_HOST_CLI_CLI_H
#define DLOP_HOST_CLI_CLI_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "driver/driver.h"
#include "host/include/dlop.h"

enum cli_exit { CLI_DONE = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

struct cli_command {
    const char *name;
    const char *summary; /* one line for dlop --help */
    /* argv[0] is "dlop name" for messages. Returns an exit status. */
    int (*run)(int argc, char **argv);
};

int cli_run(int argc, char **argv);
int cli_bench(int argc, char **argv);
int cli_decode(int argc, char **argv);
int cli_devices(int argc, char **argv);
int cli_selftest(int argc, char **argv);

/* Message to standard error: "dlop run: text". */
void cli_error(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Print a JSON object and release it; CLI_FAILED where standard output cannot take it. */
int cli_print_json(json_t *object);

/* Command line of sub-commands whose only option is --json. help is argp's text: before and after
 * the options, separated by \v. False where the command line is wrong (argp has said so). */
bool cli_parse_json_option(int argc, char **argv, const char *help, const char *schema,
                           bool *as_json_out);

/* A plan without operations: whole pictures as 8-bit [height][width][3]. */
dlop_status cli_open_rgb_plan(dlop_ctx *ctx, dlop_plan **plan_out) DLOP_MUST_USE;

/* Where the parts of this installation are, found from the running executable: in a build tree
 * (build/<config>/dlop) or installed (PREFIX/bin/dlop). */
struct cli_paths {
    char library[4096]; /* libdlop.so */
    char package[4096]; /* folder to put on PYTHONPATH: holds dlop/ and boot/ */
    char boot[4096];    /* folder with sitecustomize.py */
};
/* False, with a message already printed, where something is missing. */
bool cli_paths_find(const char *command, struct cli_paths *paths_out);

/* Put folder in front of PYTHONPATH and name the library in DLOP_LIBRARY, for processes started
 * from now on. False where memory is short. */
bool cli_set_python_environment(const char *folder, const struct cli_paths *paths);

#endif
