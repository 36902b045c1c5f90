/* mkxclbin: write the xclbin of an emulated card, or the text files beside it.
 *
 * SOURCE_DATE_EPOCH sets the time in the image (0 without it): equal input gives equal bytes.
 */
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sim/swemu/image.h"

#define MAX_PROGRAM_BYTES (1u << 30)

enum what { WHAT_XCLBIN, WHAT_METADATA, WHAT_EMCONFIG, WHAT_COUNT };
static const char *const what_names[WHAT_COUNT] = {"xclbin", "metadata", "emconfig"};

struct arguments {
    enum what what;
    const char *program;
    const char *output;
    uint32_t n_devices;
    struct dlop_swemu_image image;
};

static const struct argp_option options[] = {
    {"mode", 'm', "MODE", 0, "sw_emu (default) or hw_emu", 0},
    {"card", 'c', "CARD", 0, "Memory layout: ddr (default) or u280", 0},
    {"units", 'u', "KERNEL=N", 0, "Compute units of a kernel (2 of dlop_image, 1 of others)", 0},
    {"program", 'p', "FILE", 0, "Shared object (sw_emu) or zip (hw_emu) that goes in", 0},
    {"devices", 'd', "N", 0, "Devices of emconfig (2)", 0},
    {"output", 'o', "FILE", 0, "Where to write", 0},
    {0},
};

static uint32_t number_of(const char *text, uint32_t most, struct argp_state *state)
{
    char *end;
    const unsigned long number = strtoul(text, &end, 10);

    if (end == text || *end != 0 || number == 0 || number > most)
        argp_error(state, "%s: a number from 1 to %u", text, most);
    return (uint32_t)number;
}

static void set_units(struct arguments *arguments, const char *text, struct argp_state *state)
{
    const char *equals = strchr(text, '=');

    for (uint32_t i = 0; equals != NULL && i < DLOP_SWEMU_N_KERNELS; i++) {
        const char *name = dlop_swemu_kernels[i].name;
        if (strlen(name) == (size_t)(equals - text) &&
            strncmp(name, text, (size_t)(equals - text)) == 0) {
            arguments->image.n_units[i] = number_of(equals + 1, DLOP_SWEMU_MAX_UNITS, state);
            return;
        }
    }
    argp_error(state, "%s: not KERNEL=N with a kernel of the table", text);
}

static void set_what(struct arguments *arguments, const char *text, struct argp_state *state)
{
    for (uint32_t i = 0; i < WHAT_COUNT; i++) {
        if (strcmp(text, what_names[i]) == 0) {
            arguments->what = (enum what)i;
            return;
        }
    }
    argp_error(state, "%s: xclbin, metadata or emconfig", text);
}

static error_t parse(int key, char *text, struct argp_state *state)
{
    struct arguments *arguments = state->input;

    switch (key) {
    case 'm':
        arguments->image.is_hw_emu = strcmp(text, "hw_emu") == 0;
        if (!arguments->image.is_hw_emu && strcmp(text, "sw_emu") != 0)
            argp_error(state, "%s: sw_emu or hw_emu", text);
        return 0;
    case 'c':
        arguments->image.card = dlop_swemu_card_get(text);
        if (arguments->image.card == NULL)
            argp_error(state, "no card %s", text);
        return 0;
    case 'u':
        set_units(arguments, text, state);
        return 0;
    case 'p':
        arguments->program = text;
        return 0;
    case 'd':
        arguments->n_devices = number_of(text, 16, state);
        return 0;
    case 'o':
        arguments->output = text;
        return 0;
    case ARGP_KEY_ARG:
        if (state->arg_num > 0)
            argp_usage(state);
        set_what(arguments, text, state);
        return 0;
    case ARGP_KEY_END:
        if (state->arg_num == 0 || arguments->output == NULL ||
            (arguments->what == WHAT_XCLBIN && arguments->program == NULL))
            argp_usage(state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int complain(const char *path, const char *why)
{
    fprintf(stderr, "mkxclbin: %s: %s\n", path, why);
    return 1;
}

/* New memory with the content of a file, or null with errno set. */
static void *read_file(const char *path, size_t *n_bytes_out)
{
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    uint8_t *bytes = NULL;
    struct stat about;
    size_t n = 0;

    if (file < 0)
        return NULL;
    errno = EFBIG;
    if (fstat(file, &about) == 0 && about.st_size > 0 && about.st_size <= MAX_PROGRAM_BYTES)
        bytes = malloc((size_t)about.st_size);
    while (bytes != NULL && n < (size_t)about.st_size) {
        const ssize_t got = read(file, bytes + n, (size_t)about.st_size - n);
        if (got <= 0) {
            free(bytes);
            bytes = NULL;
            errno = EIO;
        } else {
            n += (size_t)got;
        }
    }
    close(file);
    *n_bytes_out = n;
    return bytes;
}

static int write_xclbin(struct arguments *arguments, FILE *file)
{
    void *program = read_file(arguments->program, &arguments->image.program_bytes);
    size_t n_bytes = 0;

    if (program == NULL)
        return complain(arguments->program, strerror(errno));
    arguments->image.program = program;
    uint8_t *bytes = dlop_swemu_build_xclbin(&arguments->image, &n_bytes);
    if (bytes != NULL)
        fwrite(bytes, 1, n_bytes, file);
    free(program);
    free(bytes);
    return bytes == NULL ? complain(arguments->output, "out of memory") : 0;
}

static int write_output(struct arguments *arguments)
{
    FILE *file = fopen(arguments->output, "wbe");
    int status = 0;

    if (file == NULL)
        return complain(arguments->output, strerror(errno));
    if (arguments->what == WHAT_XCLBIN)
        status = write_xclbin(arguments, file);
    else if (arguments->what == WHAT_METADATA)
        dlop_swemu_write_metadata(&arguments->image, file);
    else
        dlop_swemu_write_emconfig(arguments->image.card, arguments->n_devices, file);
    const bool is_broken = ferror(file) != 0;
    if (fclose(file) != 0 || is_broken)
        status = complain(arguments->output, "cannot be written");
    return status;
}

int main(int argc, char **argv)
{
    static const struct argp argp = {options,
                                     parse,
                                     "xclbin|metadata|emconfig",
                                     "Write the image of an emulated card, or a text file of it.",
                                     NULL,
                                     NULL,
                                     NULL};
    const char *epoch = getenv("SOURCE_DATE_EPOCH");
    struct arguments arguments = {.n_devices = 2, .image.card = &dlop_swemu_cards[0]};

    arguments.image.time_s = epoch == NULL ? 0 : strtoull(epoch, NULL, 10);
    for (uint32_t i = 0; i < DLOP_SWEMU_N_KERNELS; i++)
        arguments.image.n_units[i] = dlop_swemu_kernels[i].n_units;
    if (argp_parse(&argp, argc, argv, 0, NULL, &arguments) != 0)
        return 2;
    return write_output(&arguments);
}
