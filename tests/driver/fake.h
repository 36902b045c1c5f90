/* Devices that do as they are told, for tests of whoever uses devices.
 *
 * fake_driver opens fakes[cfg.index]. Its memory is apart from the host's view. What its launches
 * do is a list of actions, one per submit; after the last, all run as they should. The work itself
 * is a mixture of the bytes that a job names, which fake_run computes anywhere.
 */
#ifndef DLOP_TESTS_DRIVER_FAKE_H
#define DLOP_TESTS_DRIVER_FAKE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "driver/driver.h"

#define N_FAKES          4
#define FAKE_MAX_ACTIONS 64
#define FAKE_MAX_HELD    64
/* A job whose source has this width is damaged. */
#define FAKE_DAMAGED_WIDTH_PX 13

enum fake_action {
    FAKE_RUN,
    FAKE_HOLD,         /* until fake_release or close */
    FAKE_FAIL,         /* done with DLOP_ERR_DEVICE_LOST */
    FAKE_FAULT,        /* done with DLOP_ERR_DEVICE_FAULT */
    FAKE_REFUSE,       /* submit says DLOP_ERR_DEVICE_LOST */
    FAKE_AGAIN,        /* submit says DLOP_AGAIN */
    FAKE_WRONG_RECORD, /* of the first completion */
    FAKE_WRONG_STATUS, /* a value that is none */
    FAKE_WRONG_BYTES,  /* fewer than the job has */
    FAKE_SAYS_DAMAGED, /* of a good job */
    FAKE_UNSUPPORTED,
    FAKE_NOTHING, /* done with DLOP_OK, but no completion was written */
    FAKE_ACTION_COUNT
};

struct fake {
    pthread_mutex_t lock;
    pthread_cond_t change;
    uint8_t actions[FAKE_MAX_ACTIONS];
    uint32_t n_actions, next_action;
    struct dlop_launch *held[FAKE_MAX_HELD];
    uint32_t n_held;
    uint32_t n_opens, n_closes, n_submits, n_records;
    uint32_t n_open_failures; /* the next so many opens fail */
    bool is_stuck;            /* to_device does not return while this is set */
    bool is_releasing;
    bool is_closed_late; /* close waits for fake_release instead of ending what is held */
    dlop_status accept_status;
};

extern struct fake fakes[N_FAKES];
extern const struct dlop_driver fake_driver;
extern atomic_int fake_n_buffers; /* alive, of all fakes */

/* All fakes as new. */
void fake_reset(void);
void fake_push(struct fake *fake, enum fake_action action);
/* Run what is held, into memory that may be stale by now; returns how many launches. */
uint32_t fake_release(struct fake *fake);
void fake_set_stuck(struct fake *fake, bool is_stuck);
uint32_t fake_count(struct fake *fake, const uint32_t *counter);

/* The work of one job. */
void fake_run(const struct dlop_job *job, const uint8_t *in, const uint8_t *constants, uint8_t *out,
              struct dlop_completion *completion_out);

#endif
