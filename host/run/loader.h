/* A loader and its batches, as the files of this folder share them.
 *
 * Key idea: a loader has a fixed number of slots, one per batch in flight, each with everything
 * that a batch needs. A slot is always owned by exactly one party, named by its state; only the
 * owner touches it without the lock. The lock is held for state changes and never while a source,
 * the device or a callback is called. host/run/README.md has the state diagram and the lock rules.
 */
#ifndef DLOP_HOST_RUN_LOADER_H
#define DLOP_HOST_RUN_LOADER_H

#include <pthread.h>
#include <sys/types.h>

#include "host/base/metrics.h"
#include "host/draw/draw.h"
#include "host/format/jpeg.h"
#include "host/plan/plan.h"
#include "host/run/ctx.h"
#include "host/source/source.h"

#define DLOP_RUN_MAX_READERS     64
#define DLOP_RUN_DEFAULT_READERS 2
#define DLOP_RUN_ALIGN_BYTES     64
/* Sizes beyond these are mistakes of the caller. */
#define DLOP_RUN_MAX_STREAMS       4096
#define DLOP_RUN_MAX_BATCHES       1024
#define DLOP_RUN_MAX_BATCH_RECORDS (1u << 20)
/* Larger files go to the caller: no kernel takes them, and offsets in a frame have 32 bits. */
#define DLOP_RUN_MAX_FILE_BYTES ((size_t)512 << 20)

enum dlop_batch_state {
    DLOP_BATCH_FREE,
    DLOP_BATCH_READING, /* owners: readers, each one record at a time */
    DLOP_BATCH_READ,    /* nobody: waits for its turn in the stream */
    DLOP_BATCH_DRAWING, /* one reader */
    DLOP_BATCH_NEEDS,   /* the caller */
    DLOP_BATCH_READY,   /* nobody: waits for a place in the device's queue */
    DLOP_BATCH_RUNNING, /* the device */
    DLOP_BATCH_DONE,    /* the caller */
    DLOP_BATCH_ENDED,   /* nobody: failed or cancelled, waits for its release */
    DLOP_BATCH_STATE_COUNT
};

enum dlop_record_state {
    DLOP_RECORD_WAITING, /* not read yet */
    DLOP_RECORD_READ,    /* size known, can be drawn */
    DLOP_RECORD_NEED,    /* the caller must answer */
    DLOP_RECORD_BOUND,   /* has a job that is to run */
    DLOP_RECORD_DONE,    /* executed, or left out */
    DLOP_RECORD_STATE_COUNT
};

struct dlop_run_record {
    uint64_t index;
    uint64_t in_offset; /* JPEG: of the frame in the arena */
    uint64_t in_bytes;
    uint32_t width_px, height_px;
    uint32_t n_components; /* JPEG: of the frame */
    uint32_t job;          /* index into jobs[], once bound */
    int32_t status;        /* why it is a need */
    uint8_t state;         /* enum dlop_record_state */
    uint8_t has_drawn;     /* used the stream, so a replay must draw for it too */
    char reason[DLOP_REASON_BYTES];
};

struct dlop_batch {
    struct dlop_loader *loader;
    uint64_t serial; /* of its submit: orders batches */
    uint32_t stream;
    uint32_t n;
    uint8_t is_in_use; /* by the caller's thread only: between submit and release */
    uint32_t out_width_px, out_height_px;

    /* Under the lock. */
    uint32_t state;       /* enum dlop_batch_state */
    int32_t end_status;   /* not 0: failed or cancelled, whatever the state still is */
    uint32_t next_read;   /* first record that no reader took */
    uint32_t n_taken;     /* records that readers hold now */
    uint32_t n_writing;   /* readers that write into the arena now */
    uint64_t sized_bytes; /* arena bytes of the records counted in n_sized */
    uint32_t n_sized;
    uint8_t has_arena;
    uint8_t is_growing;    /* a reader waits for n_writing to become 0, or moves the arena */
    uint8_t is_draw_begun; /* took the stream's state */
    uint8_t is_drawn;      /* gave the stream its new state */

    /* The owner's. */
    uint32_t n_drawn; /* records [0, n_drawn) are drawn and bound, or left out */
    uint32_t n_needs; /* after execution: needs without an answer */
    uint32_t n_jobs;
    uint8_t is_fetched; /* results are visible to the host */
    size_t used_bytes;  /* of the arena */
    uint64_t begin_ns, launch_ns, draw_ns, bind_ns;
    struct dlop_buffer arena; /* null while the batch has none */
    struct dlop_buffer out;
    struct dlop_launch launch;
    struct dlop_rng_state before,
        rng; /* of the stream: before the batch, and after n_drawn records */
    struct dlop_drawn drawn;
    struct dlop_run_record *records;
    struct dlop_job *jobs;
    struct dlop_completion *completions;
};

struct dlop_loader {
    struct dlop_ctx *ctx;
    struct dlop_plan *plan;
    struct dlop_source *source;
    struct dlop_loader_cfg cfg;
    size_t record_bytes; /* of the output; 0 where it depends on the record */
    uint8_t is_plain;    /* all records of the source become TENSOR jobs */
    pid_t pid;           /* of the process that has the threads; 0 before they start */

    pthread_mutex_t lock;
    pthread_cond_t work;   /* for readers */
    pthread_cond_t change; /* for the caller */

    /* Under the lock. */
    uint64_t n_submitted;
    size_t largest_arena_bytes;
    uint32_t n_spares;          /* arenas that no batch has */
    struct dlop_buffer *spares; /* [n_arenas] */
    uint8_t must_quit;
    uint8_t may_draw;   /* something happened since no batch could be drawn */
    uint8_t may_launch; /* something happened since the device's queue was full */
    struct dlop_rng_state *streams;

    uint32_t n_arenas;
    uint32_t n_readers;
    pthread_t readers[DLOP_RUN_MAX_READERS];
    struct dlop_batch *slots; /* [cfg.max_batches] */
};

/* ---- arena.c: the input memory of batches ---- */

/* Make, and free, the arenas of a loader. DLOP_OK, DLOP_ERR_NO_MEMORY, what the device says. */
dlop_status dlop_arenas_open(struct dlop_loader *loader) DLOP_MUST_USE;
void dlop_arenas_close(struct dlop_loader *loader);
/* With the lock held: give the batch an arena unless it has one; 0 where none is spare. */
int dlop_arena_take(struct dlop_batch *batch);
/* With the lock held: take the arena of a batch that needs it no longer. */
void dlop_arena_give_back(struct dlop_batch *batch);

static inline size_t dlop_arena_align(size_t n_bytes)
{
    return (n_bytes + DLOP_RUN_ALIGN_BYTES - 1) & ~(size_t)(DLOP_RUN_ALIGN_BYTES - 1);
}
/* Bytes of the arena for a file of n_bytes: frame, file, padding. */
size_t dlop_arena_file_bytes(size_t n_bytes);
/* Give out n_bytes to a reader of a batch that others read too; grows at a moment when nobody
 * writes. The reader calls dlop_arena_written when it has written. DLOP_OK, DLOP_ERR_NO_MEMORY.
 * Takes the lock. */
dlop_status dlop_arena_reserve_shared(struct dlop_batch *batch, size_t n_bytes,
                                      uint64_t *offset_out) DLOP_MUST_USE;
/* Takes the lock. */
void dlop_arena_written(struct dlop_batch *batch);
/* Make the arena hold at least n_bytes in all. The caller owns the whole batch. DLOP_OK,
 * DLOP_ERR_NO_MEMORY. */
dlop_status dlop_arena_grow(struct dlop_batch *batch, size_t n_bytes) DLOP_MUST_USE;

/* ---- schedule.c: from read records to finished batches ---- */

/* Draw and bind records from n_drawn on. The caller owns the batch. DLOP_OK: all;
 * DLOP_NEED_PIXELS: record n_drawn is a need; negative: the batch cannot go on. */
dlop_status dlop_batch_draw(struct dlop_batch *batch) DLOP_MUST_USE;
/* Draw (unless it has drawn) and bind record `position` with the caller's pixels. DLOP_OK;
 * DLOP_ERR_ARGUMENT and the other statuses of dlop_draw_record and dlop_plan_bind: nothing
 * changed. */
dlop_status dlop_batch_bind_pixels(struct dlop_batch *batch, uint32_t position,
                                   const uint8_t *pixels, uint32_t height_px,
                                   uint32_t width_px) DLOP_MUST_USE;
/* State of the stream after the draws of records [0, n). */
void dlop_batch_replay(const struct dlop_batch *batch, uint32_t n,
                       struct dlop_rng_state *state_out);
/* Mark a record as one that the caller must answer for, and count it. format null: the reason is
 * there. */
void dlop_record_need(struct dlop_run_record *record, enum dlop_stage stage, dlop_status status,
                      const char *format, ...) __attribute__((format(printf, 4, 5)));
/* Metrics of a batch that is complete. */
void dlop_batch_count(struct dlop_batch *batch);
/* Hand a batch in state RUNNING to the device; on failure its state changes. Takes the lock. */
void dlop_batch_launch(struct dlop_batch *batch);
/* After an answer to a need that arose in execution: put the jobs that are to run to the front. */
void dlop_batch_collect_jobs(struct dlop_batch *batch);

/* With the lock held: fail or cancel a batch; the state becomes ENDED at once or when its owner
 * lets go. */
void dlop_batch_end(struct dlop_batch *batch, dlop_status status);
/* With the lock held: DLOP_ERR_STATE for every batch of the stream submitted after this one. */
void dlop_batch_end_later(struct dlop_batch *batch);
/* With the lock held: change the state. A batch that is done or ended gives its arena back. */
void dlop_batch_set_state(struct dlop_batch *batch, enum dlop_batch_state state);
/* With the lock held: leave the owner's hands into `state`, or into ENDED where the batch was
 * ended meanwhile. */
void dlop_batch_let_go(struct dlop_batch *batch, enum dlop_batch_state state);
/* With the lock held: next batch whose turn in its stream has come, or null. */
struct dlop_batch *dlop_loader_next_draw(struct dlop_loader *loader);
/* With the lock held: oldest batch in a state, or null. */
struct dlop_batch *dlop_loader_oldest(struct dlop_loader *loader, enum dlop_batch_state state);

/* ---- readers.c ---- */

/* Start the threads unless they run. DLOP_OK; DLOP_ERR_THREAD; DLOP_ERR_STATE: this process is a
 * fork of the one that has them. */
dlop_status dlop_readers_start(struct dlop_loader *loader) DLOP_MUST_USE;
void dlop_readers_stop(struct dlop_loader *loader);

/* ---- loader.c ---- */

/* Whether this process is a fork of the one that has the loader's threads: no lock may be taken
 * then. */
int dlop_loader_is_foreign(const struct dlop_loader *loader);
/* Whether the handle names a batch in flight of this loader. */
int dlop_loader_owns(const struct dlop_loader *loader, const struct dlop_batch *batch);

#endif
