/* Blocks of counters, one per thread, and their sum.
 *
 * The blocks are static: a thread takes a free one at its first count and gives it back when it
 * ends, with its counts left in it for the sum. More threads than blocks share the last one, so
 * every update is an atomic addition (about 5 ns where nobody shares).
 */
#include "host/base/metrics.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "host/base/text.h"

#define N_BLOCKS   64
#define CACHE_LINE 64

#define STATUS_VALUE(name, value, text) value,
static const dlop_status status_values[] = {DLOP_STATUS_TABLE(STATUS_VALUE)};
#undef STATUS_VALUE
#define N_STATUSES (sizeof(status_values) / sizeof(status_values[0]))

#define STAGE_ROW(name, text, help) [name] = text,
static const char *const stage_names[DLOP_STAGE_COUNT] = {DLOP_STAGE_TABLE(STAGE_ROW)};
#undef STAGE_ROW

#define METRIC_ROW(name, text, unit, kind, help) [name] = {text, kind},
static const struct {
    const char *name;
    enum dlop_metric_kind kind;
} metric_rows[DLOP_METRIC_COUNT] = {DLOP_METRIC_TABLE(METRIC_ROW)};
#undef METRIC_ROW

struct block {
    _Alignas(CACHE_LINE) atomic_bool is_taken;
    _Atomic uint64_t value[DLOP_STAGE_COUNT][DLOP_METRIC_COUNT];
    _Atomic uint64_t bucket[DLOP_STAGE_COUNT][DLOP_METRIC_BUCKETS];
    _Atomic uint64_t status[N_STATUSES];
};

static struct block blocks[N_BLOCKS];
static _Thread_local struct block *block_of_thread;
static pthread_key_t thread_end_key;
static pthread_once_t setup_once = PTHREAD_ONCE_INIT;

/* ---- blocks and threads ---- */

static void release_block(void *block)
{
    atomic_store(&((struct block *)block)->is_taken, false);
}

/* Only the thread that forked lives on in a child, and its counts belong to the parent. */
static void start_child(void)
{
    dlop_metrics_reset();
    for (struct block *block = blocks; block < blocks + N_BLOCKS; block++)
        atomic_store(&block->is_taken, block == block_of_thread);
}

static void setup(void)
{
    pthread_key_create(&thread_end_key, release_block);
    pthread_atfork(NULL, NULL, start_child);
}

static struct block *take_block(void)
{
    struct block *block = blocks;

    pthread_once(&setup_once, setup);
    while (block < blocks + N_BLOCKS - 1 && atomic_exchange(&block->is_taken, true))
        block++;
    if (block < blocks + N_BLOCKS - 1)
        pthread_setspecific(thread_end_key, block);
    block_of_thread = block;
    return block;
}

static struct block *my_block(void)
{
    return block_of_thread != NULL ? block_of_thread : take_block();
}

/* ---- writing ---- */

static uint32_t bucket_of(uint64_t value)
{
    uint32_t n_bits = value == 0 ? 0 : 64 - (uint32_t)__builtin_clzll(value);
    return n_bits < DLOP_METRIC_BUCKETS ? n_bits : DLOP_METRIC_BUCKETS - 1;
}

void dlop_metric_add(enum dlop_stage stage, enum dlop_metric metric, uint64_t value)
{
    struct block *block = my_block();
    _Atomic uint64_t *slot = &block->value[stage][metric];

    if (metric_rows[metric].kind == DLOP_METRIC_SUM) {
        atomic_fetch_add_explicit(slot, value, memory_order_relaxed);
        return;
    }
    atomic_fetch_add_explicit(slot, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&block->bucket[stage][bucket_of(value)], 1, memory_order_relaxed);
}

void dlop_metric_status(enum dlop_stage stage, dlop_status status)
{
    struct block *block = my_block();

    if (status < 0)
        dlop_metric_add(stage, DLOP_METRIC_ERRORS, 1);
    for (size_t i = 0; i < N_STATUSES; i++)
        if (status_values[i] == status)
            atomic_fetch_add_explicit(&block->status[i], 1, memory_order_relaxed);
}

uint64_t dlop_clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* ---- reading ---- */

uint64_t dlop_metric_get(enum dlop_stage stage, enum dlop_metric metric)
{
    uint64_t sum = 0;

    for (struct block *block = blocks; block < blocks + N_BLOCKS; block++)
        sum += atomic_load_explicit(&block->value[stage][metric], memory_order_relaxed);
    return sum;
}

static uint64_t bucket_sum(uint32_t stage, uint32_t bucket)
{
    uint64_t sum = 0;
    for (struct block *block = blocks; block < blocks + N_BLOCKS; block++)
        sum += atomic_load_explicit(&block->bucket[stage][bucket], memory_order_relaxed);
    return sum;
}

static uint64_t status_sum(size_t row)
{
    uint64_t sum = 0;
    for (struct block *block = blocks; block < blocks + N_BLOCKS; block++)
        sum += atomic_load_explicit(&block->status[row], memory_order_relaxed);
    return sum;
}

void dlop_metrics_reset(void)
{
    for (struct block *block = blocks; block < blocks + N_BLOCKS; block++) {
        for (uint32_t stage = 0; stage < DLOP_STAGE_COUNT; stage++) {
            for (uint32_t metric = 0; metric < DLOP_METRIC_COUNT; metric++)
                atomic_store(&block->value[stage][metric], 0);
            for (uint32_t bucket = 0; bucket < DLOP_METRIC_BUCKETS; bucket++)
                atomic_store(&block->bucket[stage][bucket], 0);
        }
        for (size_t i = 0; i < N_STATUSES; i++)
            atomic_store(&block->status[i], 0);
    }
}

/* ---- JSON ---- */

static void histogram_json(struct dlop_text *text, uint32_t stage)
{
    const char *separator = "";

    dlop_text_add(text, "{");
    for (uint32_t bucket = 0; bucket < DLOP_METRIC_BUCKETS; bucket++) {
        uint64_t n = bucket_sum(stage, bucket);
        if (n == 0)
            continue;
        dlop_text_add(text, "%s\"<2^%u\": %llu", separator, bucket, (unsigned long long)n);
        separator = ", ";
    }
    dlop_text_add(text, "}");
}

static void stage_json(struct dlop_text *text, uint32_t stage)
{
    dlop_text_add(text, "%s\"%s\": {", stage == 0 ? "" : ", ", stage_names[stage]);
    for (uint32_t metric = 0; metric < DLOP_METRIC_COUNT; metric++) {
        dlop_text_add(text, "%s\"%s\": ", metric == 0 ? "" : ", ", metric_rows[metric].name);
        if (metric_rows[metric].kind == DLOP_METRIC_HISTOGRAM)
            histogram_json(text, stage);
        else
            dlop_text_add(text, "%llu", (unsigned long long)dlop_metric_get(stage, metric));
    }
    dlop_text_add(text, "}");
}

size_t dlop_metrics_json(char *text_out, size_t size)
{
    struct dlop_text text = {.bytes = text_out, .size_bytes = size};
    const char *separator = "";

    dlop_text_add(&text, "{\"schema\": \"dlop.metrics/1\", \"stages\": {");
    for (uint32_t stage = 0; stage < DLOP_STAGE_COUNT; stage++)
        stage_json(&text, stage);
    dlop_text_add(&text, "}, \"status\": {");
    for (size_t i = 0; i < N_STATUSES; i++) {
        uint64_t n = status_sum(i);
        if (n == 0)
            continue;
        dlop_text_add(&text, "%s\"%s\": %llu", separator, dlop_status_name(status_values[i]),
                      (unsigned long long)n);
        separator = ", ";
    }
    dlop_text_add(&text, "}}");
    return text.n_bytes + 1;
}
