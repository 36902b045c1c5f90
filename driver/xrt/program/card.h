/* One opened card in the host program: its kernels, buffers, and units. Everything that calls XRT.
 *
 * The buffer calls are for one thread, the control thread; each unit is for one thread of its own.
 */
#ifndef DLOP_DRIVER_XRT_PROGRAM_CARD_H
#define DLOP_DRIVER_XRT_PROGRAM_CARD_H

#include "driver/xrt/protocol.h"

struct dlop_xrt_card;

struct dlop_xrt_card_cfg {
    const char *library;
    const char *xclbin;
    const char *memory; /* "card", "host", "p2p" */
    uint32_t index;
    bool is_polled;           /* ask for a run's state: waiting for it would spin */
    const char *const *units; /* [n_units], "kernel:{unit}" */
    uint32_t n_units;
};

/* Opens the device, loads the image, opens a kernel handle per unit. The reply says what failed:
 * DLOP_ERR_NO_LIBRARY, DLOP_ERR_NO_DEVICE, DLOP_ERR_NO_MEMORY, DLOP_ERR_UNSUPPORTED (no memory of
 * the kind asked for). */
void dlop_xrt_card_open(const struct dlop_xrt_card_cfg *cfg, struct dlop_xrt_card **card_out,
                        struct dlop_xrt_reply *reply_out);

/* Frees everything in the order that XRT needs. No run may be under way. */
void dlop_xrt_card_close(struct dlop_xrt_card *card);

/* The requests of protocol.h; memory is taken over (a descriptor). */
void dlop_xrt_card_alloc(struct dlop_xrt_card *card, const struct dlop_xrt_request *request,
                         int memory, struct dlop_xrt_reply *reply_out);
void dlop_xrt_card_free(struct dlop_xrt_card *card, uint32_t buffer);
void dlop_xrt_card_to_device(struct dlop_xrt_card *card, const struct dlop_xrt_request *request,
                             struct dlop_xrt_reply *reply_out);
void dlop_xrt_card_add_unit(struct dlop_xrt_card *card, uint32_t unit, int memory,
                            struct dlop_xrt_reply *reply_out);
/* Run jobs on a unit; then the outputs of the jobs that succeeded are in the host's memory. */
void dlop_xrt_card_run(struct dlop_xrt_card *card, uint32_t unit,
                       const struct dlop_xrt_request *request, struct dlop_xrt_reply *reply_out);

#endif
