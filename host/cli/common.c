/* What several sub-commands need: messages, JSON output, the --json option, the plan of whole
 * pictures. */
#include <argp.h>
#include <stdarg.h>
#include <stdio.h>

#include "host/cli/cli.h"

void cli_error(const char *command, const char *format, ...)
{
    va_list args;

    fprintf(stderr, "%s: ", command);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

int cli_print_json(json_t *object)
{
    int failed = json_dumpf(object, stdout, JSON_INDENT(2));

    json_decref(object);
    putchar('\n');
    return failed || fflush(stdout) ? CLI_FAILED : CLI_DONE;
}

static error_t parse_json_option(int key, char *arg, struct argp_state *state)
{
    (void)arg;
    if (key == 'j') {
        *(bool *)state->input = true;
        return 0;
    }
    return key == ARGP_KEY_ARG ? (argp_usage(state), EINVAL) : ARGP_ERR_UNKNOWN;
}

bool cli_parse_json_option(int argc, char **argv, const char *help, const char *schema,
                           bool *as_json_out)
{
    char text[96];
    const struct argp_option options[] = {{"json", 'j', NULL, 0, text, 0}, {0}};
    const struct argp argp = {options, parse_json_option, NULL, help, NULL, NULL, NULL};

    snprintf(text, sizeof(text), "Print one JSON object, schema %s", schema);
    argp_err_exit_status = CLI_USAGE;
    return argp_parse(&argp, argc, argv, 0, NULL, as_json_out) == 0;
}

dlop_status cli_open_rgb_plan(dlop_ctx *ctx, dlop_plan **plan_out)
{
    struct dlop_plan_cfg cfg;
    struct dlop_draw_rules rules;
    uint8_t identity[3][256];
    char reason[128];

    for (int i = 0; i < 3 * 256; i++)
        identity[i / 256][i % 256] = (uint8_t)i;
    dlop_plan_cfg_init(&cfg);
    dlop_draw_rules_init(&rules);
    cfg.rules = &rules;
    cfg.src_channels = cfg.out_channels = 3;
    cfg.element_bytes = 1;
    cfg.is_hwc = 1;
    cfg.pack_table = identity;
    return dlop_plan_open(ctx, &cfg, plan_out, reason, sizeof(reason));
}
