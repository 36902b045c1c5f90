/* Options of a run: one table for the command line, the environment and their help.
 *
 * `dlop run` turns its options into environment variables, so that every process of the training
 * (workers, ranks) sees them; the library and the Python layer read the environment only. An
 * option that is unset or empty has its default.
 */
#ifndef DLOP_HOST_BASE_CONFIG_H
#define DLOP_HOST_BASE_CONFIG_H

#include "driver/driver.h"

#define DLOP_CONFIG_TEXT_BYTES 4096 /* of one value, final zero included: a path fits */

enum dlop_option_type {
    DLOP_TYPE_TEXT,    /* any text without control characters */
    DLOP_TYPE_COUNT,   /* decimal, 0..max */
    DLOP_TYPE_MASK,    /* "all", "none", decimal or 0x... of 32 bits */
    DLOP_TYPE_CHOICE,  /* one of the words of `choices`, separated by | */
    DLOP_TYPE_DEVICES, /* "auto" or "name[:number],...": host/base/devices.h */
    DLOP_TYPE_LEVELS,  /* levels of the log: warn,run=debug */
    DLOP_TYPE_COUNT_OF_TYPES
};

/* X(id, name, environment, value name in help, type, default, choices, max, help) */
#define DLOP_OPTION_TABLE(X)                                                                       \
    X(DLOP_OPTION_DEVICE, "device", "DLOP_DEVICE", "DEVICES", DLOP_TYPE_DEVICES, "auto", "", 0,    \
      "devices that do the work, as sim, ocl:1 or xrt,cpu; several share it; the CPU stands by; "  \
      "auto takes all that are no emulation")                                                      \
    X(DLOP_OPTION_DEVICE_TIMEOUT, "device-timeout", "DLOP_DEVICE_TIMEOUT", "SECONDS",              \
      DLOP_TYPE_COUNT, "10", "", 86400, "after which a device that does not answer is given up")   \
    X(DLOP_OPTION_THREADS, "threads", "DLOP_THREADS", "N", DLOP_TYPE_COUNT, "0", "", 1024,         \
      "threads of the cpu device; 0 is what this rank may use")                                    \
    X(DLOP_OPTION_READERS, "readers", "DLOP_READERS", "N", DLOP_TYPE_COUNT, "0", "", 256,          \
      "threads that read files ahead; 0 lets the runtime choose")                                  \
    X(DLOP_OPTION_VERIFY, "verify", "DLOP_VERIFY", "K", DLOP_TYPE_COUNT, "0", "", 1000000000,      \
      "compare the first K batches of each loader with the script's own")                          \
    X(DLOP_OPTION_ON_ERROR, "on-error", "DLOP_ON_ERROR", "POLICY", DLOP_TYPE_CHOICE, "raise",      \
      "raise|skip|replace", 0, "what a record that cannot be read does to the run")                \
    X(DLOP_OPTION_REPORT, "report", "DLOP_REPORT", "FILE", DLOP_TYPE_TEXT, "", "", 0,              \
      "write a JSON report of all loaders to FILE at the end")                                     \
    X(DLOP_OPTION_LOG, "log", "DLOP_LOG", "LEVELS", DLOP_TYPE_LEVELS, "warn", "", 0,               \
      "what to say: error, warn, info or debug, also per component (warn,run=debug)")              \
    X(DLOP_OPTION_VECTOR, "vector", "DLOP_VECTOR", "MASK", DLOP_TYPE_MASK, "all", "", 0,           \
      "replacements of kernel steps that the cpu device may use")                                  \
    X(DLOP_OPTION_SIM, "sim", "DLOP_SIM", "SETTINGS", DLOP_TYPE_TEXT, "", "", 0,                   \
      "settings of the emulated card: key=value,..., see sim/README.md")                           \
    X(DLOP_OPTION_OCL, "ocl", "DLOP_OCL", "SETTINGS", DLOP_TYPE_TEXT, "", "", 0,                   \
      "settings of OpenCL devices, see driver/ocl/README.md")                                      \
    X(DLOP_OPTION_XRT, "xrt", "DLOP_XRT", "SETTINGS", DLOP_TYPE_TEXT, "", "", 0,                   \
      "settings of XRT cards, see driver/xrt/README.md")                                           \
    X(DLOP_OPTION_XCLBIN, "xclbin", "DLOP_XCLBIN", "FILE", DLOP_TYPE_TEXT, "", "", 0,              \
      "image that an XRT card is loaded with")

#define DLOP_OPTION_ENUMERATOR(id, ...) id,
enum dlop_option_id { DLOP_OPTION_TABLE(DLOP_OPTION_ENUMERATOR) DLOP_OPTION_COUNT };
#undef DLOP_OPTION_ENUMERATOR

struct dlop_option {
    const char *name;        /* "on-error": --on-error on the command line */
    const char *environment; /* "DLOP_ON_ERROR" */
    const char *value_name;  /* "POLICY" */
    const char *default_text;
    const char *choices; /* "raise|skip|replace", or "" */
    const char *help;
    enum dlop_option_type type;
    uint64_t max;
};

/* Row of the table, null past the last; the index is an enum dlop_option_id. Any thread. */
const struct dlop_option *dlop_option_at(uint32_t index);

/* Check a value. DLOP_OK with its number in *number_out (count, mask, index of the choice; 0 for
 * texts); DLOP_ERR_ARGUMENT with one line in reason_out (size bytes). Any thread. */
dlop_status dlop_option_parse(const struct dlop_option *option, const char *text,
                              uint64_t *number_out, char *reason_out, size_t size) DLOP_MUST_USE;

/* All values of this process. */
struct dlop_config {
    uint64_t number[DLOP_OPTION_COUNT];
    char text[DLOP_OPTION_COUNT][DLOP_CONFIG_TEXT_BYTES];
};

/* Defaults, then the environment. DLOP_OK; DLOP_ERR_ARGUMENT at the first bad value, with one line
 * that names the variable in reason_out (size bytes); the config then holds the defaults in place
 * of bad values. Any thread, as long as nobody changes the environment. */
dlop_status dlop_config_load(struct dlop_config *config_out, char *reason_out,
                             size_t size) DLOP_MUST_USE;

#endif
