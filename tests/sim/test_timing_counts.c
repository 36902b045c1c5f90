/* Cycle model: the counts of real jobs, against libjpeg-turbo's coefficients (what symbols must
 * have coded them) and against what hw/top counts while it runs. Needs the set that make photos
 * cuts. */
#include "tests/driver/kit.h"

#include "host/format/jpeg.h"
#include "sim/timing_work.h"
#include "tests/kernel/jpeg_oracle.h"
#include "tests/top/launch.h"
#include "tests/vectors/vectors.h"

#define N_PHOTOS   64
#define MAX_STEPS  20000
#define MAX_MCUS   20000
#define N_LAUNCHES 60
/* What the largest job may take of a launch's `in`. */
#define ROOM_BYTES ((size_t)3 << 20)

static struct photo photos[N_PHOTOS];
static u32 n_photos;
static struct dlop_timing_walk walk;
static struct dlop_timing_work work[DLOP_TIMING_MODE_COUNT];
static u16 step_symbols[2][MAX_STEPS];

static s32 count(const struct dlop_job *job, struct dlop_image_memory *memory)
{
    s32 status;

    walk.capacity = MAX_STEPS;
    for (u32 i = 0; i < 2; i++)
        walk.streams[i].symbols = step_symbols[i];
    memory->scratch_bytes = job->in_bytes;
    memory->scratch = malloc(memory->scratch_bytes);
    status = dlop_timing_count(job, memory, &walk, work);
    free(memory->scratch);
    return status;
}

/* ---- libjpeg-turbo's coefficients ---- */

/* What coded one picture of a single scan, MCU by MCU. */
struct oracle_counts {
    u32 mcus_x, mcus_y, blocks_per_mcu;
    u64 symbols[MAX_MCUS], coefficients[MAX_MCUS], packed_bytes[MAX_MCUS];
};

/* The usual coding of a block: DC, one symbol per value and per 16 zeros before it, EOB where the
 * last coefficient is zero. */
static void oracle_add_block(const JCOEF *block, struct oracle_counts *counts, u32 mcu)
{
    u32 n_zeros = 0;

    counts->symbols[mcu]++;
    counts->coefficients[mcu]++;
    for (u32 k = 1; k < 64; k++) {
        if (block[oracle_natural_order[k]] == 0) {
            n_zeros++;
            continue;
        }
        counts->symbols[mcu] += n_zeros / 16 + 1;
        counts->coefficients[mcu]++;
        n_zeros = 0;
    }
    counts->symbols[mcu] += n_zeros > 0;
}

/* The packed form: three bytes, a mask up to the last value, values of 4, 8 or 16 bits. */
static u64 oracle_packed_bytes(const JCOEF *block)
{
    u32 n_values = 0, last = 0;
    s32 least = 0, most = 0;

    for (u32 k = 1; k < 64; k++) {
        s32 value = block[oracle_natural_order[k]];
        n_values += value != 0;
        last = value != 0 ? k : last;
        least = value < least ? value : least;
        most = value > most ? value : most;
    }
    u32 bits = least >= -8 && most <= 7 ? 4 : least >= -128 && most <= 127 ? 8 : 16;
    return 3 + (last + 7) / 8 + (n_values * bits + 7) / 8;
}

static void oracle_add_component(struct jpeg_decompress_struct *cinfo, int component,
                                 jvirt_barray_ptr blocks, struct oracle_counts *counts)
{
    const jpeg_component_info *info = &cinfo->comp_info[component];
    u32 h = cinfo->num_components == 1 ? 1 : (u32)info->h_samp_factor;
    u32 v = cinfo->num_components == 1 ? 1 : (u32)info->v_samp_factor;

    counts->blocks_per_mcu += h * v;
    for (u32 y = 0; y < counts->mcus_y * v; y++) {
        JBLOCKARRAY row = cinfo->mem->access_virt_barray((j_common_ptr)cinfo, blocks, y, 1, FALSE);
        for (u32 x = 0; x < counts->mcus_x * h; x++) {
            u32 mcu = y / v * counts->mcus_x + x / h;
            oracle_add_block(row[0][x], counts, mcu);
            counts->packed_bytes[mcu] += oracle_packed_bytes(row[0][x]);
        }
    }
}

static void oracle_count(const u8 *bytes, size_t n_bytes, struct oracle_counts *counts_out)
{
    struct jpeg_decompress_struct cinfo;
    struct oracle_error error;
    u32 h_max, v_max;

    memset(counts_out, 0, sizeof *counts_out);
    cinfo.err = oracle_errors(&error);
    if (setjmp(error.on_error))
        fail_msg("libjpeg refuses the file");
    jpeg_create_decompress(&cinfo);
    jpeg_mem_src(&cinfo, bytes, n_bytes);
    jpeg_read_header(&cinfo, TRUE);
    jvirt_barray_ptr *blocks = jpeg_read_coefficients(&cinfo);
    h_max = cinfo.num_components == 1 ? 1 : (u32)cinfo.max_h_samp_factor;
    v_max = cinfo.num_components == 1 ? 1 : (u32)cinfo.max_v_samp_factor;
    counts_out->mcus_x = (cinfo.image_width + 8 * h_max - 1) / (8 * h_max);
    counts_out->mcus_y = (cinfo.image_height + 8 * v_max - 1) / (8 * v_max);
    assert_true(counts_out->mcus_x * counts_out->mcus_y <= MAX_MCUS);
    for (int c = 0; c < cinfo.num_components; c++)
        oracle_add_component(&cinfo, c, blocks[c], counts_out);
    jpeg_destroy_decompress(&cinfo);
}

/* MCUs that pixels [first, first + n) need on one axis: each pixel's own, and those of the chroma
 * samples beside its own where chroma is halved. */
static void oracle_range(u32 first, u32 n, u32 size, u32 max, s32 is_halved, u32 range_out[2])
{
    s32 lo = (s32)first, hi = (s32)(first + n - 1);

    if (is_halved) {
        s32 last = (s32)(size + 1) / 2 - 1;
        s32 left = lo / 2 - 1 < 0 ? 0 : lo / 2 - 1, right = hi / 2 + 1 > last ? last : hi / 2 + 1;
        lo = 2 * left < lo ? 2 * left : lo;
        hi = 2 * right > hi ? 2 * right : hi;
    }
    range_out[0] = (u32)lo / (8 * max);
    range_out[1] = (u32)hi / (8 * max) + 1;
}

/* ---- jobs over whole photographs and parts of them ---- */

static const struct dlop_jpeg_frame *frame_of(const struct photo *photo)
{
    return (const struct dlop_jpeg_frame *)(const void *)photo->jpeg;
}

/* The identity over part of a photograph; in: room for tables behind the source. */
static struct dlop_job crop_job(const struct photo *photo, const u32 rect[4])
{
    return (struct dlop_job){.abi_version = DLOP_ABI_VERSION,
                             .kind = DLOP_JOB_JPEG,
                             .src_channels = (u8)photo->channels,
                             .out_channels = 3,
                             .element_bytes = 1,
                             .in_bytes = photo->jpeg_bytes,
                             .src_width_px = photo->width,
                             .src_height_px = photo->height,
                             .roi_x_px = rect[0],
                             .roi_y_px = rect[1],
                             .roi_width_px = rect[2],
                             .roi_height_px = rect[3],
                             .out_width_px = rect[2],
                             .out_height_px = rect[3],
                             .out_bytes = rect[2] * rect[3] * 3};
}

static size_t put_identity(u8 *out, u32 n)
{
    struct dlop_axis axis = {n, 1, 22, 1};
    s32 one = 1 << 22;

    memcpy(out, &axis, sizeof axis);
    for (u32 i = 0; i < n; i++) {
        struct dlop_span span = {(s32)i, 1};
        memcpy(out + sizeof axis + sizeof span * i, &span, sizeof span);
        memcpy(out + sizeof axis + sizeof span * n + sizeof one * i, &one, sizeof one);
    }
    return DLOP_AXIS_BYTES(n, 1);
}

static void count_crop(const struct photo *photo, const u32 rect[4])
{
    struct dlop_job job = crop_job(photo, rect);
    size_t at = (photo->jpeg_bytes + 15) & ~(size_t)15;
    u8 *in = calloc(1, at + DLOP_AXIS_BYTES(rect[2], 1) + DLOP_AXIS_BYTES(rect[3], 1));
    static u8 constants[3 * 256];
    struct dlop_image_memory memory = {.in = in, .constants = constants};

    assert_non_null(in);
    memcpy(in, photo->jpeg, photo->jpeg_bytes);
    job.x_axis_offset = at;
    at += put_identity(in + at, rect[2]);
    job.y_axis_offset = at;
    at += put_identity(in + at, rect[3]);
    memory.bounds = (struct dlop_job_bounds){at, sizeof constants, job.out_bytes};
    assert_int_equal(count(&job, &memory), DLOP_OK);
    free(in);
}

/* What the oracle says of a rectangle of MCUs, x from `from` on, rows y[0]..y[1]. */
static u64 sum_of(const u64 *values, const struct oracle_counts *oracle, const u32 x[2],
                  const u32 y[2])
{
    u64 sum = 0;

    for (u32 row = y[0]; row < y[1]; row++) {
        for (u32 column = x[0]; column < x[1]; column++)
            sum += values[row * oracle->mcus_x + column];
    }
    return sum;
}

/* Bytes of each mode for the identity over rect: what all read is the job, the frame and the axis
 * tables; what all write is the pixels and the completion. */
static void check_bytes(const struct photo *photo, const u32 rect[4], u64 packed_bytes,
                        u64 index_bytes)
{
    u64 common = 128 + 2792 + DLOP_AXIS_BYTES(rect[2], 1) + DLOP_AXIS_BYTES(rect[3], 1);
    u64 own[DLOP_TIMING_MODE_COUNT] = {work[0].counts.fetched_bytes,
                                       work[1].counts.fetched_bytes + index_bytes, packed_bytes};

    for (u32 mode = 0; mode < DLOP_TIMING_MODE_COUNT; mode++) {
        u64 pixels = (u64)rect[2] * rect[3];
        u64 sent =
            mode == DLOP_TIMING_COLD ? common - 2792 + photo->jpeg_bytes : common + own[mode];

        assert_int_equal(work[mode].read_bytes, common + own[mode]);
        assert_int_equal(work[mode].host_in_bytes, sent);
        assert_int_equal(work[mode].write_bytes, 3 * pixels + 32);
        assert_int_equal(work[mode].host_out_bytes, 3 * pixels + 32);
        assert_int_equal(work[mode].scratch_bytes,
                         64 * work[mode].counts.blocks_transformed + 4 * pixels);
    }
}

static void check_crop(const struct photo *photo, const struct oracle_counts *oracle,
                       const u32 rect[4], const struct random_state *random)
{
    const struct dlop_jpeg_frame *frame = frame_of(photo);
    s32 is_grey = frame->n_components == 1;
    u32 h_max = is_grey ? 1 : frame->h_max, v_max = is_grey ? 1 : frame->v_max;
    u32 x[2], y[2], indexed[2];
    u64 before = 0;

    oracle_range(rect[0], rect[2], photo->width, h_max, h_max == 2, x);
    oracle_range(rect[1], rect[3], photo->height, v_max, v_max == 2, y);
    count_crop(photo, rect);
    const struct dlop_top_counts *cold = &work[DLOP_TIMING_COLD].counts;
    const struct dlop_top_counts *from_index = &work[DLOP_TIMING_INDEXED].counts;
    for (u32 mcu = 0; mcu < (y[1] - 1) * oracle->mcus_x + x[1]; mcu++)
        before += oracle->symbols[mcu];
    if (cold->symbols != before ||
        cold->blocks_parsed != ((u64)(y[1] - 1) * oracle->mcus_x + x[1]) * oracle->blocks_per_mcu ||
        cold->blocks_transformed != (u64)(x[1] - x[0]) * (y[1] - y[0]) * oracle->blocks_per_mcu ||
        cold->coefficients != sum_of(oracle->coefficients, oracle, x, y))
        RANDOM_FAIL(random, "cold counts of %u,%u %ux%u", rect[0], rect[1], rect[2], rect[3]);
    indexed[0] = x[0] / 8 * 8;
    indexed[1] = x[1];
    if (from_index->symbols != sum_of(oracle->symbols, oracle, indexed, y) ||
        from_index->coefficients != cold->coefficients ||
        from_index->blocks_transformed != cold->blocks_transformed)
        RANDOM_FAIL(random, "indexed counts of %u,%u %ux%u", rect[0], rect[1], rect[2], rect[3]);
    assert_int_equal(work[DLOP_TIMING_COEFFICIENTS].counts.symbols, 0);
    assert_int_equal(work[DLOP_TIMING_COEFFICIENTS].counts.blocks_transformed,
                     cold->blocks_transformed);
    assert_true(from_index->fetched_bytes <= cold->fetched_bytes + indexed[1] + y[1]);
    check_bytes(photo, rect, sum_of(oracle->packed_bytes, oracle, x, y),
                (u64)(y[1] - y[0]) * DLOP_TIMING_INDEX_BYTES);
}

static void symbols_equal_libjpegs_coefficients(void **state)
{
    (void)state;
    static struct oracle_counts oracle;
    struct random_state random = random_start(random_seed());
    u32 n = 0;

    for (u32 i = 0; i < n_photos; i++) {
        const struct photo *photo = &photos[i];
        const struct dlop_jpeg_frame *frame = frame_of(photo);

        if (frame->n_scans != 1 || frame->h_max > 2 || frame->v_max > 2)
            continue;
        oracle_count(photo->jpeg + sizeof *frame, photo->jpeg_bytes - sizeof *frame, &oracle);
        check_crop(photo, &oracle, (u32[4]){0, 0, photo->width, photo->height}, &random);
        for (u32 c = 0; c < 12; c++) {
            u32 rect[4];
            rect[0] = (u32)random_in(&random, 0, (s32)photo->width - 1);
            rect[1] = (u32)random_in(&random, 0, (s32)photo->height - 1);
            rect[2] = (u32)random_in(&random, 1, (s32)(photo->width - rect[0]));
            rect[3] = (u32)random_in(&random, 1, (s32)(photo->height - rect[1]));
            check_crop(photo, &oracle, rect, &random);
        }
        n++;
    }
    assert_true(n > n_photos / 2);
}

/* Figures within one job that must agree with each other. */
static void counts_of_a_job_agree(void **state)
{
    (void)state;

    for (u32 i = 0; i < n_photos; i++) {
        const u32 rect[4] = {0, 0, photos[i].width, photos[i].height};
        u64 by_bits = 0, n_long = 0, blocks = 0, symbols = 0, steps[2] = {0};

        count_crop(&photos[i], rect);
        for (u32 b = 0; b < DLOP_TIMING_CODE_BITS; b++) {
            by_bits += work[0].symbols_by_code_bits[b];
            n_long += b > DLOP_HUFF_LOOKUP_BITS ? work[0].symbols_by_code_bits[b] : 0;
        }
        for (u32 s = 0; s < DLOP_TIMING_BLOCK_SYMBOLS; s++) {
            blocks += work[0].blocks_by_symbols[s];
            symbols += s * work[0].blocks_by_symbols[s];
        }
        for (u32 mode = 0; mode < 2; mode++) {
            for (u32 s = 0; s < walk.streams[mode].n_steps; s++)
                steps[mode] += walk.streams[mode].symbols[s];
            assert_int_equal(steps[mode], work[mode].counts.symbols);
        }
        assert_int_equal(by_bits, work[0].counts.symbols);
        assert_int_equal(n_long, work[0].counts.long_symbols);
        assert_int_equal(blocks, work[0].counts.blocks_transformed);
        assert_int_equal(symbols, work[0].counts.symbols);
        /* The whole picture: the index saves nothing but bytes past the last MCU, and steps take 64
         * bytes each. */
        assert_int_equal(work[1].counts.symbols, work[0].counts.symbols);
        assert_in_range(walk.streams[0].n_steps, work[0].counts.unstuffed_bytes / 64,
                        work[0].counts.unstuffed_bytes / 64 + 2);
        assert_true(work[0].counts.unstuffed_bytes <= work[0].counts.fetched_bytes);
        assert_in_range(work[0].counts.fetched_bytes, 1, photos[i].jpeg_bytes);
    }
}

/* Bytes alone: 1.43 clocks each, and photographs spread by a fifth around it. */
static void bytes_foretell_the_entropy_stage(void **state)
{
    (void)state;
    u64 bytes = 0, clocks = 0;

    for (u32 i = 0; i < n_photos; i++) {
        const u32 rect[4] = {0, 0, photos[i].width, photos[i].height};
        struct dlop_timing_cycles cycles;

        count_crop(&photos[i], rect);
        dlop_timing_predict(&work[0], dlop_timing_engine_at(DLOP_TIMING_VITIS_L1), &cycles);
        bytes += work[0].counts.fetched_bytes;
        clocks += cycles.stage[DLOP_TIMING_ENTROPY];
    }
    u64 guess = dlop_timing_entropy_of_bytes(bytes);
    assert_in_range(clocks, guess * 8 / 10, guess * 12 / 10);
}

/* ---- hw/top's own counts ---- */

static void print_counts(const char *name, const struct dlop_top_counts *c)
{
    print_error("%s: fetched %llu unstuffed %llu entries %llu symbols %llu long %llu coefficients "
                "%llu parsed %llu transformed %llu samples %llu px %llu x %llu %llu y %llu %llu "
                "packed %llu written %llu\n",
                name, (unsigned long long)c->fetched_bytes, (unsigned long long)c->unstuffed_bytes,
                (unsigned long long)c->table_entries, (unsigned long long)c->symbols,
                (unsigned long long)c->long_symbols, (unsigned long long)c->coefficients,
                (unsigned long long)c->blocks_parsed, (unsigned long long)c->blocks_transformed,
                (unsigned long long)c->upsampled_samples, (unsigned long long)c->source_px,
                (unsigned long long)c->x_multiply_adds, (unsigned long long)c->x_outputs,
                (unsigned long long)c->y_multiply_adds, (unsigned long long)c->y_outputs,
                (unsigned long long)c->packed_elements, (unsigned long long)c->written_bytes);
}

/* Every job of the launch, by the model and by the card's entry points. */
static void check_launch(struct kit *kit, const struct random_state *random)
{
    static struct dlop_top_counts counts[KIT_MAX_JOBS];

    launch_run(kit, counts);
    for (u32 i = 0; i < kit->launch.n_jobs; i++) {
        struct dlop_image_memory memory = {
            .in = kit->in.host,
            .constants = kit->constants.host,
            .bounds = {kit->in.size_bytes, kit->constants.size_bytes, kit->out.size_bytes}};
        s32 status = count(&kit->jobs[i], &memory);

        if (status != DLOP_OK || kit->completions[i].status != DLOP_OK)
            RANDOM_FAIL(random, "job %u: %d counted, %d run", i, status,
                        kit->completions[i].status);
        if (memcmp(&counts[i], &work[DLOP_TIMING_COLD].counts, sizeof counts[i]) != 0) {
            print_counts("model ", &work[DLOP_TIMING_COLD].counts);
            print_counts("hw/top", &counts[i]);
            RANDOM_FAIL(random, "job %u: other counts", i);
        }
        struct dlop_timing_cycles cycles;
        const struct dlop_timing_engine *engine = dlop_timing_engine_at(DLOP_TIMING_PLANNED);
        dlop_timing_predict(&work[DLOP_TIMING_COLD], engine, &cycles);
        u64 guess = dlop_timing_job_cycles(&kit->jobs[i], &counts[i], engine);
        if (guess > cycles.total || guess < cycles.total / 3)
            RANDOM_FAIL(random, "job %u: %llu cycles from counts alone, %llu", i,
                        (unsigned long long)guess, (unsigned long long)cycles.total);
    }
}

static void random_jobs_equal_hw_top(void **state)
{
    (void)state;
    const struct dlop_driver *cpu = dlop_driver_get("cpu");

    for (u32 l = 0; l < N_LAUNCHES; l++) {
        struct random_state random = random_start(random_seed() + l);
        static struct kit kit;

        kit_open(&kit, cpu, NULL);
        for (u32 i = 0; i < KIT_MAX_JOBS && kit.in_used < kit.in.size_bytes - ROOM_BYTES; i++)
            kit_add(&kit, &random, &photos[random_u32(&random) % n_photos],
                    i % DLOP_JOB_KIND_COUNT);
        check_launch(&kit, &random);
        kit_close(&kit);
    }
}

/* Every kind of file: samplings, restart intervals, scans of one component. */
static struct photo vector_photo;

static void check_vector(const struct vector *vector)
{
    struct random_state random = random_start(random_seed());
    static struct kit kit;
    struct photo *photo = &vector_photo;
    char reason[DLOP_REASON_BYTES];
    struct dlop_jpeg_frame frame;

    if (dlop_jpeg_parse(vector->bytes, vector->n_bytes, sizeof frame, &frame, reason) != DLOP_OK)
        return;
    photo->jpeg_bytes = sizeof frame + vector->n_bytes + DLOP_JPEG_PADDING_BYTES;
    photo->jpeg = calloc(1, photo->jpeg_bytes);
    assert_non_null(photo->jpeg);
    memcpy(photo->jpeg, &frame, sizeof frame);
    memcpy(photo->jpeg + sizeof frame, vector->bytes, vector->n_bytes);
    photo->width = frame.width_px;
    photo->height = frame.height_px;
    photo->channels = frame.n_components;
    kit_open(&kit, dlop_driver_get("cpu"), NULL);
    for (u32 i = 0; i < 8; i++)
        kit_add(&kit, &random, photo, DLOP_JOB_JPEG);
    check_launch(&kit, &random);
    kit_close(&kit);
    free(photo->jpeg);
}

static void vectors_equal_hw_top(void **state)
{
    (void)state;
    for_each_vector("valid", check_vector);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(symbols_equal_libjpegs_coefficients),
        cmocka_unit_test(counts_of_a_job_agree),
        cmocka_unit_test(bytes_foretell_the_entropy_stage),
        cmocka_unit_test(random_jobs_equal_hw_top),
        cmocka_unit_test(vectors_equal_hw_top),
    };

    n_photos = kit_load_photos(photos, N_PHOTOS / 2);
    if (!getenv("DLOP_PHOTOS")) {
        setenv("DLOP_PHOTOS", "build/photos/imagenet", 1);
        n_photos += kit_load_photos(photos + n_photos, N_PHOTOS / 2);
    }
    if (n_photos == 0) {
        printf("SKIP photos: no photographs; run make photos\n");
        return 77;
    }
    int status = cmocka_run_group_tests_name("sim/timing_counts", tests, NULL, NULL);
    kit_free_photos(photos, n_photos);
    return status;
}
