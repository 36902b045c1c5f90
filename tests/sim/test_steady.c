/* In steady state a batch costs the emulated card no heap call and no map call: its tensor is
 * wrapped, filled, fetched and given back. */
#include <stdatomic.h>
#include <sys/mman.h>

#include "tests/driver/heap.h"
#include "tests/sim/device.h"

HEAP_WRAP(void *, mmap, (void *at, size_t n, int protection, int flags, int file, off_t offset),
          (at, n, protection, flags, file, offset))
HEAP_WRAP(int, munmap, (void *at, size_t n), (at, n))
HEAP_WRAP(int, mprotect, (void *at, size_t n, int protection), (at, n, protection))

#define N_KITS 3 /* in flight */
#define N_JOBS 8

static void begin_batch(struct kit *kit, struct dlop_buffer *own, u8 *tensor)
{
    *own = kit->out;
    assert_int_equal(kit->driver->memory.wrap(kit->device, tensor, own->size_bytes, &kit->out),
                     DLOP_OK);
    kit_submit(kit);
}

static void end_batch(struct kit *kit, const struct dlop_buffer *own,
                      const struct random_state *random)
{
    kit_wait(kit);
    kit_check(kit, random);
    kit->driver->memory.free(kit->device, &kit->out);
    kit->out = *own;
}

static void a_batch_touches_neither_heap_nor_map(void **state)
{
    (void)state;
    struct random_state random = random_start(random_seed());
    struct dlop_buffer own[N_KITS];
    struct kit kits[N_KITS];
    u8 *tensors[N_KITS];
    struct sim sim;
    u32 n_before = 0;

    /* One unit of each kernel and one slot, which have met each launch after one round. */
    sim_open(&sim, 1, "queue=1");
    for (u32 k = 0; k < N_KITS; k++) {
        kit_open_for(&kits[k], sim.driver, sim.device, N_JOBS);
        sim_fill(&kits[k], &random, N_JOBS);
        tensors[k] = malloc(kits[k].out.size_bytes);
    }
    for (u32 round = 0; round < 20; round++) {
        if (round == 2)
            n_before = atomic_load(&n_heap_calls);
        for (u32 k = 0; k < N_KITS; k++)
            begin_batch(&kits[k], &own[k], tensors[k]);
        for (u32 k = 0; k < N_KITS; k++)
            end_batch(&kits[k], &own[k], &random);
    }
    assert_true(n_before > 0); /* the counters do count */
    assert_int_equal(atomic_load(&n_heap_calls), n_before);
    for (u32 k = 0; k < N_KITS; k++) {
        kit_close(&kits[k]);
        free(tensors[k]);
    }
    sim_close(&sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_batch_touches_neither_heap_nor_map),
    };

    if (!sim_have_photos())
        return 77;
    return cmocka_run_group_tests_name("sim/steady", tests, NULL, NULL);
}
