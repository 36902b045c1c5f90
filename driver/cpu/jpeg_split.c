/* One scan of a JPEG by several threads.
 *
 * A scan is one chain of codes: where a code begins is known only after the one before, and the DC
 * values are sums over all before. But a reader that begins anywhere, with a guess, falls into step
 * with the true chain after some MCUs, since the codes synchronise by themselves. So the scan is
 * cut into parts of as many bytes, and
 *
 *     1. while the leader decodes the first parts, helpers scout the last ones, from the back: they
 *        pass over a part's MCUs, which takes less than half of decoding them, from a guess at its
 *        begin to the first MCU behind its end, and note where the first MCUs began;
 *     2. where the leader meets what is scouted it links the parts: it passes over MCUs from the
 *        place where the part before ended until it stands at a place that the scout had noted.
 *        From there on both are the same chain, so that the scout's end is a true place, with the
 *        number of its MCU and its DC values shifted by the difference of the two. A part whose
 *        scout never met the chain is passed over once more;
 *     3. everybody decodes parts, each from a known place.
 *
 * Nothing rests on the guess: each part must end at the very place where the next one began, so by
 * induction from the first, all decode what one thread would. Anything else ends the split, and one
 * thread decodes the whole scan and decides. With restart markers places are found by looking for
 * the markers. The last part needs no scout, and is as long as one thread's share for that reason;
 * without helpers nothing is done twice.
 */
#include <stdlib.h>
#include <string.h>

#include "driver/cpu/jpeg_internal.h"
#include "driver/cpu/worker.h"
#include "hw/core/unstuff.h"

#define MAX_PARTS        64
#define PARTS_PER_THREAD 4
#define MIN_PARTS        32
/* Places that a scout notes. */
#define MAX_NOTES 128
/* Codes that cannot be, met before a scout gives up. */
#define MAX_STUMBLES 1000

struct part {
    u32 begin_bytes;             /* of the scan; not the second of FF 00 */
    struct dlop_cpu_entry start; /* first MCU that begins there or behind */
    u32 n_blocks;                /* decoded */

    /* Found by a scout: MCUs and DC values count from its guess. */
    bool is_scouted;
    struct dlop_cpu_entry end; /* the next part's start */
    u32 n_notes;
    struct dlop_cpu_entry note[MAX_NOTES];
};

struct dlop_cpu_split {
    const struct dlop_cpu_jpeg *leader;
    struct dlop_cpu_scan scan; /* its blocks, before anybody decodes */
    u32 n_parts, n_done;       /* n_done: by the leader in the first stage */
    struct part part[MAX_PARTS];
};

/* ---- parts --------------------------------------------------------------------------------------
 */

/* Cut as much of the scan as the region's rows may take into parts. */
static void cut(struct dlop_cpu_split *split, const struct dlop_cpu_jpeg *jpeg)
{
    const struct dlop_cpu_crew *crew = jpeg->team->crew;
    const struct dlop_cpu_scan_plan *plan = &jpeg->plan;
    u32 n_bytes = plan->scan.end_bytes - plan->scan.begin_bytes;
    const struct dlop_component_geometry *c = &jpeg->geometry.component[plan->scan.component[0]];
    u32 n_rows = plan->scan.n_components > 1 ? jpeg->geometry.mcus_y : c->height_blocks;
    u32 used_bytes = (u32)((u64)n_bytes * plan->range.y_end / n_rows);
    u32 n = crew->n_threads < MAX_PARTS / PARTS_PER_THREAD ? crew->n_threads * PARTS_PER_THREAD
                                                           : MAX_PARTS;

    n = n > MIN_PARTS ? n : MIN_PARTS;
    n = dlop_min_u32(n, used_bytes / crew->min_part_bytes);
    split->n_parts = n > 0 ? n : 1;
    for (u32 i = 0; i < split->n_parts; i++) {
        u32 at = (u32)((u64)used_bytes * i / split->n_parts);

        while (at > 0 && at < n_bytes && plan->bytes[at - 1] == 0xff)
            at++;
        split->part[i].begin_bytes = at;
        split->part[i].is_scouted = false;
        split->part[i].n_blocks = 0;
    }
    split->part[0].start = (struct dlop_cpu_entry){0};
}

/* With restart markers: let parts begin at the first marker behind where they were cut. Those
 * before which there is none become one with the part before. DLOP_ERR_BAD_DATA: a marker that is
 * not the next. */
static dlop_status find_markers(struct dlop_cpu_split *split, const struct dlop_cpu_scan_plan *plan)
{
    const u8 *end = plan->bytes + (plan->scan.end_bytes - plan->scan.begin_bytes), *at;
    u32 n_markers = 0, n_parts = 1, next = 1;

    for (at = plan->bytes; next < split->n_parts; at += 2) {
        at = at < end ? memchr(at, 0xff, (size_t)(end - at)) : NULL;
        if (at == NULL || end - at < 2 ||
            (u64)n_markers * plan->scan.restart_interval >= plan->end_mcu)
            break;
        if (at[1] == 0)
            continue;
        if (at[1] != DLOP_RST0 + (n_markers & 7))
            return DLOP_ERR_BAD_DATA;
        n_markers++;
        if ((size_t)(at - plan->bytes) < split->part[next].begin_bytes)
            continue;
        split->part[n_parts++].start = (struct dlop_cpu_entry){
            .mcu = n_markers * plan->scan.restart_interval, .byte = (u32)(at + 2 - plan->bytes)};
        while (next < split->n_parts && split->part[next].begin_bytes <= (size_t)(at - plan->bytes))
            next++;
    }
    split->n_parts = n_parts;
    return DLOP_OK;
}

/* ---- first stage: the leader decodes, helpers scout ---------------------------------------------
 */

/* Leave the last parts as one that nobody scouts: it should be as long as what each of n threads
 * decodes in the second stage. Scouting takes half as long as decoding, so with R parts left, while
 * the leader decodes L of them, n - 1 helpers scout 2 (n - 1) L, and (R - L) / n are kept; together
 * they are R. The solution is close to R / (n + 0.4). */
static void keep_last(struct dlop_cpu_stage *stage)
{
    struct dlop_cpu_split *split = stage->cookie;
    u32 n_threads = split->leader->team->crew->n_threads;

    stage->back -= (stage->back - stage->front) * 5 / (5 * n_threads + 2);
    split->n_parts = stage->back + 1;
}

static dlop_status prepare(struct dlop_cpu_worker *worker, void *cookie)
{
    const struct dlop_cpu_split *split = cookie;
    struct dlop_cpu_jpeg *jpeg = dlop_cpu_worker_jpeg(worker);
    dlop_status status = dlop_cpu_jpeg_share(jpeg, split->leader);

    jpeg->plan = split->leader->plan;
    jpeg->scan = split->scan;
    return status;
}

/* The leader's part, from where it stands. DLOP_END: the region is complete. */
static dlop_status decode_front(struct dlop_cpu_worker *worker, void *cookie, u32 i)
{
    struct dlop_cpu_split *split = cookie;
    struct dlop_cpu_jpeg *jpeg = dlop_cpu_worker_jpeg(worker);
    const struct dlop_cpu_steps *steps = dlop_cpu_worker_steps(worker);
    struct part *next = &split->part[i + 1];
    dlop_status status = DLOP_OK;

    if (i == 0)
        status = dlop_cpu_scan_enter(jpeg, steps, &split->part[0].start);
    if (status != DLOP_OK)
        return status;
    dlop_cpu_scan_mark(jpeg, next->begin_bytes);
    status = dlop_cpu_scan_run(jpeg, steps, jpeg->plan.end_mcu);
    if (status != DLOP_OK)
        return status;
    if (jpeg->source.mcu == jpeg->plan.end_mcu)
        return DLOP_END;
    dlop_cpu_scan_leave(jpeg, &next->start);
    return DLOP_OK;
}

/* Go on behind a code that cannot be, as if the first MCU began one bit later. */
static void stumble(struct dlop_cpu_jpeg *jpeg, struct part *part)
{
    dlop_cpu_bits_seek(&jpeg->scan, dlop_cpu_bits_position(&jpeg->scan) + 1);
    memset(jpeg->scan.dc_pred, 0, sizeof(jpeg->scan.dc_pred));
    jpeg->scan.status = DLOP_OK;
    part->n_notes = 0;
}

static dlop_status scout(struct dlop_cpu_worker *worker, void *cookie, u32 i)
{
    struct dlop_cpu_split *split = cookie;
    struct dlop_cpu_jpeg *jpeg = dlop_cpu_worker_jpeg(worker);
    const struct dlop_cpu_steps *steps = dlop_cpu_worker_steps(worker);
    struct part *part = &split->part[i];
    struct dlop_cpu_entry guess = {.byte = part->begin_bytes};
    dlop_status status = dlop_cpu_scan_enter(jpeg, steps, &guess);

    part->n_notes = 0;
    dlop_cpu_scan_mark(jpeg, part[1].begin_bytes);
    for (u32 n_stumbles = 0; status == DLOP_OK && !dlop_cpu_scan_is_at_mark(jpeg);) {
        bool is_noted = part->n_notes < MAX_NOTES;

        if (is_noted)
            dlop_cpu_scan_leave(jpeg, &part->note[part->n_notes++]);
        status = dlop_cpu_scan_pass(jpeg, steps, is_noted ? 1 : UINT32_MAX);
        if (status != DLOP_OK && jpeg->scan.status != DLOP_OK && n_stumbles++ < MAX_STUMBLES) {
            stumble(jpeg, part);
            status = DLOP_OK;
        }
    }
    part->is_scouted = status == DLOP_OK;
    if (part->is_scouted)
        dlop_cpu_scan_leave(jpeg, &part->end);
    return DLOP_OK;
}

/* ---- between the stages: links ------------------------------------------------------------------
 */

static bool is_before(const struct dlop_cpu_entry *a, const struct dlop_cpu_entry *b)
{
    return a->byte != b->byte ? a->byte < b->byte : a->bit < b->bit;
}

/* What the scout found behind a place that it shares with the true chain. */
static struct dlop_cpu_entry shift(const struct dlop_cpu_entry *end,
                                   const struct dlop_cpu_entry *note,
                                   const struct dlop_cpu_entry *here)
{
    struct dlop_cpu_entry start = *end;

    start.mcu += here->mcu - note->mcu;
    for (u32 i = 0; i < DLOP_JPEG_MAX_COMPONENTS; i++)
        start.dc_pred[i] += here->dc_pred[i] - note->dc_pred[i];
    return start;
}

/* From a part's start find the next one's: with the scout's help, else by passing over it all. */
static dlop_status link_part(struct dlop_cpu_jpeg *jpeg, const struct dlop_cpu_steps *steps,
                             const struct part *part, struct dlop_cpu_entry *start_out)
{
    struct dlop_cpu_entry here;
    dlop_status status = dlop_cpu_scan_enter(jpeg, steps, &part->start);
    u32 n = 0;

    while (status == DLOP_OK && part->is_scouted) {
        dlop_cpu_scan_leave(jpeg, &here);
        while (n < part->n_notes && is_before(&part->note[n], &here))
            n++;
        if (n == part->n_notes)
            break;
        if (!is_before(&here, &part->note[n])) {
            *start_out = shift(&part->end, &part->note[n], &here);
            return DLOP_OK;
        }
        status = dlop_cpu_scan_pass(jpeg, steps, 1);
    }
    dlop_cpu_scan_mark(jpeg, part[1].begin_bytes);
    if (status == DLOP_OK)
        status = dlop_cpu_scan_pass(jpeg, steps, UINT32_MAX);
    if (status == DLOP_OK)
        dlop_cpu_scan_leave(jpeg, start_out);
    return status;
}

/* ---- second stage: everybody decodes ------------------------------------------------------------
 */

static bool is_same_entry(const struct dlop_cpu_entry *a, const struct dlop_cpu_entry *b)
{
    return a->mcu == b->mcu && a->byte == b->byte && a->bit == b->bit &&
           memcmp(a->dc_pred, b->dc_pred, sizeof(a->dc_pred)) == 0;
}

/* Whether the decoder, which has decoded a part, stands where the next one begins. */
static dlop_status check_end(struct dlop_cpu_jpeg *jpeg, const struct dlop_cpu_steps *steps,
                             const struct dlop_cpu_entry *next)
{
    struct dlop_cpu_entry here;
    dlop_status status = DLOP_OK;

    if (jpeg->source.mcu != next->mcu)
        return DLOP_ERR_BAD_DATA;
    if (jpeg->plan.scan.restart_interval) {
        here = *next;
        status = dlop_cpu_scan_end_segment(jpeg, steps, &here.byte);
    } else if (dlop_cpu_scan_is_at_mark(jpeg)) {
        dlop_cpu_scan_leave(jpeg, &here);
    } else {
        return DLOP_ERR_BAD_DATA;
    }
    return status == DLOP_OK && !is_same_entry(&here, next) ? DLOP_ERR_BAD_DATA : status;
}

/* The leader's first task is the last part, which is the longest: so no helper that loses its
 * processor holds more than a short one. */
static dlop_status decode_part(struct dlop_cpu_worker *worker, void *cookie, u32 task)
{
    struct dlop_cpu_split *split = cookie;
    u32 i = task == split->n_done ? split->n_parts - 1 : task - 1;
    struct dlop_cpu_jpeg *jpeg = dlop_cpu_worker_jpeg(worker);
    const struct dlop_cpu_steps *steps = dlop_cpu_worker_steps(worker);
    struct part *part = &split->part[i];
    const struct dlop_cpu_entry *next = i + 1 < split->n_parts ? &part[1].start : NULL;
    u32 n_before = jpeg->n_blocks, end_mcu = jpeg->plan.end_mcu;
    dlop_status status;

    if (part->start.mcu >= end_mcu)
        return DLOP_OK;
    status = dlop_cpu_scan_enter(jpeg, steps, &part->start);
    if (status != DLOP_OK)
        return status;
    if (next && !jpeg->plan.scan.restart_interval)
        dlop_cpu_scan_mark(jpeg, next->byte);
    status = dlop_cpu_scan_run(jpeg, steps, next ? dlop_min_u32(next->mcu, end_mcu) : end_mcu);
    if (status == DLOP_OK && next && next->mcu <= end_mcu)
        status = check_end(jpeg, steps, next);
    part->n_blocks = jpeg->n_blocks - n_before;
    return status;
}

/* ---- all of it ----------------------------------------------------------------------------------
 */

/* Places where the parts begin; some are decoded on the way. */
static dlop_status find_starts(struct dlop_cpu_jpeg *jpeg, const struct dlop_cpu_steps *steps)
{
    struct dlop_cpu_split *split = jpeg->split;
    const struct dlop_cpu_stage stage = {.lead = decode_front,
                                         .help = scout,
                                         .prepare = prepare,
                                         .first_help = keep_last,
                                         .cookie = split,
                                         .back = split->n_parts - 1};
    dlop_status status;

    split->n_done = 0;
    if (jpeg->plan.scan.restart_interval)
        return find_markers(split, &jpeg->plan);
    if (split->n_parts == 1)
        return DLOP_OK;
    status = dlop_cpu_team_run(jpeg->team, &stage, &split->n_done);
    for (u32 i = split->n_done; i + 1 < split->n_parts && status == DLOP_OK; i++)
        status = link_part(jpeg, steps, &split->part[i], &split->part[i + 1].start);
    return status;
}

dlop_status dlop_cpu_jpeg_split(struct dlop_cpu_jpeg *jpeg, const struct dlop_cpu_steps *steps)
{
    struct dlop_cpu_stage stage = {.lead = decode_part, .help = decode_part, .prepare = prepare};
    struct dlop_cpu_split *split = jpeg->split;
    u32 n_before;
    dlop_status status;

    if (!split)
        split = jpeg->split = malloc(sizeof(*split));
    if (!split)
        return DLOP_ERR_NO_MEMORY;
    split->leader = jpeg;
    split->scan = jpeg->scan;
    cut(split, jpeg);
    status = find_starts(jpeg, steps);
    if (status != DLOP_OK)
        return status == DLOP_END ? DLOP_OK : status;
    n_before = jpeg->n_blocks;
    stage.cookie = split;
    stage.front = split->n_done;
    stage.back = split->n_parts;
    status = dlop_cpu_team_run(jpeg->team, &stage, NULL);
    jpeg->n_blocks = n_before;
    for (u32 i = 0; i < split->n_parts; i++)
        jpeg->n_blocks += split->part[i].n_blocks;
    return status;
}
