/* Devices of the sim driver for its tests: opened with settings, their events counted, their book
 * of faults kept after close. */
#ifndef DLOP_TESTS_SIM_DEVICE_H
#define DLOP_TESTS_SIM_DEVICE_H

#include "driver/sim/sim.h"
#include "sim/card.h"
#include "tests/driver/kit.h"

struct sim {
    const struct dlop_driver *driver;
    struct dlop_device *device;
    struct dlop_card_counters book; /* after sim_close */
    atomic_uint n_events[DLOP_DEVICE_EVENT_COUNT];
    char last_text[DLOP_DEVICE_EVENT_COUNT][160]; /* to be read when the device is at rest */
};

/* Open; asserts that it worked. n_threads: image units, 0 = the default. */
void sim_open(struct sim *sim, u32 n_threads, const char *settings);
/* Open; gives the status. */
dlop_status sim_try_open(struct sim *sim, u32 n_threads, const char *settings);
void sim_close(struct sim *sim);

/* The photographs of the kit, loaded once; false (and a line for the runner) where there are none.
 */
bool sim_have_photos(void);
/* Add n_jobs of all kinds in turn, from seed. */
void sim_fill(struct kit *kit, struct random_state *random, u32 n_jobs);
/* Submit what kit_sync made ready; waits while the queue is full. */
dlop_status sim_submit(struct kit *kit);
/* Whether `done` came within ms. */
bool sim_is_done(struct kit *kit, u32 ms);
void sim_sleep_ms(u32 ms);

/* Every injected fault is healed or reported, none is missed, nothing failed without one. */
void sim_check_book(const struct dlop_card_counters *book);

#endif
