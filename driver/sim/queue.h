/* Launches that the emulated card works on.
 *
 * Each open launch has a slot: its jobs and completions as bytes in card memory, and the commands
 * into which it is divided, some for each kernel that its jobs want. A signal of the card names
 * slot, command and the serial number of the slot's launch; whatever does not name a command that
 * is still waited for is a duplicate and is dropped.
 */
#ifndef DLOP_DRIVER_SIM_QUEUE_H
#define DLOP_DRIVER_SIM_QUEUE_H

#include <pthread.h>

#include "driver/driver.h"
#include "sim/card.h"

struct dlop_sim_slot {
    struct dlop_launch *launch; /* null: free */
    u64 serial;
    u64 waiting; /* mask of commands not signalled */
    s32 status;  /* the first that is not DLOP_OK */
    u32 n_commands;
    struct dlop_card_memory *jobs, *completions; /* of the largest launch so far */
    struct dlop_card_command commands[DLOP_CARD_MAX_COMMANDS];
};

struct dlop_sim_queue {
    struct dlop_card *card;
    u32 n_units[DLOP_CARD_KERNEL_COUNT];
    dlop_device_event_fn on_event; /* or null */
    void *event_cookie;
    pthread_mutex_t lock; /* of which slots are free, serials, what is waited for */
    u64 next_serial;
    u32 n_slots;
    struct dlop_sim_slot slots[DLOP_CARD_MAX_LAUNCHES];
};

/* Slot `submit` of the driver table. Besides its statuses: DLOP_ERR_ARGUMENT (a buffer that is none
 * of this driver), DLOP_ERR_NO_MEMORY, DLOP_ERR_THREAD. */
dlop_status dlop_sim_queue_submit(struct dlop_sim_queue *queue,
                                  struct dlop_launch *launch) DLOP_MUST_USE;
/* dlop_card_host.signal; cookie: the queue. */
void dlop_sim_queue_signal(void *cookie, u64 tag, s32 status);
/* Free the slots' memory. The card may be gone and this process a fork. */
void dlop_sim_queue_free(struct dlop_sim_queue *queue);
/* Tell the owner; no lock held. */
void dlop_sim_tell(const struct dlop_sim_queue *queue, u32 kind, dlop_status status, u32 n_jobs,
                   const char *text);

#endif
