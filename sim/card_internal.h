/* What the files of the card share. All fields of a card below `lock` belong to the lock; functions
 * that say "locked" are called with it. */
#ifndef DLOP_SIM_CARD_INTERNAL_H
#define DLOP_SIM_CARD_INTERNAL_H

#include <pthread.h>
#include <sys/types.h>

#include "hw/top/counts.h"
#include "hw/top/shape.h"
#include "sim/card.h"

#define CARD_MAX_FLIPS    4
#define CARD_MAX_DEFERRED 64
#define CARD_MAX_CACHED   16
#define CARD_UNIT_COUNTS  (16 * DLOP_TOP_CONTEXTS) /* jobs that a unit runs at a time */

/* Flipped bits of one byte, as the check bits of real memory would tell. */
struct dlop_card_flip {
    u64 at;
    u8 mask;
    u32 is_double, is_reported;
};

struct dlop_card_memory {
    u8 *bytes; /* the card's */
    u8 *host;  /* the same where the card is not strict */
    u64 n_bytes;
    u8 *map; /* with the guard pages; null where the memory is the caller's */
    size_t map_bytes;
    u8 *host_map;
    size_t host_map_bytes;
    u64 epoch;   /* of the last write; an older one than the card's: the content is lost */
    u32 n_users; /* commands and copies: no fault strikes while there are any */
    u32 n_flips;
    struct dlop_card_flip flips[CARD_MAX_FLIPS];
    struct dlop_card_memory *next; /* in the cache */
};

struct dlop_card_unit {
    struct dlop_card *card;
    u32 kernel;
    pthread_t handle;
    struct dlop_card_memory *scratch;
    u64 cycles; /* when it has done all its commands */
    struct dlop_top_counts counts[CARD_UNIT_COUNTS];
};

/* A signal that comes later. */
struct dlop_card_deferred {
    u64 tag, due_ns;
    s32 status;
    u32 is_duplicate;
};

struct dlop_card_queue {
    struct dlop_card_command *head, *tail;
};

struct dlop_card {
    struct dlop_card_cfg cfg;
    struct dlop_card_host host;
    pid_t owner;
    u32 n_units;

    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct dlop_card_queue queues[DLOP_CARD_KERNEL_COUNT];
    struct dlop_card_queue lost; /* commands that ended and are not signalled */
    struct dlop_card_deferred deferred[CARD_MAX_DEFERRED];
    u32 n_deferred;
    u32 n_open; /* commands not signalled */
    u32 n_started, is_closing;
    u64 epoch; /* counts on each time that the card goes */
    u32 is_gone, has_been_gone;
    u64 n_launches, n_refused;
    u64 random;
    struct dlop_card_counters counters;
    struct dlop_card_memory *cache;
    u32 n_cached;
    struct dlop_card_unit units[];
};

/* card.c */

/* Whether the card answers calls: DLOP_OK or DLOP_ERR_DEVICE_LOST. Counts those refused, after
 * which the card may be back. Locks. */
s32 dlop_card_admit(struct dlop_card *card);
/* Not locked. Tell the host of corrected words, if there are any. */
void dlop_card_tell_healed(struct dlop_card *card, u32 n_words);
u64 dlop_card_now_ns(void);

/* card_memory.c */

/* Memory of the card alone, of any content; from the cache where it has some. Locks. */
s32 dlop_card_memory_new(struct dlop_card *card, u64 n_bytes, struct dlop_card_memory **memory_out);
/* Unmap and free; no lock. */
void dlop_card_memory_destroy(struct dlop_card_memory *memory);

/* card_ecc.c: all locked */

/* Flip one bit, or two of one byte, at random in [at, at + n_bytes), if the memory is the card's
 * alone. */
void dlop_card_ecc_strike(struct dlop_card *card, struct dlop_card_memory *memory, u64 at,
                          u64 n_bytes, u32 is_double);
/* Correct what can be corrected; returns how many words. */
u32 dlop_card_ecc_scrub(struct dlop_card *card, struct dlop_card_memory *memory);
/* A word in [at, at + n_bytes) that cannot be corrected, or null. */
struct dlop_card_flip *dlop_card_ecc_find_double(struct dlop_card_memory *memory, u64 at,
                                                 u64 n_bytes);
/* Forget what is about to be overwritten. */
void dlop_card_ecc_overwrite(struct dlop_card *card, struct dlop_card_memory *memory, u64 at,
                             u64 n_bytes);

/* card_faults.c: all locked */

u64 dlop_card_random(struct dlop_card *card);
/* Draw the faults of a launch and strike its memory; before its commands are users of it. */
void dlop_card_draw_faults(struct dlop_card *card, struct dlop_card_command *commands,
                           u32 n_commands);
/* Whether this fault was drawn for the command; if so it counts as injected. */
u32 dlop_card_inject(struct dlop_card *card, struct dlop_card_command *command, u32 fault);
/* Spoil completions and output of a command that ran, as drawn. Returns the status with which it
 * ends. *n_healed_in_out: words that were corrected. */
s32 dlop_card_spoil(struct dlop_card *card, struct dlop_card_command *command,
                    u32 *n_healed_in_out);

/* card_unit.c */

/* A unit's thread. argument: struct dlop_card_unit. */
void *dlop_card_unit_main(void *argument);

#endif
