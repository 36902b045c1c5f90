/* dlop selftest: the kernels of every device and vector level against independent answers, on this
 * machine.
 *
 * Two questions per picture. Does a device decode it as libjpeg-turbo does? And does a whole
 * pipeline (random crop and resize, flips, float table) give the bytes that the scalar reference
 * gives? Everything goes through the public interface, so the path from file to tensor is what is
 * tested, not single functions (that is tests/kernel).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver/cpu/cpu.h"
#include "host/cli/cli.h"
#include "host/cli/selftest_pictures.h"

/* What is put to the test: a device, and for the CPU the replacements it may use. */
struct contestant {
    const char *device;
    const char *level;
    uint32_t vector_mask;
    bool is_reference;
};

static const struct contestant CPU_CONTESTANTS[] = {
    {"cpu", "reference", 0, true},
    {"cpu", "plain C", DLOP_CPU_PLAIN_C, false},
    {"cpu", "all replacements", UINT32_MAX, false},
};
#define N_CPU_CONTESTANTS (sizeof(CPU_CONTESTANTS) / sizeof(CPU_CONTESTANTS[0]))

enum { SIDE_PX = 64, N_DRAWS = 8 };
static const size_t AUGMENTED_BYTES = sizeof(float) * N_DRAWS * 3 * SIDE_PX * SIDE_PX;

/* RandomResizedCrop(64), both flips, [0, 1] floats: every geometry step and a table of wide
 * elements. */
static dlop_status open_augment_plan(dlop_ctx *ctx, dlop_plan **plan_out)
{
    const struct dlop_op ops[] = {
        {.kind = DLOP_OP_RESIZED_CROP,
         .i = {SIDE_PX, SIDE_PX, DLOP_FILTER_BILINEAR},
         .f = {0.08f, 1.0f, 0.75f, 4.0 / 3.0, -0.28768208622932434, 0.28768208622932434}},
        {.kind = DLOP_OP_FLIP_X, .f = {0.5}},
        {.kind = DLOP_OP_FLIP_Y, .f = {0.5}},
    };
    struct dlop_plan_cfg cfg;
    struct dlop_draw_rules rules;
    float table[3][256];
    char reason[128];

    for (int c = 0; c < 3; c++)
        for (int v = 0; v < 256; v++)
            table[c][v] = (float)v / 255.0f - 0.1f * (float)c;
    dlop_plan_cfg_init(&cfg);
    dlop_draw_rules_init(&rules);
    rules.exp_kind = DLOP_EXP_ROUNDED;
    cfg.n_ops = 3;
    cfg.ops = ops;
    cfg.rules = &rules;
    cfg.src_channels = cfg.out_channels = 3;
    cfg.element_bytes = sizeof(float);
    cfg.pass_rule = DLOP_PASS_RULE_SHRINK;
    cfg.pack_table = table;
    return dlop_plan_open(ctx, &cfg, plan_out, reason, sizeof(reason));
}

/* Run n records, all the same picture, through a plan. */
static dlop_status run_plan(dlop_ctx *ctx, dlop_plan *plan, const struct selftest_picture *picture,
                            uint32_t n, void *out, size_t out_bytes)
{
    struct dlop_loader_cfg cfg;
    struct dlop_rng_state rng;
    struct dlop_need need = {0};
    dlop_source *source = NULL;
    dlop_loader *loader = NULL;
    dlop_batch *batch = NULL;
    const uint64_t indices[N_DRAWS] = {0};
    char path[32];

    int path_bytes = snprintf(path, sizeof(path), "/proc/self/fd/%d", picture->fd) + 1;
    dlop_loader_cfg_init(&cfg);
    cfg.n_streams = cfg.max_batches = 1;
    cfg.max_batch_records = N_DRAWS;
    dlop_rng_seed(&rng, 1);
    dlop_status status = dlop_source_open_files(ctx, path, (size_t)path_bytes, 1, &source);
    if (status == DLOP_OK)
        status = dlop_loader_open(plan, source, &cfg, &loader);
    if (status == DLOP_OK)
        status = dlop_loader_set_stream(loader, 0, &rng);
    if (status == DLOP_OK)
        status = dlop_loader_submit(loader, 0, indices, n, out, out_bytes, &batch);
    while (status == DLOP_OK && (status = dlop_batch_wait(loader, batch, 100, &need)) == DLOP_AGAIN)
        status = DLOP_OK;
    if (status == DLOP_NEED_PIXELS)
        status = need.status;
    dlop_batch_release(loader, &batch);
    dlop_loader_close(&loader);
    dlop_source_close(&source);
    return status;
}

/* What one contestant achieved. */
struct tally {
    uint32_t n_passed, n_failed;
    char first_failure[160];
};

static void count(struct tally *tally, bool is_right, const char *picture, const char *check,
                  dlop_status status)
{
    tally->n_passed += is_right;
    tally->n_failed += !is_right;
    if (!is_right && !tally->first_failure[0])
        snprintf(tally->first_failure, sizeof(tally->first_failure), "%s: %s: %s", picture, check,
                 status == DLOP_OK ? "pixels differ" : dlop_status_name(status));
}

/* Both questions for one picture. augmented_expected is the reference's answer, or null for the
 * reference itself, which then writes it to augmented_out. */
static void check_picture(dlop_ctx *ctx, dlop_plan *const plans[2],
                          const struct selftest_picture *picture, uint8_t *augmented,
                          bool is_reference, struct tally *tally)
{
    size_t pixels_bytes = 3ull * picture->kind->width_px * picture->kind->height_px;
    uint8_t *pixels = calloc(1, pixels_bytes + AUGMENTED_BYTES);
    dlop_status status = DLOP_ERR_NO_MEMORY;

    if (pixels)
        status = run_plan(ctx, plans[0], picture, 1, pixels, pixels_bytes);
    bool is_right = status == DLOP_OK && !memcmp(pixels, picture->expected, pixels_bytes);
    count(tally, is_right, picture->kind->name, "decode against libjpeg-turbo", status);
    if (!pixels)
        return;
    uint8_t *tensor = is_reference ? augmented : pixels + pixels_bytes;
    status = run_plan(ctx, plans[1], picture, N_DRAWS, tensor, AUGMENTED_BYTES);
    is_right = status == DLOP_OK && !memcmp(tensor, augmented, AUGMENTED_BYTES);
    count(tally, is_right, picture->kind->name, "pipeline against the reference", status);
    free(pixels);
}

static dlop_status open_contestant(const struct contestant *contestant, dlop_ctx **ctx,
                                   dlop_plan *plans[2])
{
    struct dlop_ctx_cfg cfg;

    dlop_ctx_cfg_init(&cfg);
    cfg.device = contestant->device;
    cfg.vector_level = contestant->vector_mask;
    dlop_status status = dlop_ctx_open(&cfg, ctx);
    if (status == DLOP_OK)
        status = cli_open_rgb_plan(*ctx, &plans[0]);
    if (status == DLOP_OK)
        status = open_augment_plan(*ctx, &plans[1]);
    return status;
}

/* The CPU stands by and would hide a device's faults: whatever it had to do counts as one. */
static void check_nothing_was_replayed(dlop_ctx *ctx, struct tally *tally)
{
    size_t size = dlop_ctx_json(ctx, NULL, 0) + 4096, i;
    char *text = malloc(size), check[80];
    json_t *root, *device;

    if (text)
        dlop_ctx_json(ctx, text, size);
    root = text ? json_loads(text, 0, NULL) : NULL;
    json_array_foreach(json_object_get(root, "devices"), i, device)
    {
        json_int_t n = json_integer_value(json_object_get(device, "replayed"));

        snprintf(check, sizeof(check), "%lld records had to be made by the CPU", (long long)n);
        count(tally, n == 0, "all pictures", check, DLOP_ERR_DEVICE_FAULT);
    }
    json_decref(root);
    free(text);
}

static struct tally test_contestant(const struct contestant *contestant,
                                    const struct selftest_picture *pictures, uint8_t *augmented)
{
    struct tally tally = {0};
    dlop_ctx *ctx = NULL;
    dlop_plan *plans[2] = {NULL, NULL};
    dlop_status status = open_contestant(contestant, &ctx, plans);

    if (status != DLOP_OK)
        count(&tally, false, "all pictures", "open", status);
    for (uint32_t i = 0; status == DLOP_OK && i < SELFTEST_N_KINDS; i++)
        check_picture(ctx, plans, &pictures[i], augmented + i * AUGMENTED_BYTES,
                      contestant->is_reference, &tally);
    if (status == DLOP_OK)
        check_nothing_was_replayed(ctx, &tally);
    dlop_plan_close(&plans[0]);
    dlop_plan_close(&plans[1]);
    dlop_ctx_close(&ctx);
    return tally;
}

static json_t *report(const struct contestant *contestant, const struct tally *tally, bool as_json)
{
    if (!as_json)
        printf("%-6s %-18s %3u passed, %u failed%s%s\n", contestant->device, contestant->level,
               tally->n_passed, tally->n_failed, tally->n_failed ? ": " : "", tally->first_failure);
    return json_pack("{s:s, s:s, s:i, s:i, s:s}", "device", contestant->device, "level",
                     contestant->level, "passed", tally->n_passed, "failed", tally->n_failed,
                     "first_failure", tally->first_failure);
}

static uint32_t test_one(const struct contestant *contestant,
                         const struct selftest_picture *pictures, uint8_t *augmented, bool as_json,
                         json_t *rows)
{
    struct tally tally = test_contestant(contestant, pictures, augmented);

    json_array_append_new(rows, report(contestant, &tally, as_json));
    return tally.n_failed;
}

/* Every device but the CPU that is there; the others are listed with what they lack. */
static uint32_t test_devices(const struct selftest_picture *pictures, uint8_t *augmented,
                             bool as_json, json_t *rows, json_t *missing)
{
    const struct dlop_driver *driver;
    uint32_t n_failed = 0;

    for (uint32_t i = 0; (driver = dlop_driver_at(i)); i++) {
        struct dlop_device_info info = {0};
        const struct contestant contestant = {driver->name, "kernels", UINT32_MAX, false};

        if (!strcmp(driver->name, CPU_CONTESTANTS[0].device))
            continue;
        if (driver->probe(&info) == DLOP_OK && info.is_present) {
            n_failed += test_one(&contestant, pictures, augmented, as_json, rows);
            continue;
        }
        if (!as_json)
            printf("%-6s %-18s missing: %s\n", driver->name, "kernels", info.missing);
        json_array_append_new(
            missing, json_pack("{s:s, s:s}", "device", driver->name, "missing", info.missing));
    }
    return n_failed;
}

static uint32_t test_all(const struct selftest_picture *pictures, uint8_t *augmented, bool as_json,
                         json_t *rows, json_t *missing)
{
    uint32_t n_failed = 0;

    for (size_t i = 0; i < N_CPU_CONTESTANTS; i++)
        n_failed += test_one(&CPU_CONTESTANTS[i], pictures, augmented, as_json, rows);
    return n_failed + test_devices(pictures, augmented, as_json, rows, missing);
}

static const char HELP[] =
    "Prove the kernels of each device on this machine: decoding against libjpeg-turbo, whole "
    "pipelines against the scalar reference. Emulated devices take part, missing ones are listed."
    "\vExit status 1 where anything differs.";

int cli_selftest(int argc, char **argv)
{
    bool as_json = false;
    uint32_t n_failed = 1, n_open = 0;

    if (!cli_parse_json_option(argc, argv, HELP, "dlop.selftest/1", &as_json))
        return CLI_USAGE;
    struct selftest_picture *pictures = calloc(SELFTEST_N_KINDS, sizeof(*pictures));
    uint8_t *augmented = calloc(SELFTEST_N_KINDS, AUGMENTED_BYTES);
    json_t *rows = json_array(), *missing = json_array();
    while (pictures && n_open < SELFTEST_N_KINDS &&
           selftest_picture_open(&SELFTEST_KINDS[n_open], &pictures[n_open]))
        n_open++;
    if (augmented && rows && n_open == SELFTEST_N_KINDS)
        n_failed = test_all(pictures, augmented, as_json, rows, missing);
    else
        cli_error(argv[0], "out of memory or file descriptors");
    for (uint32_t i = 0; i < n_open; i++)
        selftest_picture_close(&pictures[i]);
    free(pictures);
    free(augmented);
    json_t *all = json_pack("{s:s, s:b, s:o, s:o}", "schema", "dlop.selftest/1", "passed",
                            n_failed == 0, "results", rows, "missing", missing);
    int exit_status = CLI_DONE;
    if (as_json)
        exit_status = cli_print_json(all);
    else
        json_decref(all);
    return n_failed ? CLI_FAILED : exit_status;
}
