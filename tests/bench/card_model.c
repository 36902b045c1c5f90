/* What the cycle model says of a folder of photographs: clocks of each stage, images per second per
 * engine and per card, with the limit named and every assumption marked.
 *
 *     card_model [--json] [--draws N] FOLDER
 *
 * Jobs are those of RandomResizedCrop(224), bilinear, with a flip, drawn and bound by the product's
 * own code; each photograph is drawn N times (2). The tables of whole files are for decoders that
 * cannot leave anything out. Nothing is measured here: see sim/timing_card.h.
 */
#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "host/format/jpeg.h"
#include "host/plan/plan.h"
#include "sim/timing_card.h"

#define MAX_PHOTOS   20000
#define TABLES_BYTES ((size_t)4 << 20)
#define N_TYPES      3
#define TENSOR_PX    (224u * 224u)
/* Clocks per symbol, over all contexts, that the entropy loop might come out at. */
#define N_LOOPS 4
/* Jobs of a launch, and steps of the entropy stage that a job may have. */
#define LAUNCH_JOBS 64
#define MAX_STEPS   40000u

static const struct {
    const char *name;
    u32 bytes;
} types[N_TYPES] = {{"f32", 4}, {"f16", 2}, {"u8", 1}};
static const u32 loops[N_LOOPS] = {1, 2, 3, 8};

/* How jobs share an engine's entropy stage: a context takes the next job as soon as it is free; in
 * waves of as many jobs as there are contexts, as they come; the same, after the jobs of a launch
 * were sorted by their bytes. hw/top works in waves, and nobody sorts yet. */
enum arrangement { FREE, WAVES, SORTED_WAVES, ARRANGEMENT_COUNT };
static const char *const arrangements[ARRANGEMENT_COUNT] = {"free", "waves", "sorted waves"};

/* Sums over the sample. */
struct report {
    u32 n_photos, n_refused;
    struct dlop_timing_load load[ARRANGEMENT_COUNT][DLOP_TIMING_MODE_COUNT][N_TYPES];
    struct dlop_timing_load loop[DLOP_TIMING_MODE_COUNT][N_LOOPS]; /* in waves, u8 */
    struct dlop_timing_load written;                               /* in waves, cold, f32 */
    struct dlop_timing_load series[DLOP_TIMING_MODE_COUNT];        /* in waves, f32 */
    struct dlop_timing_load whole[DLOP_TIMING_ENGINE_COUNT];       /* whole files */
    u64 jpeg_bytes, symbols, blocks, whole_symbols, whole_blocks, pixels;
};

/* One job of the launch that is being filled. */
struct counted {
    struct dlop_timing_work work[DLOP_TIMING_MODE_COUNT];
    struct dlop_timing_stream streams[2]; /* [MAX_STEPS] each */
};

struct machine {
    struct dlop_plan plan, whole; /* the pipeline; no transform at all */
    struct dlop_draw_rules rules;
    struct dlop_rng_state rng;
    struct dlop_timing_walk walk;
    struct counted jobs[LAUNCH_JOBS], whole_job;
    u8 constants[3 * 256];
    u32 n_draws, n_jobs;
};

static void fail(const char *what, const char *path)
{
    fprintf(stderr, "card_model: %s: %s\n", path, what);
    exit(1);
}

/* ---- photographs ---- */

static char *paths[MAX_PHOTOS];
static u32 n_paths;

static int keep_jpeg(const char *path, const struct stat *info, int type, struct FTW *place)
{
    size_t length = strlen(path);

    (void)info, (void)place;
    if (type == FTW_F && length > 4 && !strcmp(path + length - 4, ".jpg") && n_paths < MAX_PHOTOS)
        paths[n_paths++] = strdup(path);
    return 0;
}

static int compare_paths(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* A photograph as a job's `in` buffer: frame, file, padding, then room for tables. */
struct photo {
    u8 *in;
    size_t source_bytes, file_bytes;
    struct dlop_jpeg_frame *frame;
};

/* False where no kernel takes the file. */
static bool load(const char *path, struct photo *photo)
{
    char reason[DLOP_REASON_BYTES];
    FILE *file = fopen(path, "rb");

    if (!file || fseek(file, 0, SEEK_END))
        fail("cannot be read", path);
    photo->file_bytes = (size_t)ftell(file);
    rewind(file);
    photo->source_bytes = sizeof *photo->frame + photo->file_bytes + DLOP_JPEG_PADDING_BYTES;
    photo->source_bytes = (photo->source_bytes + 15) & ~(size_t)15;
    photo->in = calloc(1, photo->source_bytes + TABLES_BYTES);
    if (!photo->in ||
        fread(photo->in + sizeof *photo->frame, 1, photo->file_bytes, file) != photo->file_bytes)
        fail("cannot be read", path);
    fclose(file);
    photo->frame = (struct dlop_jpeg_frame *)(void *)photo->in;
    return dlop_jpeg_parse(photo->in + sizeof *photo->frame, photo->file_bytes,
                           sizeof *photo->frame, photo->frame, reason) == DLOP_OK;
}

/* ---- counting ---- */

/* Count one drawn job. */
static void count(struct machine *machine, const struct dlop_plan *plan, const struct photo *photo,
                  const char *path, struct counted *counted_out)
{
    const struct dlop_jpeg_frame *frame = photo->frame;
    struct dlop_image_memory memory = {.in = photo->in, .constants = machine->constants};
    struct dlop_job job = {.abi_version = DLOP_ABI_VERSION,
                           .kind = DLOP_JOB_JPEG,
                           .src_channels = frame->n_components,
                           .in_bytes = photo->source_bytes};
    struct dlop_drawn drawn;
    size_t tables_bytes = 0;

    if (dlop_draw_record(plan->cfg.ops, plan->cfg.n_ops, &machine->rules, &machine->rng,
                         frame->width_px, frame->height_px, &drawn) != DLOP_OK ||
        dlop_plan_bind(plan, &drawn, frame->width_px, frame->height_px,
                       photo->in + photo->source_bytes, TABLES_BYTES, photo->source_bytes,
                       &tables_bytes, &job) != DLOP_OK)
        fail("cannot be planned", path);
    memcpy(machine->walk.streams, counted_out->streams, sizeof machine->walk.streams);
    machine->walk.capacity = MAX_STEPS;
    memory.bounds = (struct dlop_job_bounds){photo->source_bytes + tables_bytes,
                                             sizeof machine->constants, job.out_bytes};
    memory.scratch_bytes = photo->file_bytes;
    memory.scratch = malloc(memory.scratch_bytes);
    if (!memory.scratch ||
        dlop_timing_count(&job, &memory, &machine->walk, counted_out->work) != DLOP_OK)
        fail("cannot be counted", path);
    memcpy(counted_out->streams, machine->walk.streams, sizeof machine->walk.streams);
    free(memory.scratch);
}

/* The same job with elements of another size: the plan made one byte of each. */
static struct dlop_timing_work with_type(const struct dlop_timing_work *work, u32 type)
{
    struct dlop_timing_work other = *work;

    other.write_bytes += 3 * work->out_px * (types[type].bytes - 1);
    other.host_out_bytes += 3 * work->out_px * (types[type].bytes - 1);
    return other;
}

/* Jobs that pass together, in one mode with one type. */
static void add_jobs(const struct counted *jobs, u32 n_jobs, u32 mode, u32 type,
                     const struct dlop_timing_engine *engine, struct dlop_timing_load *load)
{
    struct dlop_timing_stream streams[LAUNCH_JOBS];
    struct dlop_timing_work work[LAUNCH_JOBS];
    struct dlop_timing_cycles cycles;

    for (u32 j = 0; j < n_jobs; j++) {
        work[j] = with_type(&jobs[j].work[mode], type);
        streams[j] = jobs[j].streams[mode == DLOP_TIMING_INDEXED];
    }
    if (n_jobs == 1 || mode == DLOP_TIMING_COEFFICIENTS) {
        for (u32 j = 0; j < n_jobs; j++) {
            dlop_timing_predict(&work[j], engine, &cycles);
            dlop_timing_load_add(load, &work[j], 1, &cycles);
        }
        return;
    }
    dlop_timing_predict_wave(work, n_jobs, dlop_timing_rounds(streams, n_jobs), engine, &cycles);
    dlop_timing_load_add(load, work, n_jobs, &cycles);
}

static int compare_bytes(const void *a, const void *b)
{
    u64 x = ((const struct counted *)a)->work[0].counts.fetched_bytes;
    u64 y = ((const struct counted *)b)->work[0].counts.fetched_bytes;

    return (x > y) - (x < y);
}

/* Jobs first..first + n_jobs - 1 of the launch in every mode and type. */
static void add_wave(const struct machine *machine, u32 first, u32 n_jobs, u32 arrangement,
                     struct report *report)
{
    const struct dlop_timing_engine *engine = dlop_timing_engine_at(DLOP_TIMING_PLANNED);
    const struct counted *jobs = &machine->jobs[first];

    for (u32 mode = 0; mode < DLOP_TIMING_MODE_COUNT; mode++) {
        if (arrangement == WAVES)
            add_jobs(jobs, n_jobs, mode, 0, dlop_timing_engine_at(DLOP_TIMING_IN_SERIES),
                     &report->series[mode]);
        for (u32 t = 0; t < N_TYPES; t++)
            add_jobs(jobs, n_jobs, mode, t, engine, &report->load[arrangement][mode][t]);
        for (u32 i = 0; i < N_LOOPS && arrangement == WAVES; i++) {
            struct dlop_timing_engine slower = *engine;
            slower.symbol_clocks = engine->contexts * loops[i];
            add_jobs(jobs, n_jobs, mode, N_TYPES - 1, &slower, &report->loop[mode][i]);
        }
    }
    if (arrangement == WAVES)
        add_jobs(jobs, n_jobs, DLOP_TIMING_COLD, 0, dlop_timing_engine_at(DLOP_TIMING_AS_WRITTEN),
                 &report->written);
}

/* The launch is full, or the last one: add its jobs in every arrangement. */
static void add_launch(struct machine *machine, struct report *report)
{
    u32 n_contexts = dlop_timing_engine_at(DLOP_TIMING_PLANNED)->contexts;

    for (u32 arrangement = 0; arrangement < ARRANGEMENT_COUNT; arrangement++) {
        u32 step = arrangement == FREE ? 1 : n_contexts;
        if (arrangement == SORTED_WAVES)
            qsort(machine->jobs, machine->n_jobs, sizeof machine->jobs[0], compare_bytes);
        for (u32 j = 0; j < machine->n_jobs; j += step) {
            u32 left = machine->n_jobs - j;
            add_wave(machine, j, left < step ? left : step, arrangement, report);
        }
    }
    for (u32 j = 0; j < machine->n_jobs; j++) {
        const struct dlop_top_counts *counts = &machine->jobs[j].work[0].counts;
        report->symbols += counts->symbols;
        report->blocks += counts->blocks_transformed;
        report->pixels += counts->source_px;
    }
    machine->n_jobs = 0;
}

static void add_whole(const struct machine *machine, struct report *report)
{
    const struct dlop_timing_engine *engine;
    const struct dlop_top_counts *counts = &machine->whole_job.work[0].counts;

    for (u32 i = 0; (engine = dlop_timing_engine_at(i)); i++)
        add_jobs(&machine->whole_job, 1, DLOP_TIMING_COLD, N_TYPES - 1, engine, &report->whole[i]);
    report->whole_symbols += counts->symbols;
    report->whole_blocks += counts->blocks_parsed;
}

static void open_job(struct counted *job)
{
    for (u32 i = 0; i < 2; i++) {
        job->streams[i].symbols = malloc(MAX_STEPS * sizeof(u16));
        if (!job->streams[i].symbols)
            fail("out of memory", "steps");
    }
}

static void open_machine(struct machine *machine)
{
    static const struct dlop_op ops[2] = {
        {.kind = DLOP_OP_RESIZED_CROP,
         .i = {224, 224, DLOP_FILTER_BILINEAR},
         .f = {0.08, 1.0, 3.0 / 4.0, 4.0 / 3.0, (double)-0x1.26962p-2f, (double)0x1.269624p-2f}},
        {.kind = DLOP_OP_FLIP_X, .f = {0.5}},
    };

    dlop_draw_rules_init(&machine->rules);
    dlop_rng_seed(&machine->rng, 1);
    dlop_plan_cfg_init(&machine->plan.cfg);
    machine->plan.cfg.element_bytes = 1;
    machine->whole.cfg = machine->plan.cfg;
    machine->plan.cfg.ops = ops;
    machine->plan.cfg.n_ops = 2;
    open_job(&machine->whole_job);
    for (u32 j = 0; j < LAUNCH_JOBS; j++)
        open_job(&machine->jobs[j]);
}

static void count_all(struct machine *machine, struct report *report)
{
    for (u32 i = 0; i < n_paths; i++) {
        struct photo photo;

        if (!load(paths[i], &photo)) {
            report->n_refused++;
            free(photo.in);
            continue;
        }
        report->n_photos++;
        report->jpeg_bytes += photo.file_bytes;
        count(machine, &machine->whole, &photo, paths[i], &machine->whole_job);
        add_whole(machine, report);
        for (u32 d = 0; d < machine->n_draws; d++) {
            count(machine, &machine->plan, &photo, paths[i], &machine->jobs[machine->n_jobs]);
            if (++machine->n_jobs == LAUNCH_JOBS)
                add_launch(machine, report);
        }
        free(photo.in);
    }
    add_launch(machine, report);
}

/* ---- text ---- */

static double mean(u64 sum, u64 n)
{
    return n == 0 ? 0 : (double)sum / (double)n;
}

static u64 images_per_s(const struct dlop_timing_engine *engine,
                        const struct dlop_timing_load *load)
{
    return engine->clock_hz * load->n_jobs / load->cycles;
}

static void print_rate(const struct dlop_timing_load *load)
{
    printf("%14llu",
           (unsigned long long)images_per_s(dlop_timing_engine_at(DLOP_TIMING_PLANNED), load));
}

static void print_stages(const struct report *report)
{
    const struct dlop_timing_load *columns[DLOP_TIMING_MODE_COUNT + 1];

    printf("\nthousands of clocks per image in waves, %.0f MHz:\n%-14s",
           dlop_timing_engine_at(DLOP_TIMING_PLANNED)->clock_hz / 1e6, "");
    for (u32 mode = 0; mode < DLOP_TIMING_MODE_COUNT; mode++) {
        columns[mode] = &report->load[WAVES][mode][0];
        printf("%14s", dlop_timing_mode_name(mode));
    }
    columns[DLOP_TIMING_MODE_COUNT] = &report->written;
    printf("%20s", "cold, as written");
    for (u32 s = 0; s < DLOP_TIMING_STAGE_COUNT; s++) {
        printf("\n%-14s", dlop_timing_stage_name(s));
        for (u32 i = 0; i <= DLOP_TIMING_MODE_COUNT; i++)
            printf("%14.1f", mean(columns[i]->stage[s], columns[i]->n_jobs) / 1e3);
    }
    printf("\n%-14s", "image");
    for (u32 i = 0; i <= DLOP_TIMING_MODE_COUNT; i++)
        printf("%14.1f", mean(columns[i]->cycles, columns[i]->n_jobs) / 1e3);
    printf("\n\nimages/s of an engine, entropy contexts in turn:");
    for (u32 i = 0; i < ARRANGEMENT_COUNT; i++) {
        printf("\n%-14s", arrangements[i]);
        for (u32 mode = 0; mode < DLOP_TIMING_MODE_COUNT; mode++)
            print_rate(&report->load[i][mode][0]);
        if (i == WAVES)
            print_rate(&report->written);
    }
    printf("\n%-14s", "in series");
    for (u32 mode = 0; mode < DLOP_TIMING_MODE_COUNT; mode++)
        print_rate(&report->series[mode]);
    printf("\nin waves, if the entropy loop takes N clocks per symbol (1 is ASSUMED):");
    for (u32 i = 0; i < N_LOOPS; i++) {
        printf("\n%-14u", loops[i]);
        for (u32 mode = 0; mode < DLOP_TIMING_MODE_COUNT; mode++)
            print_rate(&report->loop[mode][i]);
    }
    printf("\n");
}

static void print_whole(const struct report *report)
{
    const struct dlop_timing_engine *engine;

    printf("\nwhole files, one engine each:\n%-14s%14s%14s  %s\n", "", "k clocks", "images/s",
           "limit");
    for (u32 i = 0; (engine = dlop_timing_engine_at(i)); i++) {
        const struct dlop_timing_load *load = &report->whole[i];
        printf("%-14s%14.1f%14llu  %s\n", engine->name, mean(load->cycles, load->n_jobs) / 1e3,
               (unsigned long long)images_per_s(engine, load),
               dlop_timing_stage_name(dlop_timing_slowest_stage(load->stage)));
    }
}

/* TENSOR jobs of 224 x 224 x 3 bytes, for each type. */
static void print_tensor(void)
{
    printf("\nTENSOR 224 x 224 x 3, images/s of one engine:");
    for (u32 i = DLOP_TIMING_PLANNED; i <= DLOP_TIMING_AS_WRITTEN; i++) {
        const struct dlop_timing_engine *engine = dlop_timing_engine_at(i);
        printf("\n%-14s", engine->name);
        for (u32 t = 0; t < N_TYPES; t++) {
            struct dlop_timing_work work = {.counts.source_px = TENSOR_PX,
                                            .source_bytes = 3 * TENSOR_PX,
                                            .read_bytes = 3 * TENSOR_PX + DLOP_TOP_JOB_BYTES,
                                            .write_bytes = 3 * TENSOR_PX * types[t].bytes,
                                            .out_px = TENSOR_PX};
            struct dlop_timing_cycles cycles;
            dlop_timing_predict(&work, engine, &cycles);
            printf("  %s %llu (%s)", types[t].name,
                   (unsigned long long)(engine->clock_hz / cycles.total),
                   dlop_timing_stage_name(cycles.binding));
        }
    }
    printf("\n");
}

static void print_parts(void)
{
#define TEXT(name, text, percent) text,
    static const char *const names[] = {DLOP_TIMING_RESOURCES(TEXT)};
#undef TEXT
    const struct dlop_timing_part *part;
    u32 sum[DLOP_TIMING_RESOURCE_COUNT];

    printf("\nparts of an engine:\n%-18s", "");
    for (u32 r = 0; r < DLOP_TIMING_RESOURCE_COUNT; r++)
        printf("%8s", names[r]);
    for (u32 i = 0; (part = dlop_timing_part_at(i)); i++) {
        printf("\n%-18s", part->name);
        for (u32 r = 0; r < DLOP_TIMING_RESOURCE_COUNT; r++)
            printf("%8u", part->resource[r]);
        printf("  %s: %s", dlop_timing_trust_name(part->trust), part->source);
    }
    dlop_timing_engine_cost(sum);
    printf("\n%-18s", "engine");
    for (u32 r = 0; r < DLOP_TIMING_RESOURCE_COUNT; r++)
        printf("%8u", sum[r]);
    printf("  ASSUMED\n");
}

static void print_cards(const struct report *report)
{
    const struct dlop_timing_card *card;

    printf("\nimages per second of a card (limit):\n%-9s%8s  %-13s", "", "engines", "");
    for (u32 t = 0; t < N_TYPES; t++)
        printf("%-19s", types[t].name);
    for (u32 i = 0; (card = dlop_timing_card_at(i)); i++) {
        for (u32 mode = 0; mode < DLOP_TIMING_MODE_COUNT; mode++) {
            u32 scarce, n = dlop_timing_engines_that_fit(card, &scarce);
            printf("\n%-9s%8u  %-13s", card->name, n, dlop_timing_mode_name(mode));
            for (u32 t = 0; t < N_TYPES; t++) {
                struct dlop_timing_rate rate;
                char text[40];
                dlop_timing_card_rate(card, dlop_timing_engine_at(DLOP_TIMING_PLANNED),
                                      &report->load[WAVES][mode][t], &rate);
                snprintf(text, sizeof text, "%llu (%s)",
                         (unsigned long long)rate.images_per_s[rate.limit],
                         dlop_timing_limit_name(&rate));
                printf("%-19s", text);
            }
        }
    }
    printf("\n");
    for (u32 i = 0; (card = dlop_timing_card_at(i)); i++)
        printf("%-9s%s: %s\n%9s%s: %s\n", card->name, dlop_timing_trust_name(card->trust),
               card->source, "", dlop_timing_trust_name(card->pcie_trust), card->pcie_source);
}

static void print_text(const struct report *report, u32 n_draws)
{
    const struct dlop_timing_assumption *a;
    u64 n = report->n_photos, n_jobs = report->load[FREE][0][0].n_jobs;

    printf("%u photographs (%u more that no kernel takes), %u crops of each\n", report->n_photos,
           report->n_refused, n_draws);
    printf("whole file: %.0f bytes, %.0f symbols, %.0f blocks\n", mean(report->jpeg_bytes, n),
           mean(report->whole_symbols, n), mean(report->whole_blocks, n));
    printf("crop: %.0f symbols parsed, %.0f blocks transformed, %.0f pixels\n",
           mean(report->symbols, n_jobs), mean(report->blocks, n_jobs),
           mean(report->pixels, n_jobs));
    print_stages(report);
    print_whole(report);
    print_tensor();
    print_parts();
    print_cards(report);
    printf("\nwhat this rests on:\n");
    for (u32 i = 0; (a = dlop_timing_assumption_at(i)); i++)
        printf("%-24s%s: %s (%s)\n", a->what, dlop_timing_trust_name(a->trust), a->value,
               a->source);
}

/* ---- JSON ---- */

static json_t *json_of_stages(const struct dlop_timing_load *load)
{
    json_t *object = json_object();

    for (u32 s = 0; s < DLOP_TIMING_STAGE_COUNT; s++)
        json_object_set_new(object, dlop_timing_stage_name(s),
                            json_real(mean(load->stage[s], load->n_jobs)));
    return object;
}

static json_t *json_of_card(const struct dlop_timing_card *card, const struct report *report)
{
    json_t *modes = json_object();
    u32 scarce, n = dlop_timing_engines_that_fit(card, &scarce);

    for (u32 mode = 0; mode < DLOP_TIMING_MODE_COUNT; mode++) {
        json_t *row = json_object();
        for (u32 t = 0; t < N_TYPES; t++) {
            struct dlop_timing_rate rate;
            dlop_timing_card_rate(card, dlop_timing_engine_at(DLOP_TIMING_PLANNED),
                                  &report->load[WAVES][mode][t], &rate);
            json_object_set_new(row, types[t].name,
                                json_pack("{s:I,s:s}", "images_per_s",
                                          (json_int_t)rate.images_per_s[rate.limit], "limit",
                                          dlop_timing_limit_name(&rate)));
        }
        json_object_set_new(modes, dlop_timing_mode_name(mode), row);
    }
    return json_pack("{s:s,s:i,s:o,s:s,s:s}", "card", card->name, "engines", (int)n, "modes", modes,
                     "resources", dlop_timing_trust_name(card->trust), "pcie",
                     dlop_timing_trust_name(card->pcie_trust));
}

static void print_json(const struct report *report, u32 n_draws)
{
    const struct dlop_timing_engine *engine;
    const struct dlop_timing_card *card;
    const struct dlop_timing_assumption *a;
    const struct dlop_timing_load *written = &report->written;
    json_t *modes = json_object(), *whole = json_object(), *cards = json_array(),
           *assumptions = json_array(), *all;

    for (u32 mode = 0; mode < DLOP_TIMING_MODE_COUNT; mode++) {
        const struct dlop_timing_load *load = &report->load[WAVES][mode][0];
        json_object_set_new(
            modes, dlop_timing_mode_name(mode),
            json_pack("{s:o,s:f,s:I,s:I}", "stage_clocks", json_of_stages(load), "image_clocks",
                      mean(load->cycles, load->n_jobs), "images_per_s",
                      (json_int_t)images_per_s(dlop_timing_engine_at(DLOP_TIMING_PLANNED), load),
                      "images_per_s_in_series",
                      (json_int_t)images_per_s(dlop_timing_engine_at(DLOP_TIMING_PLANNED),
                                               &report->series[mode])));
    }
    json_object_set_new(
        modes, "cold, as written",
        json_pack(
            "{s:o,s:f,s:I}", "stage_clocks", json_of_stages(written), "image_clocks",
            mean(written->cycles, written->n_jobs), "images_per_s",
            (json_int_t)images_per_s(dlop_timing_engine_at(DLOP_TIMING_AS_WRITTEN), written)));
    for (u32 i = 0; (engine = dlop_timing_engine_at(i)); i++)
        json_object_set_new(whole, engine->name,
                            json_integer((json_int_t)images_per_s(engine, &report->whole[i])));
    for (u32 i = 0; (card = dlop_timing_card_at(i)); i++)
        json_array_append_new(cards, json_of_card(card, report));
    for (u32 i = 0; (a = dlop_timing_assumption_at(i)); i++)
        json_array_append_new(assumptions, json_pack("{s:s,s:s,s:s,s:s}", "what", a->what, "value",
                                                     a->value, "source", a->source, "trust",
                                                     dlop_timing_trust_name(a->trust)));
    all = json_pack("{s:i,s:i,s:i,s:o,s:o,s:o,s:o}", "photographs", (int)report->n_photos,
                    "refused", (int)report->n_refused, "draws", (int)n_draws, "engine", modes,
                    "whole_files_images_per_s", whole, "cards", cards, "assumptions", assumptions);
    json_dumpf(all, stdout, JSON_INDENT(1));
    printf("\n");
    json_decref(all);
}

int main(int argc, char **argv)
{
    static struct machine machine = {.n_draws = 2};
    static struct report report;
    const char *folder = NULL;
    bool is_json = false;

    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--json"))
            is_json = true;
        else if (!strcmp(argv[i], "--draws") && i + 1 < argc)
            machine.n_draws = (u32)strtoul(argv[++i], NULL, 10);
        else
            folder = argv[i];
    }
    if (!folder || machine.n_draws < 1)
        fail("usage: card_model [--json] [--draws N] FOLDER", argv[0]);
    nftw(folder, keep_jpeg, 8, FTW_PHYS);
    if (n_paths == 0)
        fail("no photographs", folder);
    qsort(paths, n_paths, sizeof paths[0], compare_paths);
    open_machine(&machine);
    count_all(&machine, &report);
    if (is_json)
        print_json(&report, machine.n_draws);
    else
        print_text(&report, machine.n_draws);
    for (u32 i = 0; i < n_paths; i++)
        free(paths[i]);
    return 0;
}
