/* Jobs over compact buffers: see share.h. */
#include "driver/group/share.h"

#include <stdlib.h>
#include <string.h>

#define COMPACT_ALIGNMENT 64
/* No table of a job that a device accepts has more. */
#define MAX_TAPS (2u * DLOP_MAX_SIDE_PX)

/* ---- memory ---- */

void dlop_group_share_free(struct dlop_group_share *share)
{
    if (!share)
        return;
    free(share->index);
    free(share->jobs);
    free(share->completions);
    free(share->doubted);
    free(share->verdict);
    free(share);
}

/* The arrays keep nothing, so they need no realloc; a failure leaves the old ones. */
static bool grow(struct dlop_group_share *share, uint32_t n_jobs)
{
    struct dlop_group_share larger = {
        .index = malloc(n_jobs * sizeof *larger.index),
        .jobs = malloc(n_jobs * sizeof *larger.jobs),
        .completions = malloc(n_jobs * sizeof *larger.completions),
        .doubted = malloc(n_jobs * sizeof *larger.doubted),
        .verdict = malloc(n_jobs * sizeof *larger.verdict),
    };
    bool is_complete =
        larger.index && larger.jobs && larger.completions && larger.doubted && larger.verdict;
    struct dlop_group_share unused = is_complete ? *share : larger;

    if (is_complete) {
        share->index = larger.index;
        share->jobs = larger.jobs;
        share->completions = larger.completions;
        share->doubted = larger.doubted;
        share->verdict = larger.verdict;
        share->capacity = n_jobs;
    }
    free(unused.index);
    free(unused.jobs);
    free(unused.completions);
    free(unused.doubted);
    free(unused.verdict);
    return is_complete;
}

struct dlop_group_share *dlop_group_share_make(struct dlop_group_share *reused, uint32_t n_jobs)
{
    struct dlop_group_share *share = reused ? reused : calloc(1, sizeof *share);
    uint32_t n_least = n_jobs ? n_jobs : 1;

    if (!share)
        return NULL;
    if (share->capacity < n_least && !grow(share, n_least)) {
        if (!reused)
            dlop_group_share_free(share);
        return NULL;
    }
    *share = (struct dlop_group_share){.capacity = share->capacity,
                                       .index = share->index,
                                       .jobs = share->jobs,
                                       .completions = share->completions,
                                       .doubted = share->doubted,
                                       .verdict = share->verdict};
    return share;
}

/* ---- what a job names ---- */

/* Lengths of what a job reads, in bytes. */
struct reach {
    uint64_t x_bytes, y_bytes, pack_bytes;
};

static bool is_inside(uint64_t offset, uint64_t n_bytes, uint64_t alignment, size_t size_bytes)
{
    return offset <= size_bytes && n_bytes <= size_bytes - offset && offset % alignment == 0;
}

/* Length of the axis table at an offset; false where it does not lie in the buffer. */
static bool measure_axis(const struct dlop_buffer *in, uint64_t offset, uint64_t *n_bytes_out)
{
    struct dlop_axis axis;

    if (!is_inside(offset, sizeof axis, 4, in->size_bytes))
        return false;
    memcpy(&axis, (const uint8_t *)in->host + offset, sizeof axis);
    if (axis.n_out > DLOP_MAX_SIDE_PX || axis.n_taps > MAX_TAPS)
        return false;
    *n_bytes_out = DLOP_AXIS_BYTES(axis.n_out, axis.n_taps);
    return is_inside(offset, *n_bytes_out, 4, in->size_bytes);
}

/* False where the job names anything outside its buffers: then no lengths are to be trusted. */
static bool measure(const struct dlop_launch *whole, const struct dlop_job *job,
                    struct reach *reach_out)
{
    static const uint8_t is_element[9] = {[1] = 1, [2] = 1, [4] = 1, [8] = 1};

    *reach_out = (struct reach){0};
    if (job->kind >= DLOP_JOB_KIND_COUNT || job->element_bytes > 8 ||
        !is_element[job->element_bytes] || job->out_channels > DLOP_MAX_CHANNELS)
        return false;
    reach_out->pack_bytes = 256u * (uint64_t)job->out_channels * job->element_bytes;
    if (!is_inside(job->in_offset, job->in_bytes, job->kind == DLOP_JOB_JPEG ? 4 : 1,
                   whole->in->size_bytes) ||
        !is_inside(job->pack_offset, reach_out->pack_bytes, job->element_bytes,
                   whole->constants->size_bytes) ||
        !is_inside(job->out_offset, job->out_bytes, job->element_bytes, whole->out->size_bytes))
        return false;
    if (job->kind == DLOP_JOB_TENSOR)
        return job->x_axis_offset == 0 && job->y_axis_offset == 0;
    return measure_axis(whole->in, job->x_axis_offset, &reach_out->x_bytes) &&
           measure_axis(whole->in, job->y_axis_offset, &reach_out->y_bytes);
}

/* ---- filling ---- */

static uint64_t place(size_t *used_bytes, uint64_t n_bytes)
{
    size_t at = (*used_bytes + COMPACT_ALIGNMENT - 1) & ~(size_t)(COMPACT_ALIGNMENT - 1);

    *used_bytes = at + n_bytes;
    return at;
}

/* Records of a batch mostly share one pack table. */
static uint64_t place_pack(struct dlop_group_share *share, const struct dlop_job *original,
                           uint64_t n_bytes)
{
    uint32_t n = share->n_jobs;

    if (n > 0) {
        const struct dlop_job *before = &share->whole->jobs[share->index[n - 1]];

        if (before->pack_offset == original->pack_offset &&
            before->element_bytes == original->element_bytes &&
            before->out_channels == original->out_channels)
            return share->jobs[n - 1].pack_offset;
    }
    return place(&share->constants_bytes, n_bytes);
}

void dlop_group_share_add(struct dlop_group_share *share, uint32_t i, int32_t doubted)
{
    uint32_t n = share->n_jobs++;

    share->index[n] = i;
    share->jobs[n] = share->whole->jobs[i];
    share->doubted[n] = doubted;
}

bool dlop_group_share_add_compact(struct dlop_group_share *share, uint32_t i)
{
    const struct dlop_job *original = &share->whole->jobs[i];
    struct reach reach;

    if (!measure(share->whole, original, &reach))
        return false;
    uint64_t pack_offset = place_pack(share, original, reach.pack_bytes);
    dlop_group_share_add(share, i, 0);
    struct dlop_job *job = &share->jobs[share->n_jobs - 1];
    job->in_offset = place(&share->in_bytes, job->in_bytes);
    if (job->kind != DLOP_JOB_TENSOR) {
        job->x_axis_offset = place(&share->in_bytes, reach.x_bytes);
        job->y_axis_offset = place(&share->in_bytes, reach.y_bytes);
    }
    job->pack_offset = pack_offset;
    job->out_offset = place(&share->out_bytes, job->out_bytes);
    return true;
}

/* ---- copies ---- */

void dlop_group_share_copy_in(struct dlop_group_share *share, uint8_t *in, uint8_t *constants)
{
    const struct dlop_launch *whole = share->whole;
    const uint8_t *whole_in = whole->in->host, *whole_constants = whole->constants->host;

    for (uint32_t k = 0; k < share->n_jobs; k++) {
        const struct dlop_job *from = &whole->jobs[share->index[k]], *to = &share->jobs[k];
        struct reach reach;

        /* It was measured when it was added, and the caller's memory has not changed. */
        if (!measure(whole, from, &reach))
            continue;
        memcpy(in + to->in_offset, whole_in + from->in_offset, from->in_bytes);
        memcpy(in + to->x_axis_offset, whole_in + from->x_axis_offset, reach.x_bytes);
        memcpy(in + to->y_axis_offset, whole_in + from->y_axis_offset, reach.y_bytes);
        if (k == 0 || to->pack_offset != share->jobs[k - 1].pack_offset)
            memcpy(constants + to->pack_offset, whole_constants + from->pack_offset,
                   reach.pack_bytes);
        share->completions[k] = (struct dlop_completion){
            .record = ~to->record, .status = INT32_MIN, .bytes_written = UINT32_MAX};
    }
}

/* ---- judgement ---- */

#define STATUS_VALUE(name, value, text) value,
static const int32_t known_statuses[] = {DLOP_STATUS_TABLE(STATUS_VALUE)};
#undef STATUS_VALUE

static bool is_known_error(int32_t status)
{
    bool is_known = false;

    for (size_t i = 0; i < sizeof known_statuses / sizeof known_statuses[0]; i++)
        is_known |= known_statuses[i] == status;
    return is_known && status < 0;
}

static enum dlop_group_verdict judge(const struct dlop_job *job,
                                     const struct dlop_completion *completion)
{
    if (completion->record != job->record)
        return DLOP_GROUP_WRONG;
    if (completion->status == DLOP_OK)
        return completion->bytes_written == job->out_bytes ? DLOP_GROUP_GOOD : DLOP_GROUP_WRONG;
    if (is_known_error(completion->status) && completion->bytes_written == 0)
        return DLOP_GROUP_DOUBTED;
    return DLOP_GROUP_WRONG;
}

uint32_t dlop_group_share_copy_out(struct dlop_group_share *share, const uint8_t *out)
{
    const struct dlop_launch *whole = share->whole;
    uint32_t n_bad = 0;

    for (uint32_t k = 0; k < share->n_jobs; k++) {
        const struct dlop_job *job = &share->jobs[k];
        uint32_t i = share->index[k];

        share->verdict[k] = (uint8_t)judge(job, &share->completions[k]);
        if (share->verdict[k] != DLOP_GROUP_GOOD) {
            n_bad++;
            continue;
        }
        memcpy((uint8_t *)whole->out->host + whole->jobs[i].out_offset, out + job->out_offset,
               job->out_bytes);
        whole->completions[i] = share->completions[k];
    }
    return n_bad;
}
