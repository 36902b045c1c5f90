/* The emulated card: its memory, its compute units, its clock, and the ways in which a card fails.
 *
 * A *command* starts one kernel of hw/top/top.h once, over memory of the card; a *launch* is the
 * commands of one dlop_card_start. Commands of a kernel wait in one queue, from which all units of
 * that kernel take; a unit is a thread. When a command has ended the card signals its tag to the
 * host, as an interrupt would: usually once, with faults switched on perhaps late, twice, or only
 * when the card is closed.
 *
 * Card memory lies between pages that cannot be touched. In strict mode (the default) it lies apart
 * from the host's view of it and is full of 0xa5 at first, so that a transfer that the host forgot
 * is wrong data; otherwise host and card share the bytes.
 *
 * A card belongs to the process that opened it: see dlop_card_is_foreign.
 */
#ifndef DLOP_SIM_CARD_H
#define DLOP_SIM_CARD_H

#include <stddef.h>

#include "hw/abi/abi.h"
#include "hw/abi/status.h"

/* Index of each kernel in DLOP_TOP_KERNELS. */
enum dlop_card_kernel { DLOP_CARD_IMAGE, DLOP_CARD_TENSOR, DLOP_CARD_KERNEL_COUNT };

/* Units of one kernel, and commands of one launch. */
#define DLOP_CARD_MAX_UNITS    32
#define DLOP_CARD_MAX_COMMANDS (DLOP_CARD_KERNEL_COUNT * DLOP_CARD_MAX_UNITS)
/* Launches that a host may have open. */
#define DLOP_CARD_MAX_LAUNCHES 64
/* What one unit may have as working memory; a job that needs more gets DLOP_ERR_TOO_SMALL. */
#define DLOP_CARD_MAX_SCRATCH_BYTES ((u64)1 << 30)
#define DLOP_CARD_FRESH_BYTE        0xa5

/* Ways to fail. Each but the last is drawn per launch, with the rate of that kind. */
enum dlop_card_fault {
    DLOP_CARD_LOST,         /* a command is never signalled (DLOP_ERR_TIMEOUT when the card ends) */
    DLOP_CARD_LATE,         /* signalled late_ms after its end */
    DLOP_CARD_DUPLICATE,    /* signalled twice, the second time up to late_ms later */
    DLOP_CARD_CORRUPT,      /* 1 to 8 bits of a completion's first 16 bytes flipped */
    DLOP_CARD_WRONG_STATUS, /* a good record reported as bad, or the command with DEVICE_FAULT */
    DLOP_CARD_BIT_FLIP,     /* one bit of card memory flipped: memory corrects it before use */
    DLOP_CARD_DOUBLE_FLIP,  /* two bits of a word flipped: found, but not correctable */
    DLOP_CARD_SLOW,         /* a command takes slow_ms longer */
    DLOP_CARD_GONE,         /* the card is gone: after gone_after launches */
    DLOP_CARD_FAULT_COUNT
};

struct dlop_card_cfg {
    u32 n_units[DLOP_CARD_KERNEL_COUNT]; /* 1..DLOP_CARD_MAX_UNITS of each */
    u32 n_launches;                      /* 1..DLOP_CARD_MAX_LAUNCHES, for the host's queue */
    u32 is_strict;
    u64 seed;                            /* of all faults */
    u32 rate_ppm[DLOP_CARD_FAULT_COUNT]; /* launches in a million; GONE: not used */
    u32 late_ms, slow_ms;
    u64 gone_after; /* launches until the card is gone; UINT64_MAX = it stays */
    u64 back_after; /* calls refused until it is back, once; UINT64_MAX = never */
};

/* What became of the faults: injected = healed + reported once every launch has ended and every
 * buffer is freed or rewritten. */
struct dlop_card_counters {
    u64 injected[DLOP_CARD_FAULT_COUNT];
    u64 healed[DLOP_CARD_FAULT_COUNT];   /* nobody had a wrong or a missing result from it */
    u64 reported[DLOP_CARD_FAULT_COUNT]; /* the launch, the record or the call failed */
    u64 missed;       /* launches that ended well although a fault had spoilt them: must be 0 */
    u64 false_alarms; /* launches that failed without a fault: must be 0 */
};

/* Events for the host besides signals. */
enum dlop_card_notice { DLOP_CARD_IS_HEALED, DLOP_CARD_IS_GONE, DLOP_CARD_IS_BACK };

struct dlop_card;
struct dlop_card_memory;

/* The host's side. Both are called without a lock; they must not call dlop_card_close. */
struct dlop_card_host {
    /* A command ended, on a thread of the card. tag: the command's. status: DLOP_OK, or
     * DLOP_ERR_DEVICE_LOST, DLOP_ERR_DEVICE_FAULT, DLOP_ERR_TIMEOUT. */
    void (*signal)(void *cookie, u64 tag, s32 status);
    /* On any thread that calls the card, or one of its own. text: one line. */
    void (*notice)(void *cookie, u32 notice, const char *text);
    void *cookie;
};

/* One start of one kernel. The first part is the host's, to be kept until the signal; the second
 * the card's, to be zero before the first use. */
struct dlop_card_command {
    u32 kernel; /* enum dlop_card_kernel */
    u32 n_jobs;
    u64 tag;
    struct dlop_card_memory *in, *constants, *out, *jobs, *completions;
    u64 jobs_at, completions_at; /* bytes */
    u64 scratch_bytes;           /* that these jobs need */

    struct dlop_card_command *next;
    u64 epoch, random;
    u32 faults_drawn, faults_applied; /* masks of 1 << enum dlop_card_fault */
    u32 is_refusal_forged;            /* WRONG_STATUS hit a record, not the command */
    u32 has_met_poison;               /* a double flip that an earlier launch reported */
};

/* The defaults: 2 and 1 units, 64 launches, strict, seed 1, no faults, late_ms 20, slow_ms 5. */
void dlop_card_cfg_init(struct dlop_card_cfg *cfg_out);

/* Change *cfg by "key=value,..." (null and "" change nothing); keys: sim/README.md. DLOP_OK, or
 * DLOP_ERR_ARGUMENT with the reason (one line, reason_bytes at most) and *cfg half changed. */
s32 dlop_card_cfg_parse(const char *text, struct dlop_card_cfg *cfg, char *reason_out,
                        size_t reason_bytes);

/* The kernel that runs jobs of this kind; the first one for kinds that there are not. */
u32 dlop_card_kernel_of(u32 job_kind);

/* A card; its threads start with the first command. DLOP_OK, DLOP_ERR_ARGUMENT,
 * DLOP_ERR_NO_MEMORY, DLOP_ERR_THREAD. */
s32 dlop_card_open(const struct dlop_card_cfg *cfg, const struct dlop_card_host *host,
                   struct dlop_card **card_out);
/* Signals every open command (those lost with DLOP_ERR_TIMEOUT), ends the threads, frees. Memory of
 * dlop_card_alloc must be freed before or after, in after's case with a null card. counters_out:
 * the last state, may be null. Accepts null. In a forked child: frees only. */
void dlop_card_close(struct dlop_card **card, struct dlop_card_counters *counters_out);

/* Whether this process is a forked child of the one that opened the card: it has no threads, and
 * its locks may be held for ever. Only dlop_card_close and dlop_card_free may be called then. */
int dlop_card_is_foreign(const struct dlop_card *card);

/* n_bytes of card memory. host: the caller's memory of that size to be paired with it, which must
 * outlive it; null: a zeroed host view of its own, at a multiple of 64. Freed memory is kept for
 * the next call of about the same size. DLOP_OK, DLOP_ERR_NO_MEMORY, DLOP_ERR_DEVICE_LOST. */
s32 dlop_card_alloc(struct dlop_card *card, u64 n_bytes, void *host,
                    struct dlop_card_memory **memory_out);
/* Accepts null memory. card: null when it is closed. */
void dlop_card_free(struct dlop_card *card, struct dlop_card_memory *memory);
u8 *dlop_card_host_view(const struct dlop_card_memory *memory);
u64 dlop_card_memory_bytes(const struct dlop_card_memory *memory);

/* Copy from the host's view to the card's, and back. DLOP_OK, DLOP_ERR_ARGUMENT (outside),
 * DLOP_ERR_DEVICE_LOST; read also: DLOP_ERR_DEVICE_FAULT (an uncorrectable word). Any thread. */
s32 dlop_card_write(struct dlop_card *card, struct dlop_card_memory *memory, u64 offset,
                    u64 n_bytes);
s32 dlop_card_read(struct dlop_card *card, struct dlop_card_memory *memory, u64 offset,
                   u64 n_bytes);

/* Start the commands of a launch. DLOP_OK: each will be signalled. DLOP_ERR_DEVICE_LOST,
 * DLOP_ERR_THREAD: nothing was taken. Any thread; never waits for a command. */
s32 dlop_card_start(struct dlop_card *card, struct dlop_card_command *commands, u32 n_commands);

/* Tell the book of faults how a launch ended, after the last signal and before `commands` are used
 * again. */
void dlop_card_settle(struct dlop_card *card, const struct dlop_card_command *commands,
                      u32 n_commands, s32 status);
/* Tell it that a signal named no command that waited for one. */
void dlop_card_settle_duplicate(struct dlop_card *card);

/* Any thread. */
void dlop_card_get_counters(struct dlop_card *card, struct dlop_card_counters *counters_out);

/* The card's clock: cycles until the unit that is busy longest has done all its commands. It
 * counts work, not time. Any thread. */
u64 dlop_card_cycles(struct dlop_card *card);

#endif
