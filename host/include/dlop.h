/* DLOP: input pipelines of deep-learning jobs on an offload device, with the framework's own bits.
 * Public C interface.
 *
 * Terms
 *   record  one item of a data set (one image file, one array element)
 *   source  the records of a data set, numbered from 0
 *   recipe  the transforms of a pipeline as a list of operations
 *   plan    a recipe bound to a device: constant tables, output shape
 *   stream  one virtual worker: a random generator that draws for its batches in order
 *   batch   records that become one tensor [n][c][h][w]; submitted, then waited for, then released
 *
 * Life of a batch
 *
 *     dlop_ctx_open -> dlop_source_open_files -> dlop_plan_open -> dlop_loader_open
 *     for each coming batch, in the sampler's order:
 *         dlop_loader_submit(loader, stream, indices, n, out, out_bytes, &batch)
 *     for the oldest batch:
 *         while ((status = dlop_batch_wait(loader, batch, 100, &need)) != DLOP_OK)
 *             DLOP_AGAIN:       look at signals, wait again
 *             DLOP_NEED_PIXELS: decode record need.index yourself, then dlop_batch_supply,
 *                               dlop_batch_skip or dlop_batch_fail for need.batch
 *             negative:         the batch failed
 *         dlop_batch_release(loader, &batch)
 *     dlop_loader_close, dlop_plan_close, dlop_source_close, dlop_ctx_close
 *
 * Every function returns a dlop_status: 0 done, positive not an error, negative an error
 * (hw/abi/status.h). Outputs are written on success only. The library never prints (but through the
 * log callback), exits, or changes signal state. Structs that may grow begin with size_bytes, set
 * by dlop_..._init.
 */
#ifndef DLOP_H
#define DLOP_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DLOP_VERSION "0.1.0"

#if defined(__GNUC__)
#define DLOP_API __attribute__((visibility("default")))
#else
#define DLOP_API
#endif

typedef int32_t dlop_status;
typedef struct dlop_ctx dlop_ctx;
typedef struct dlop_source dlop_source;
typedef struct dlop_plan dlop_plan;
typedef struct dlop_loader dlop_loader;
typedef struct dlop_batch dlop_batch;

/* ---- library ---- */

/* Version text, for example "0.1.0". Any thread. */
DLOP_API const char *dlop_version(void);
/* Commit and flags of this build. Any thread. */
DLOP_API const char *dlop_build_info(void);
/* "DLOP_ERR_BAD_DATA", and "damaged data"; never null. Any thread. */
DLOP_API const char *dlop_status_name(dlop_status status);
DLOP_API const char *dlop_status_text(dlop_status status);

enum dlop_log_level {
    DLOP_LOG_ERROR,
    DLOP_LOG_WARN,
    DLOP_LOG_INFO,
    DLOP_LOG_DEBUG,
    DLOP_LOG_TRACE,
    DLOP_LOG_LEVEL_COUNT
};

/* Receives each log line (no newline). Called on any thread, with no lock held. Null restores
 * standard error. Setup only. */
typedef void (*dlop_log_fn)(void *cookie, int32_t level, const char *component,
                            const char *message);
DLOP_API void dlop_log_set_callback(dlop_log_fn fn, void *cookie);

/* ---- context: the devices of a run ---- */

struct dlop_ctx_cfg {
    uint32_t size_bytes;
    uint32_t n_threads;    /* 0 = this rank's share: affinity, cgroup quota, LOCAL_WORLD_SIZE */
    uint32_t n_readers;    /* threads that read ahead, 0 = default */
    uint32_t vector_level; /* mask of vector replacements, UINT32_MAX = all */
    /* "auto": the CPU and every device that is there, except emulations and GPUs. Or
     * "name[:number],..." of dlop_devices_json, each once: these share the work by their measured
     * rates. A device that is not the CPU must pass a self-test first; what it loses, garbles or
     * refuses is done again by the CPU with the same result, and dlop_ctx_json tells. Settings of
     * drivers come from the environment: DLOP_SIM, DLOP_OCL, DLOP_XRT, DLOP_XCLBIN. */
    const char *device;
    uint32_t device_timeout_s; /* 1..86400: a device that does not answer for so long is lost */
};
DLOP_API void dlop_ctx_cfg_init(struct dlop_ctx_cfg *cfg);

/* Open the devices. Setup only. The caller closes it after everything opened from it. Threads
 * start at the first submit (those of devices other than the CPU with their self-test). The log
 * says what a named device lacks: DLOP_ERR_NO_DEVICE, DLOP_ERR_NO_LIBRARY, DLOP_ERR_DEVICE_FAULT
 * (wrong in its self-test), and what else its driver says. DLOP_ERR_NO_MEMORY, DLOP_ERR_ARGUMENT.
 */
DLOP_API dlop_status dlop_ctx_open(const struct dlop_ctx_cfg *cfg, dlop_ctx **ctx_out);
/* Accepts null, sets *ctx to null. */
DLOP_API void dlop_ctx_close(dlop_ctx **ctx);
/* Name of the devices that share the work ("cpu", "sim,cpu"), and their threads or units. */
DLOP_API const char *dlop_ctx_device(const dlop_ctx *ctx);
DLOP_API uint32_t dlop_ctx_n_units(const dlop_ctx *ctx);
/* Threads that dlop_ctx_open would start for n_threads = 0, without opening anything. Any thread.
 */
DLOP_API uint32_t dlop_default_n_threads(void);

/* The context's devices with their counters, and the events so far, as one JSON object; sizes as
 * dlop_metrics_json. Any thread. Schema dlop.ctx/1: "device"; "devices", each with "device",
 * "state" (ready, lost), "stands_by", "units", "records" made, "records_per_s", "losses", "backs",
 * "replayed" (records done again elsewhere), "wrong", "refused" and "healed"; "events", one per
 * device, kind and status, each with "device", "kind" (lost, back, replayed, wrong, healed, note),
 * "status", "text" of the first, "count", "records". */
DLOP_API size_t dlop_ctx_json(dlop_ctx *ctx, char *text_out, size_t size);

/* Metrics of the whole process as one JSON object; returns the bytes needed with the final zero,
 * writes at most size bytes. Any thread. Row names and units: host/base/metrics.h. */
DLOP_API size_t dlop_metrics_json(char *text_out, size_t size);
/* Options of the environment as one JSON object: counts and masks as numbers, all others as texts,
 * under their names on the command line ("on-error"). DLOP_OK; DLOP_ERR_ARGUMENT: the first wrong
 * value, whose variable reason_out (reason_size bytes) names in one line, and the text then has
 * defaults in place of wrong values; DLOP_ERR_LIMIT: size bytes are too few for the text. Any
 * thread, as long as nobody changes the environment. */
DLOP_API dlop_status dlop_config_json(char *text_out, size_t size, char *reason_out,
                                      size_t reason_size);

/* ---- source ---- */

/* Files: paths is n zero-terminated names one after the other, copied. Nothing is opened yet.
 * DLOP_ERR_NO_MEMORY, DLOP_ERR_ARGUMENT. */
DLOP_API dlop_status dlop_source_open_files(dlop_ctx *ctx, const char *paths, size_t paths_bytes,
                                            uint64_t n, dlop_source **source_out);
/* Decoded samples in memory: pixels [n][height][width][channels], channels 1 or 3; the caller keeps
 * them alive and unchanged until the source is closed. */
DLOP_API dlop_status dlop_source_open_pixels(dlop_ctx *ctx, const uint8_t *pixels, uint64_t n,
                                             uint32_t height, uint32_t width, uint32_t channels,
                                             dlop_source **source_out);
/* After every loader that reads from it. Accepts null, sets *source to null. */
DLOP_API void dlop_source_close(dlop_source **source);

/* ---- random streams ---- */

/* State of PyTorch's CPU generator, without the seed and the cached normals. next counts words used
 * of the current block of 624: 624 = used up. */
struct dlop_rng_state {
    uint32_t key[624];
    uint32_t next;
};
/* State after torch.manual_seed(seed). */
DLOP_API void dlop_rng_seed(struct dlop_rng_state *state_out, uint64_t seed);
/* From and into the 5056 bytes of torch.get_rng_state(); to_torch changes only the engine's fields
 * of an existing blob. DLOP_ERR_ARGUMENT where the blob is not of that form. Any thread. */
DLOP_API dlop_status dlop_rng_from_torch(const uint8_t *blob, size_t size_bytes,
                                         struct dlop_rng_state *state_out);
DLOP_API dlop_status dlop_rng_to_torch(const struct dlop_rng_state *state, uint8_t *blob,
                                       size_t size_bytes);

/* How the installed framework computes what drawing depends on; found by probes at attach, never by
 * version numbers. */
enum dlop_exp_kind {
    DLOP_EXP_MKL, /* exp_fn is vmsExp of the loaded libtorch: void (long n, const float *, float *,
                     int64_t mode) */
    DLOP_EXP_POLY_FMA, /* degree-6 polynomial with fused multiply-add (Sleef u10, FMA form) */
    DLOP_EXP_LIBM,     /* the C library's expf */
    DLOP_EXP_ROUNDED,  /* correctly rounded */
    DLOP_EXP_COUNT
};
struct dlop_draw_rules {
    uint32_t size_bytes;
    uint32_t uniform_is_fused;  /* uniform_(a, b) is fma(x, b - a, a) */
    uint32_t exp_kind;          /* enum dlop_exp_kind */
    uint32_t randint_wide_log2; /* ranges of 2^this and more take a 64-bit draw: 28, or 32 before
                                   torch 2 */
    uint64_t exp_fn;            /* address, DLOP_EXP_MKL only */
};
DLOP_API void dlop_draw_rules_init(struct dlop_draw_rules *rules);

/* For self-tests and probes: n draws of torch.empty(1).uniform_(a, b) / torch.randint(lo, hi, (1,))
 * / torch.randperm(n) / one 64-bit random_() (63 bits) / torch.exp of each draw (in place). */
DLOP_API void dlop_rng_uniform(struct dlop_rng_state *state, const struct dlop_draw_rules *rules,
                               float a, float b, float *out, size_t n);
DLOP_API void dlop_rng_randint(struct dlop_rng_state *state, const struct dlop_draw_rules *rules,
                               int64_t lo, int64_t hi, int64_t *out, size_t n);
DLOP_API void dlop_rng_randperm(struct dlop_rng_state *state, int64_t *out, size_t n);
DLOP_API int64_t dlop_rng_seed64(struct dlop_rng_state *state);
DLOP_API void dlop_exp(const struct dlop_draw_rules *rules, float *values, size_t n);

/* ---- recipe ---- */

/* Resampling filters, numbered as Pillow's constants. */
enum dlop_filter {
    DLOP_FILTER_NEAREST,
    DLOP_FILTER_LANCZOS,
    DLOP_FILTER_BILINEAR,
    DLOP_FILTER_BICUBIC,
    DLOP_FILTER_BOX,
    DLOP_FILTER_HAMMING,
    DLOP_FILTER_COUNT
};
/* Whose 8-bit resampler: Pillow's (22-bit weights) or torchvision's for uint8 tensors (16-bit
 * weights, x first). */
enum dlop_resampler { DLOP_RESAMPLER_PILLOW, DLOP_RESAMPLER_TENSOR, DLOP_RESAMPLER_COUNT };
/* When Pillow resamples vertically first. ALWAYS_X: up to 11. TALL_100: 12.3 (h > 100 w and oh <
 * h). SHRINK: 13. */
enum dlop_pass_rule {
    DLOP_PASS_RULE_ALWAYS_X,
    DLOP_PASS_RULE_TALL_100,
    DLOP_PASS_RULE_SHRINK,
    DLOP_PASS_RULE_COUNT
};
enum dlop_pad_mode {
    DLOP_PAD_CONSTANT,
    DLOP_PAD_EDGE,
    DLOP_PAD_REFLECT,
    DLOP_PAD_SYMMETRIC,
    DLOP_PAD_MODE_COUNT
};

enum dlop_op_kind {
    DLOP_OP_RESIZED_CROP, /* i: out h, out w, filter.  f: scale lo, hi, ratio lo, hi, log(ratio lo),
                             log(ratio hi) (floats widened) */
    DLOP_OP_RESIZE,       /* i: h, w, filter */
    DLOP_OP_RESIZE_SHORT, /* i: shorter side (0 = make the longer side the max size), max size (0 =
                             none), filter: longer = int(size * long / short) */
    DLOP_OP_CENTER_CROP,  /* i: h, w */
    DLOP_OP_RANDOM_CROP,  /* i: h, w, pad left, top, right, bottom, pad_if_needed, pad mode, draws
                           * only on axes with slack (v2),  fill r, g, b */
    DLOP_OP_PAD,          /* i: left, top, right, bottom, pad mode, fill r, g, b */
    DLOP_OP_FLIP_X,       /* f: p (random horizontal flip) */
    DLOP_OP_FLIP_Y,       /* f: p (random vertical flip) */
    DLOP_OP_GREY,         /* i: output channels 1 or 3 */
    DLOP_OP_RANDOM_GREY,  /* f: p, keeps the number of channels */
    DLOP_OP_COUNT
};
struct dlop_op {
    uint32_t kind; /* enum dlop_op_kind */
    uint32_t reserved;
    int32_t i[12];
    double f[6];
};

struct dlop_plan_cfg {
    uint32_t size_bytes;
    uint32_t n_ops;
    const struct dlop_op *ops;           /* in the order of the script's Compose; copied */
    const struct dlop_draw_rules *rules; /* copied */
    uint32_t src_channels;  /* 1 or 3: what the loader's convert() gives the first transform */
    uint32_t out_channels;  /* 1 or 3 */
    uint32_t element_bytes; /* 1, 2, 4, 8 */
    uint32_t is_hwc;        /* 0: [c][h][w], 1: [h][w][c] */
    uint32_t resampler;     /* enum dlop_resampler */
    uint32_t pass_rule;     /* enum dlop_pass_rule */
    const void *pack_table; /* [out_channels][256] elements: what the tail of the pipeline makes of
                               0..255; copied */
    uint64_t max_pixels; /* larger images go to the caller (Pillow's MAX_IMAGE_PIXELS), 0 = no limit
                            of its own */
};
DLOP_API void dlop_plan_cfg_init(struct dlop_plan_cfg *cfg);

/* Check the recipe and make the constant tables. DLOP_ERR_NO_PLAN with the reason in reason_out
 * (text of at most size bytes) where these operations in this order cannot be done in one pass, or
 * the device does not take jobs like these; DLOP_ERR_ARGUMENT, DLOP_ERR_NO_MEMORY. Setup only. */
DLOP_API dlop_status dlop_plan_open(dlop_ctx *ctx, const struct dlop_plan_cfg *cfg,
                                    dlop_plan **plan_out, char *reason_out, size_t size);
/* After every loader of this plan. Accepts null, sets *plan to null. */
DLOP_API void dlop_plan_close(dlop_plan **plan);
/* Output size of every record, or 0 x 0 where it depends on the record (then each batch must hold
 * one record). */
DLOP_API void dlop_plan_out_size(const dlop_plan *plan, uint32_t *height_out, uint32_t *width_out);
/* The plan as a few lines of text for people and tests; returns the bytes needed with the final
 * zero, writes at most size bytes. Any thread. */
DLOP_API size_t dlop_plan_describe(const dlop_plan *plan, char *text_out, size_t size);

/* ---- loader: batches in flight ---- */

struct dlop_loader_cfg {
    uint32_t size_bytes;
    uint32_t n_streams;         /* virtual workers, at least 1 */
    uint32_t max_batches;       /* in flight at once, at least 1 */
    uint32_t max_batch_records; /* at least 1 */
};
DLOP_API void dlop_loader_cfg_init(struct dlop_loader_cfg *cfg);
/* Allocates everything that the data path needs; nothing is allocated afterwards but when a record
 * is larger than any before. One thread per loader for all loader and batch calls. plan and source
 * stay the caller's and must outlive the loader. Streams begin as if seeded with their numbers.
 * DLOP_ERR_ARGUMENT: a count out of range, or pixels of other channels than the plan's;
 * DLOP_ERR_NO_MEMORY. In a fork of the process that submitted, every call but close is answered
 * with DLOP_ERR_STATE. */
DLOP_API dlop_status dlop_loader_open(dlop_plan *plan, dlop_source *source,
                                      const struct dlop_loader_cfg *cfg, dlop_loader **loader_out);
/* Cancels what is in flight and waits for it. Accepts null, sets *loader to null. */
DLOP_API void dlop_loader_close(dlop_loader **loader);
/* State that the next batch of the stream draws from. DLOP_ERR_STATE: a batch of the stream is in
 * flight and not drawn yet. */
DLOP_API dlop_status dlop_loader_set_stream(dlop_loader *loader, uint32_t stream,
                                            const struct dlop_rng_state *state);
/* State after the last batch of the stream whose drawing is finished. */
DLOP_API dlop_status dlop_loader_get_stream(dlop_loader *loader, uint32_t stream,
                                            struct dlop_rng_state *state_out);

/* Start a batch: record indices[0..n) (copied) to out, n tensors one after the other; out stays the
 * caller's and must live until release. Batches of a stream draw in the order of their submits.
 * Never blocks on the device or on files. DLOP_AGAIN: max_batches are in flight. DLOP_ERR_ARGUMENT:
 * index or n out of range, out too small. DLOP_ERR_THREAD: no thread can be started. */
DLOP_API dlop_status dlop_loader_submit(dlop_loader *loader, uint32_t stream,
                                        const uint64_t *indices, uint32_t n, void *out,
                                        size_t out_bytes, dlop_batch **batch_out);

/* Why the library could not make a record by itself. */
struct dlop_need {
    uint32_t position; /* within the batch */
    int32_t status;    /* what the header parser or the kernel said */
    uint64_t index;    /* record */
    dlop_batch *batch; /* may be a later batch than the one waited for */
    char reason[120];  /* one line, for the report: "progressive JPEG" */
};
/* Wait until the batch is complete, at most timeout_ms. DLOP_OK; DLOP_AGAIN: not yet;
 * DLOP_NEED_PIXELS: *need_out says which record of which batch the caller must decode now (the same
 * need is told again until it is answered); negative: the batch failed as a whole, see log.
 * DLOP_ERR_TOO_SMALL: a plan without a fixed size needs more room than out has, dlop_batch_out_size
 * tells the size. A batch that fails before it is drawn leaves its stream as it was, and those
 * behind it in the stream end with DLOP_ERR_STATE until it is released. */
DLOP_API dlop_status dlop_batch_wait(dlop_loader *loader, dlop_batch *batch, uint32_t timeout_ms,
                                     struct dlop_need *need_out);
/* Answer a need: pixels [height][width][channels], channels = the plan's src_channels; copied
 * before return. DLOP_ERR_ARGUMENT: the transforms would raise for this size, or it is not the size
 * that was drawn for; DLOP_ERR_NO_PLAN, DLOP_ERR_LIMIT: this size needs more than one pass, or is
 * over a limit; the need stays. DLOP_ERR_STATE: it is not a need that was told.
 * DLOP_ERR_TOO_SMALL, DLOP_ERR_NO_MEMORY: the batch ends with this status, see dlop_batch_wait. */
DLOP_API dlop_status dlop_batch_supply(dlop_loader *loader, dlop_batch *batch, uint32_t position,
                                       const uint8_t *pixels, uint32_t height, uint32_t width);
/* Answer a need: the caller's own decoder failed too. The batch ends: records after `position` are
 * not drawn, the stream goes on as it is after the records before it. Batches of this stream
 * submitted later are cancelled where one of them was already drawn: their wait returns
 * DLOP_ERR_STATE; the caller releases them and submits them again in their order, before others of
 * the stream. position: of the need, or of a record before it. */
DLOP_API dlop_status dlop_batch_fail(dlop_loader *loader, dlop_batch *batch, uint32_t position);
/* Answer a need: leave the record out. It draws nothing (what it drew before its kernel refused it
 * stays drawn), its tensor is zeros; the batch goes on.
 * What becomes of the hole (smaller batch, copy of another record) is the caller's policy. */
DLOP_API dlop_status dlop_batch_skip(dlop_loader *loader, dlop_batch *batch, uint32_t position);
/* State of the batch's stream before its first draw and after its last one. DLOP_ERR_STATE: not all
 * of it is drawn, or it failed. */
DLOP_API dlop_status dlop_batch_get_stream(dlop_loader *loader, const dlop_batch *batch,
                                           struct dlop_rng_state *before_out,
                                           struct dlop_rng_state *after_out);
/* Height and width of the tensor (useful where the plan's size depends on the record). After
 * DLOP_OK. */
DLOP_API void dlop_batch_out_size(const dlop_batch *batch, uint32_t *height_out,
                                  uint32_t *width_out);
/* Cancel if still running, wait for running kernels, give the slot back. Accepts null, sets *batch
 * to null. */
DLOP_API void dlop_batch_release(dlop_loader *loader, dlop_batch **batch);

/* ---- single pictures: for decode, self-tests and code that decodes one file at a time ---- */

struct dlop_image_info {
    uint32_t width_px, height_px, n_components;
    uint32_t colour; /* enum dlop_jpeg_colour */
};
/* Parse a JPEG header. DLOP_OK: the kernels can decode it. DLOP_ERR_UNSUPPORTED,
 * DLOP_ERR_TRUNCATED, ...: reason_out says why not. */
DLOP_API dlop_status dlop_jpeg_info(const uint8_t *bytes, size_t n_bytes,
                                    struct dlop_image_info *info_out, char *reason_out,
                                    size_t size);
/* Decode a whole JPEG on the calling thread to [height][width][channels] (1 = first channel, 3 =
 * RGB, 4 = RGB and a byte of 255). A decoder keeps its memory between calls and belongs to one
 * thread; close accepts null and sets *decoder to null. vector_level: as in dlop_ctx_cfg. Statuses
 * of this record as from dlop_jpeg_info and DLOP_ERR_INEXACT; DLOP_ERR_ARGUMENT,
 * DLOP_ERR_NO_MEMORY, DLOP_ERR_TOO_SMALL: pixels_bytes. */
typedef struct dlop_decoder dlop_decoder;
DLOP_API dlop_status dlop_decoder_open(uint32_t vector_level, dlop_decoder **decoder_out);
DLOP_API void dlop_decoder_close(dlop_decoder **decoder);
DLOP_API dlop_status dlop_decoder_jpeg(dlop_decoder *decoder, const uint8_t *bytes, size_t n_bytes,
                                       uint32_t channels, uint8_t *pixels_out, size_t pixels_bytes);
/* Run the plan's operations on decoded pixels [height][width][src_channels] on the calling thread,
 * drawing from *state, which is changed on DLOP_OK only. out_bytes must be the size of the output
 * exactly, else DLOP_ERR_TOO_SMALL. DLOP_ERR_ARGUMENT: the transforms would raise for this size;
 * DLOP_ERR_NO_PLAN, DLOP_ERR_LIMIT: as from dlop_batch_supply; DLOP_ERR_UNSUPPORTED: the host
 * cannot see the plan's tables; DLOP_ERR_NO_MEMORY. */
DLOP_API dlop_status dlop_plan_run_pixels(dlop_plan *plan, dlop_decoder *decoder,
                                          struct dlop_rng_state *state, const uint8_t *pixels,
                                          uint32_t height, uint32_t width, void *out,
                                          size_t out_bytes, uint32_t *out_height,
                                          uint32_t *out_width);

/* ---- devices and self-test, for the command line ---- */

/* Devices of this build as a JSON array; sizes as dlop_metrics_json. */
DLOP_API size_t dlop_devices_json(char *text_out, size_t size);

#ifdef __cplusplus
}
#endif
#endif
