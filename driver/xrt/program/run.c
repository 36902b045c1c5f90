/* Runs of compute units: see card.h.
 *
 * A run copies its jobs and a pattern over the completions to the device, starts the kernel, and
 * fetches the completions and the outputs of the jobs that succeeded: exactly those bytes, since
 * what lies between them is the caller's. So a batch's results are in the host's memory whatever
 * bank the unit writes to. Deadlines are the driver's: it ends this process when one passes.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "driver/xrt/program/card_internal.h"
#include "hw/core/arith.h"
#include "hw/top/record.h"

/* Scratch memory grows in steps, so that a few launches reach the largest. */
#define SCRATCH_STEP_BYTES ((uint64_t)1 << 20)

#define FIRST_PAUSE_NS 20000
#define MAX_PAUSE_NS   500000

void dlop_xrt_card_add_unit(struct dlop_xrt_card *card, uint32_t index, int memory,
                            struct dlop_xrt_reply *reply_out)
{
    struct dlop_xrt_card_unit *unit = &card->units[index];
    uint8_t *shared;

    shared = mmap(NULL, DLOP_XRT_UNIT_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
    close(memory);
    if (shared == MAP_FAILED) {
        dlop_xrt_say(reply_out, DLOP_ERR_NO_MEMORY, "no memory to share");
        return;
    }
    unit->memory = shared;
    if (dlop_xrt_object_open(card, shared, DLOP_XRT_COMPLETIONS_AT,
                             unit->groups[DLOP_XRT_NUMBER_jobs], &unit->jobs) != DLOP_OK ||
        dlop_xrt_object_open(card, shared + DLOP_XRT_COMPLETIONS_AT, DLOP_XRT_COMPLETIONS_BYTES,
                             unit->groups[DLOP_XRT_NUMBER_completions],
                             &unit->completions) != DLOP_OK) {
        dlop_xrt_say(reply_out, DLOP_ERR_NO_MEMORY, "no memory for the jobs of unit %u", index);
        return;
    }
    unit->run = card->api.xrtRunOpen(unit->kernel);
    if (!unit->run)
        dlop_xrt_say(reply_out, DLOP_ERR_NO_DEVICE, "xrtRunOpen failed for unit %u", index);
}

void dlop_xrt_unit_close(struct dlop_xrt_card *card, struct dlop_xrt_card_unit *unit)
{
    if (unit->run)
        card->api.xrtRunClose(unit->run);
    dlop_xrt_object_close(card, &unit->scratch);
    dlop_xrt_object_close(card, &unit->completions);
    dlop_xrt_object_close(card, &unit->jobs);
    if (unit->memory)
        munmap(unit->memory, DLOP_XRT_UNIT_BYTES);
}

static dlop_status grow_scratch(struct dlop_xrt_card *card, struct dlop_xrt_card_unit *unit,
                                uint64_t n_bytes)
{
    int group = unit->groups[DLOP_XRT_NUMBER_scratch];
    xrtBufferHandle handle;

    n_bytes = (n_bytes / SCRATCH_STEP_BYTES + 1) * SCRATCH_STEP_BYTES;
    if (n_bytes <= unit->scratch_bytes)
        return DLOP_OK;
    dlop_xrt_object_close(card, &unit->scratch);
    unit->scratch_bytes = 0;
    if (group < 0)
        return DLOP_ERR_NO_MEMORY;
    handle =
        card->api.xrtBOAlloc(card->device, n_bytes, XRT_BO_FLAGS_DEV_ONLY, (xrtMemoryGroup)group);
    if (!handle) /* a group that is the host's memory has no device-only part */
        handle = card->api.xrtBOAlloc(card->device, n_bytes, card->flags, (xrtMemoryGroup)group);
    if (!handle)
        return DLOP_ERR_NO_MEMORY;
    unit->scratch.handle = handle;
    unit->scratch_bytes = n_bytes;
    return DLOP_OK;
}

/* The data buffers of a run, each in the unit's bank. */
static dlop_status find_data(struct dlop_xrt_card *card, const struct dlop_xrt_card_unit *unit,
                             const struct dlop_xrt_request *request,
                             struct dlop_xrt_use data_out[DLOP_XRT_N_DATA])
{
    dlop_status status = DLOP_OK;

    for (uint32_t i = 0; i < DLOP_XRT_N_DATA && status == DLOP_OK; i++) {
        status = dlop_xrt_buffer_use(card, request->data[i].buffer, unit->groups[i], &data_out[i]);
        if (status == DLOP_OK && request->data[i].n_bytes > data_out[i].buffer->mapped_bytes)
            status = DLOP_ERR_ARGUMENT;
    }
    return status;
}

static dlop_status set_arguments(struct dlop_xrt_card *card, struct dlop_xrt_card_unit *unit,
                                 const struct dlop_xrt_use *data,
                                 const struct dlop_xrt_request *request)
{
    __typeof__(xrtRunSetArg) *set = card->api.xrtRunSetArg;
    int failed = 0;

    for (int i = 0; i < DLOP_XRT_N_DATA; i++) {
        failed |= set(unit->run, i, data[i].object->handle);
        failed |= set(unit->run, DLOP_XRT_NUMBER_in_bytes + i, request->data[i].n_bytes);
    }
    failed |= set(unit->run, DLOP_XRT_NUMBER_scratch, unit->scratch.handle);
    failed |= set(unit->run, DLOP_XRT_NUMBER_jobs, unit->jobs.handle);
    failed |= set(unit->run, DLOP_XRT_NUMBER_completions, unit->completions.handle);
    failed |= set(unit->run, DLOP_XRT_NUMBER_scratch_bytes, unit->scratch_bytes);
    failed |= set(unit->run, DLOP_XRT_NUMBER_n_jobs, request->n_jobs);
    return failed ? DLOP_ERR_DEVICE_LOST : DLOP_OK;
}

static bool is_over(enum ert_cmd_state state)
{
    return state != ERT_CMD_STATE_NEW && state != ERT_CMD_STATE_QUEUED &&
           state != ERT_CMD_STATE_RUNNING && state != ERT_CMD_STATE_SUBMITTED;
}

/* XRT's wait sleeps on a card and spins in emulation, where its wait with a limit never ends; so
 * there the state is asked for, at growing intervals, until the wait returns at once. */
static enum ert_cmd_state wait_for_run(struct dlop_xrt_card *card, xrtRunHandle run)
{
    struct timespec pause = {0, FIRST_PAUSE_NS};

    while (card->is_polled && !is_over(card->api.xrtRunState(run))) {
        nanosleep(&pause, NULL);
        if (pause.tv_nsec < MAX_PAUSE_NS)
            pause.tv_nsec += pause.tv_nsec / 2;
    }
    return card->api.xrtRunWait(run);
}

/* Outputs of the jobs that succeeded, neighbours in one copy. A completion may be anything here:
 * the driver judges it, and nothing outside the buffer is copied. */
static dlop_status fetch_outputs(struct dlop_xrt_card *card, struct dlop_xrt_card_unit *unit,
                                 const struct dlop_xrt_use *out, uint32_t n_jobs)
{
    struct dlop_xrt_range range = {0, 0};
    dlop_status status = DLOP_OK;

    for (uint32_t i = 0; i < n_jobs && status == DLOP_OK; i++) {
        struct dlop_job job;
        struct dlop_completion completion;

        dlop_job_read(unit->memory + (size_t)i * DLOP_TOP_JOB_BYTES, &job);
        memcpy(&completion,
               unit->memory + DLOP_XRT_COMPLETIONS_AT + (size_t)i * DLOP_TOP_COMPLETION_BYTES,
               sizeof completion);
        if (completion.status != DLOP_OK ||
            !dlop_is_within(job.out_offset, job.out_bytes, out->buffer->mapped_bytes))
            continue;
        if (job.out_offset != range.offset + range.n_bytes) {
            status = dlop_xrt_object_sync(card, out->object, out->buffer->shared, false, &range);
            range = (struct dlop_xrt_range){job.out_offset, 0};
        }
        range.n_bytes += job.out_bytes;
    }
    if (status == DLOP_OK)
        status = dlop_xrt_object_sync(card, out->object, out->buffer->shared, false, &range);
    return status;
}

/* Jobs and unwritten completions to the device. */
static dlop_status send_jobs(struct dlop_xrt_card *card, struct dlop_xrt_card_unit *unit,
                             uint32_t n_jobs)
{
    const struct dlop_xrt_range jobs = {0, (size_t)n_jobs * DLOP_TOP_JOB_BYTES};
    const struct dlop_xrt_range completions = {0, (size_t)n_jobs * DLOP_TOP_COMPLETION_BYTES};
    uint8_t *shared = unit->memory + DLOP_XRT_COMPLETIONS_AT;
    dlop_status status = dlop_xrt_object_sync(card, &unit->jobs, unit->memory, true, &jobs);

    memset(shared, DLOP_XRT_UNWRITTEN, completions.n_bytes);
    if (status == DLOP_OK)
        status = dlop_xrt_object_sync(card, &unit->completions, shared, true, &completions);
    return status;
}

void dlop_xrt_card_run(struct dlop_xrt_card *card, uint32_t index,
                       const struct dlop_xrt_request *request, struct dlop_xrt_reply *reply_out)
{
    const struct dlop_xrt_range completions = {0,
                                               (size_t)request->n_jobs * DLOP_TOP_COMPLETION_BYTES};
    struct dlop_xrt_card_unit *unit = &card->units[index];
    enum ert_cmd_state state;
    const char *failed = "memory";
    struct dlop_xrt_use data[DLOP_XRT_N_DATA];
    dlop_status status = find_data(card, unit, request, data);

    if (status == DLOP_OK)
        status = grow_scratch(card, unit, request->scratch_bytes);
    if (status != DLOP_OK)
        goto say;
    failed = "jobs";
    status = send_jobs(card, unit, request->n_jobs);
    if (status != DLOP_OK)
        goto say;
    failed = "arguments";
    status = set_arguments(card, unit, data, request);
    if (status != DLOP_OK)
        goto say;
    failed = "start";
    status = card->api.xrtRunStart(unit->run) ? DLOP_ERR_DEVICE_LOST : DLOP_OK;
    if (status != DLOP_OK)
        goto say;
    state = wait_for_run(card, unit->run);
    if (state != ERT_CMD_STATE_COMPLETED) {
        dlop_xrt_say(reply_out, DLOP_ERR_DEVICE_LOST, "unit %u: run ended in state %d", index,
                     (int)state);
        return;
    }
    failed = "results";
    status = dlop_xrt_object_sync(card, &unit->completions, unit->memory + DLOP_XRT_COMPLETIONS_AT,
                                  false, &completions);
    if (status == DLOP_OK)
        status = fetch_outputs(card, unit, &data[DLOP_XRT_OUT], request->n_jobs);
    if (status == DLOP_OK)
        return;
say:
    dlop_xrt_say(reply_out, status, "unit %u: %s of a run failed", index, failed);
}
