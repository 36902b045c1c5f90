/* Devices of the sim driver for its tests: see device.h. */
#include "tests/sim/device.h"

#include <pthread.h>
#include <time.h>

#define MAX_PHOTOS 12

static struct photo photos[MAX_PHOTOS];
static u32 n_photos;
static pthread_mutex_t text_lock = PTHREAD_MUTEX_INITIALIZER;

static void take_event(void *cookie, const struct dlop_device_event *event)
{
    struct sim *sim = cookie;

    pthread_mutex_lock(&text_lock);
    snprintf(sim->last_text[event->kind], sizeof sim->last_text[0], "%s", event->text);
    pthread_mutex_unlock(&text_lock);
    atomic_fetch_add(&sim->n_events[event->kind], 1);
}

dlop_status sim_try_open(struct sim *sim, u32 n_threads, const char *settings)
{
    struct dlop_device_cfg cfg = {.n_threads = n_threads,
                                  .vector_level = UINT32_MAX,
                                  .settings = settings,
                                  .on_event = take_event,
                                  .event_cookie = sim};
    dlop_status status;

    memset(sim, 0, sizeof *sim);
    sim->driver = dlop_driver_get("sim");
    assert_non_null(sim->driver);
    status = sim->driver->open(&cfg, &sim->device);
    if (status == DLOP_OK)
        dlop_sim_watch(sim->device, &sim->book);
    return status;
}

void sim_open(struct sim *sim, u32 n_threads, const char *settings)
{
    assert_int_equal(sim_try_open(sim, n_threads, settings), DLOP_OK);
}

void sim_close(struct sim *sim)
{
    sim->driver->close(&sim->device);
    assert_null(sim->device);
}

bool sim_have_photos(void)
{
    if (!n_photos)
        n_photos = kit_load_photos(photos, MAX_PHOTOS);
    if (!n_photos)
        printf("SKIP photos: no photographs; run make photos\n");
    return n_photos;
}

void sim_fill(struct kit *kit, struct random_state *random, u32 n_jobs)
{
    for (u32 i = 0; i < n_jobs; i++)
        kit_add(kit, random, &photos[random_u32(random) % n_photos], i % DLOP_JOB_KIND_COUNT);
    kit_expect(kit);
}

void sim_sleep_ms(u32 ms)
{
    struct timespec pause = {ms / 1000, ms % 1000 * 1000000l};

    nanosleep(&pause, NULL);
}

dlop_status sim_submit(struct kit *kit)
{
    dlop_status status;

    while ((status = kit->driver->submit(kit->device, &kit->launch)) == DLOP_AGAIN)
        sim_sleep_ms(1);
    return status;
}

bool sim_is_done(struct kit *kit, u32 ms)
{
    for (u32 waited = 0; waited < ms && !atomic_load(&kit->n_done); waited++)
        sim_sleep_ms(1);
    return atomic_load(&kit->n_done) > 0;
}

void sim_check_book(const struct dlop_card_counters *book)
{
    for (u32 fault = 0; fault < DLOP_CARD_FAULT_COUNT; fault++)
        if (book->injected[fault] != book->healed[fault] + book->reported[fault])
            fail_msg("fault %u: %llu injected, %llu healed, %llu reported", fault,
                     (unsigned long long)book->injected[fault],
                     (unsigned long long)book->healed[fault],
                     (unsigned long long)book->reported[fault]);
    assert_int_equal(book->missed, 0);
    assert_int_equal(book->false_alarms, 0);
}
