/* Driver test: each step of hw/core compiled by OpenCL against the same text compiled for the host,
 * on seeded random and edge input, to the byte. */
#include "tests/driver/ocl_steps.h"

#include "tests/driver/ocl_kit.h"
#include "tests/kernel/axis_table.h"

#define N_CASES 256

static const char *const step_names[STEP_COUNT] = {
    [STEP_IDCT] = "idct",       [STEP_DEQUANTISE] = "dequantise", [STEP_UPSAMPLE] = "upsample",
    [STEP_COLOUR] = "colour",   [STEP_AXIS_X] = "axis x",         [STEP_AXIS_Y] = "axis y",
    [STEP_PACK] = "pack",       [STEP_HUFF] = "huff_table",       [STEP_ENTROPY] = "entropy",
    [STEP_UNSTUFF] = "unstuff",
};

static const struct dlop_ocl_api *api;
static struct dlop_ocl_found found;
static cl_context context;
static cl_command_queue queue;
static cl_program program;
static cl_kernel kernel;
static cl_mem in_memory, out_memory;
static u8 in[N_CASES][STEP_IN_BYTES], got[N_CASES][STEP_OUT_BYTES], want[N_CASES][STEP_OUT_BYTES];

/* ---- input ---- */

/* A DHT table whose codes leave none but all ones free, with symbols of its class. */
static void put_dht(struct random_state *random, u8 *at, u32 is_ac)
{
    u32 room = 1, last = (u32)random_in(random, 6, 8);

    for (u32 bits = 1; bits <= 16; bits++) {
        u32 n;

        room *= 2;
        n = bits < last ? (u32)random_in(random, 0, (s32)(room - 1) / 2) : room - 1;
        at[bits - 1] = (u8)n;
        room -= n;
    }
    for (u32 i = 0; i < 256; i++) {
        s32 size = random_in(random, is_ac ? -3 : 0, is_ac ? 10 : 11);
        s32 run = random_in(random, 0, 3);

        if (size > 0)
            at[16 + i] = (u8)(size | (is_ac ? run << 4 : 0));
        else
            at[16 + i] = is_ac && run == 3 ? 0xf0 : 0; /* blocks end often */
    }
}

static void put_axis(struct random_state *random, u8 *bytes, u32 is_y)
{
    u32 n_in = is_y ? STEP_ROW_PX / (1 + bytes[STEP_ROWS_AT] % 10u) : STEP_ROW_PX;
    u32 n_out = (u32)random_in(random, 1, STEP_ROW_PX);
    void *table;

    if (random_in(random, 0, 2)) {
        table = axis_resize(&axis_filters[random_u32(random) % N_AXIS_FILTERS], n_in, n_out,
                            random_in(random, 0, 1) ? 22 : 0, random_in(random, 0, 1));
    } else {
        s32 source[STEP_ROW_PX];

        for (u32 o = 0; o < n_out; o++)
            source[o] = random_in(random, -5, (s32)n_in - 1);
        table = axis_copy(source, n_out);
    }
    if (axis_bytes(table) <= STEP_ROWS_AT)
        memcpy(bytes, table, axis_bytes(table));
    free(table);
    if (!random_in(random, 0, 3))
        bytes[random_in(random, 0, 63)] ^= (u8)(1 << random_in(random, 0, 7));
}

/* Bytes of a scan: many FF, what follows them mostly right. */
static void put_scan(struct random_state *random, u8 *bytes)
{
    u32 rst = bytes[2] & 7u;

    for (u32 i = STEP_ROWS_AT; i + 1 < STEP_IN_BYTES; i++) {
        if (random_in(random, 0, 15))
            continue;
        bytes[i++] = 0xff;
        if (random_in(random, 0, 30))
            bytes[i] = 0;
        else
            bytes[i] = (u8)(0xd0 + (rst++ & 7));
    }
}

/* Random bytes; every eighth case of extremes. */
static void put_case(struct random_state *random, u32 step, u32 number, u8 *bytes)
{
    static const u8 extremes[] = {0, 255, 127, 128};

    random_bytes(random, bytes, STEP_IN_BYTES);
    if (number % 8 == 7)
        for (u32 i = 5; i < STEP_IN_BYTES; i++)
            bytes[i] = extremes[bytes[i] % 4];
    if (step == STEP_AXIS_X || step == STEP_AXIS_Y)
        put_axis(random, bytes, step == STEP_AXIS_Y);
    if (step == STEP_HUFF)
        put_dht(random, bytes + 16, bytes[0] & 1);
    if (step == STEP_ENTROPY) {
        put_dht(random, bytes + 16, 0);
        put_dht(random, bytes + 512, 1);
    }
    if ((step == STEP_HUFF || step == STEP_ENTROPY) && number % 16 == 15)
        bytes[random_in(random, 16, 800)]++;
    if (step == STEP_UNSTUFF)
        put_scan(random, bytes);
}

/* ---- OpenCL ---- */

static int open_opencl(void)
{
    static const char *const text = "#include \"tests/driver/ocl_steps.cl\"\n";
    char reason[128];
    uint32_t n_devices;
    cl_int error = CL_SUCCESS;

    api = ocl_api();
    if (!api || dlop_ocl_find(api, 0, &found, &n_devices, reason, sizeof reason) != DLOP_OK)
        return 77;
    context = api->CreateContext(NULL, 1, &found.device, NULL, NULL, &error);
    queue = api->CreateCommandQueue(context, found.device, 0, &error);
    program = api->CreateProgramWithSource(context, 1, (const char *[]){text}, NULL, &error);
    if (api->BuildProgram(program, 1, &found.device, "-cl-std=CL1.2 -I.", NULL, NULL)) {
        static char log[4000];

        api->GetProgramBuildInfo(program, found.device, CL_PROGRAM_BUILD_LOG, sizeof log - 1, log,
                                 NULL);
        printf("%s\n", log);
        return 1;
    }
    kernel = api->CreateKernel(program, "run_steps", &error);
    in_memory = api->CreateBuffer(context, CL_MEM_READ_WRITE, sizeof in, NULL, &error);
    out_memory = api->CreateBuffer(context, CL_MEM_READ_WRITE, sizeof got, NULL, &error);
    return error != CL_SUCCESS || !kernel || !in_memory;
}

static void close_opencl(void)
{
    api->ReleaseMemObject(in_memory);
    api->ReleaseMemObject(out_memory);
    api->ReleaseKernel(kernel);
    api->ReleaseProgram(program);
    api->ReleaseCommandQueue(queue);
    api->ReleaseContext(context);
}

static void run_opencl(u32 step)
{
    size_t n = N_CASES;

    memset(got, 0, sizeof got);
    assert_int_equal(api->SetKernelArg(kernel, 0, sizeof step, &step), CL_SUCCESS);
    assert_int_equal(api->SetKernelArg(kernel, 1, sizeof in_memory, &in_memory), CL_SUCCESS);
    assert_int_equal(api->SetKernelArg(kernel, 2, sizeof out_memory, &out_memory), CL_SUCCESS);
    assert_int_equal(
        api->EnqueueWriteBuffer(queue, in_memory, CL_TRUE, 0, sizeof in, in, 0, NULL, NULL),
        CL_SUCCESS);
    assert_int_equal(
        api->EnqueueWriteBuffer(queue, out_memory, CL_TRUE, 0, sizeof got, got, 0, NULL, NULL),
        CL_SUCCESS);
    assert_int_equal(api->EnqueueNDRangeKernel(queue, kernel, 1, NULL, &n, NULL, 0, NULL, NULL),
                     CL_SUCCESS);
    assert_int_equal(
        api->EnqueueReadBuffer(queue, out_memory, CL_TRUE, 0, sizeof got, got, 0, NULL, NULL),
        CL_SUCCESS);
}

/* Every step: cases by the host, cases by OpenCL. Enough of them must get past the checks, or the
 * comparison says little. */
static void steps_equal_the_host(void **state)
{
    (void)state;
    for (u32 step = 0; step < STEP_COUNT; step++) {
        struct random_state random = random_start(random_seed() + step);
        u32 n_full = 0;

        memset(want, 0, sizeof want);
        for (u32 i = 0; i < N_CASES; i++) {
            u32 n_written = 0;

            put_case(&random, step, i, in[i]);
            step_run(step, in[i], want[i]);
            for (u32 b = 4; b < STEP_OUT_BYTES; b++)
                n_written += want[i][b] != 0;
            n_full += n_written > 16;
        }
        if (n_full < N_CASES / 2)
            fail_msg("%s: only %u of %u cases do any work", step_names[step], n_full, N_CASES);
        run_opencl(step);
        for (u32 i = 0; i < N_CASES; i++)
            for (u32 b = 0; b < STEP_OUT_BYTES; b++)
                if (got[i][b] != want[i][b])
                    RANDOM_FAIL(&random, "%s: case %u byte %u is %u instead of %u",
                                step_names[step], i, b, got[i][b], want[i][b]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(steps_equal_the_host)};
    int status = open_opencl();

    if (status)
        return status;
    status = cmocka_run_group_tests_name("driver/ocl steps", tests, NULL, NULL);
    close_opencl();
    return status;
}
