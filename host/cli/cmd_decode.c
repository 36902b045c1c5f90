/* dlop decode: files through the product's own path (source, parser, plan, device) to .npy or .png.
 *
 * One loader with an empty recipe serves all files in order; a file that no kernel handles is
 * reported with the parser's reason and the next one is tried. Not here: Pillow; this command shows
 * what the kernels do.
 */
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/cli/cli.h"
#include "host/cli/picture.h"

struct decode_options {
    const char *device;
    const char *folder; /* null: beside the input */
    bool as_png;
    bool as_json;
    char **files;
    int n_files;
};

static const struct argp_option OPTIONS[] = {
    {"device", 'd', "NAMES", 0,
     "Devices that decode, as for dlop run (default auto; see dlop devices): the result is the "
     "same",
     0},
    {"output", 'o', "FOLDER", 0, "Folder for the results (default: beside each input)", 0},
    {"format", 'f', "npy|png", 0, "Format of the results (default npy: uint8 [height][width][3])",
     0},
    {"json", 'j', NULL, 0, "Print one JSON object, schema dlop.decode/1", 0},
    {0},
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct decode_options *options = state->input;

    switch (key) {
    case 'd':
        options->device = arg;
        return 0;
    case 'o':
        options->folder = arg;
        return 0;
    case 'f':
        options->as_png = !strcmp(arg, "png");
        if (!options->as_png && strcmp(arg, "npy") != 0)
            argp_error(state, "format is npy or png, not '%s'", arg);
        return 0;
    case 'j':
        options->as_json = true;
        return 0;
    case ARGP_KEY_ARGS:
        options->files = state->argv + state->next;
        options->n_files = state->argc - state->next;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "name at least one picture file");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp ARGP = {
    OPTIONS,
    parse,
    "FILE...",
    "Decode JPEG files with the kernels of a device, pixel for pixel as Pillow does.\v"
    "Example: dlop decode photo.jpg --format png --output /tmp\n"
    "Exit status 1 where a file could not be decoded; the others are still written.",
    NULL,
    NULL,
    NULL,
};

/* The objects that one run of the command keeps open. */
struct decode_session {
    dlop_ctx *ctx;
    dlop_plan *plan;
    dlop_source *source;
    dlop_loader *loader;
};

static void session_close(struct decode_session *session)
{
    dlop_loader_close(&session->loader);
    dlop_source_close(&session->source);
    dlop_plan_close(&session->plan);
    dlop_ctx_close(&session->ctx);
}

/* All file names one after the other, zero-terminated, as dlop_source_open_files wants them. */
static char *join_names(const struct decode_options *options, size_t *n_bytes_out)
{
    size_t n_bytes = 0, at = 0;

    for (int i = 0; i < options->n_files; i++)
        n_bytes += strlen(options->files[i]) + 1;
    char *names = malloc(n_bytes + 1);
    for (int i = 0; names && i < options->n_files; i++) {
        strcpy(names + at, options->files[i]);
        at += strlen(options->files[i]) + 1;
    }
    *n_bytes_out = n_bytes;
    return names;
}

static dlop_status session_open(const struct decode_options *options,
                                struct decode_session *session)
{
    struct dlop_ctx_cfg ctx_cfg;
    struct dlop_loader_cfg loader_cfg;
    struct dlop_rng_state rng;
    size_t names_bytes;
    char *names = join_names(options, &names_bytes);

    dlop_ctx_cfg_init(&ctx_cfg);
    ctx_cfg.device = options->device;
    dlop_loader_cfg_init(&loader_cfg);
    loader_cfg.n_streams = loader_cfg.max_batches = loader_cfg.max_batch_records = 1;
    dlop_status status = names ? dlop_ctx_open(&ctx_cfg, &session->ctx) : DLOP_ERR_NO_MEMORY;
    if (status == DLOP_OK)
        status = cli_open_rgb_plan(session->ctx, &session->plan);
    if (status == DLOP_OK)
        status = dlop_source_open_files(session->ctx, names, names_bytes,
                                        (uint64_t)options->n_files, &session->source);
    if (status == DLOP_OK)
        status = dlop_loader_open(session->plan, session->source, &loader_cfg, &session->loader);
    if (status == DLOP_OK) {
        dlop_rng_seed(&rng, 0);
        status = dlop_loader_set_stream(session->loader, 0, &rng);
    }
    free(names);
    return status;
}

/* Size of the picture from its header, and memory for its pixels. */
static dlop_status open_picture(const char *path, struct picture *picture_out, char reason[128])
{
    struct dlop_image_info info;
    size_t n_bytes = 0;
    uint8_t *bytes = picture_read_file(path, &n_bytes);

    if (!bytes) {
        snprintf(reason, 128, "%s", strerror(errno));
        return DLOP_ERR_READ;
    }
    dlop_status status = dlop_jpeg_info(bytes, n_bytes, &info, reason, 128);
    free(bytes);
    if (status != DLOP_OK)
        return status;
    picture_out->height_px = info.height_px;
    picture_out->width_px = info.width_px;
    picture_out->pixels = malloc(3ull * info.height_px * info.width_px);
    snprintf(reason, 128, "out of memory");
    return picture_out->pixels ? DLOP_OK : DLOP_ERR_NO_MEMORY;
}

static dlop_status decode_record(struct decode_session *session, uint64_t index,
                                 const struct picture *picture, char reason[128])
{
    dlop_batch *batch = NULL;
    struct dlop_need need;
    dlop_status status = dlop_loader_submit(session->loader, 0, &index, 1, picture->pixels,
                                            3ull * picture->height_px * picture->width_px, &batch);

    snprintf(reason, 128, "%s", dlop_status_text(status));
    if (status != DLOP_OK)
        return status;
    while ((status = dlop_batch_wait(session->loader, batch, 100, &need)) == DLOP_AGAIN)
        continue;
    snprintf(reason, 128, "%s", dlop_status_text(status));
    if (status == DLOP_NEED_PIXELS) {
        status = need.status;
        snprintf(reason, 128, "%s", need.reason);
    }
    uint32_t height_px = 0, width_px = 0;
    if (status == DLOP_OK)
        dlop_batch_out_size(batch, &height_px, &width_px);
    dlop_batch_release(session->loader, &batch);
    if (status == DLOP_OK && (height_px != picture->height_px || width_px != picture->width_px)) {
        status = DLOP_ERR_READ;
        snprintf(reason, 128, "the file changed while it was read");
    }
    return status;
}

static void result_path(const struct decode_options *options, const char *input,
                        char path_out[4096])
{
    const char *slash = strrchr(input, '/');
    const char *name = options->folder && slash ? slash + 1 : input;
    const char *dot = strrchr(name, '.');
    int stem = dot && dot > name && !strchr(dot, '/') ? (int)(dot - name) : (int)strlen(name);

    snprintf(path_out, 4096, "%s%s%.*s.%s", options->folder ? options->folder : "",
             options->folder ? "/" : "", stem, name, options->as_png ? "png" : "npy");
}

/* One file: decode, write, and a JSON row about it. False where it failed. */
static bool decode_file(const struct decode_options *options, struct decode_session *session,
                        int index, json_t *rows)
{
    const char *input = options->files[index];
    struct picture picture = {0};
    char reason[128], path[4096];

    result_path(options, input, path);
    dlop_status status = open_picture(input, &picture, reason);
    if (status == DLOP_OK)
        status = decode_record(session, (uint64_t)index, &picture, reason);
    if (status == DLOP_OK &&
        !(options->as_png ? picture_write_png : picture_write_npy)(path, &picture)) {
        status = DLOP_ERR_IO;
        snprintf(reason, sizeof(reason), "cannot write %.80s: %s", path, strerror(errno));
    }
    free(picture.pixels);
    if (status != DLOP_OK)
        cli_error("dlop decode", "%s: %s", input, reason);
    else if (!options->as_json)
        printf("%s\n", path);
    json_array_append_new(rows, status == DLOP_OK
                                    ? json_pack("{s:s, s:s, s:s, s:i, s:i}", "file", input,
                                                "status", "DLOP_OK", "output", path, "height",
                                                picture.height_px, "width", picture.width_px)
                                    : json_pack("{s:s, s:s, s:s}", "file", input, "status",
                                                dlop_status_name(status), "reason", reason));
    return status == DLOP_OK;
}

int cli_decode(int argc, char **argv)
{
    struct decode_options options = {.device = "auto"};
    struct decode_session session = {0};
    bool is_complete = true;

    argp_err_exit_status = CLI_USAGE;
    if (argp_parse(&ARGP, argc, argv, 0, NULL, &options))
        return CLI_USAGE;
    dlop_status status = session_open(&options, &session);
    if (status != DLOP_OK) {
        cli_error(argv[0], "device %s: %s", options.device, dlop_status_text(status));
        session_close(&session);
        return CLI_FAILED;
    }
    json_t *rows = json_array();
    for (int i = 0; i < options.n_files; i++)
        is_complete &= decode_file(&options, &session, i, rows);
    int exit_status = CLI_DONE;
    if (options.as_json)
        exit_status =
            cli_print_json(json_pack("{s:s, s:s, s:o}", "schema", "dlop.decode/1", "device",
                                     dlop_ctx_device(session.ctx), "files", rows));
    else
        json_decref(rows);
    session_close(&session);
    return is_complete ? exit_status : CLI_FAILED;
}
