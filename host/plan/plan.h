/* A recipe bound to a device: pack table in device memory, and the folding of drawn steps into one
 * job's axis tables. */
#ifndef DLOP_HOST_PLAN_PLAN_H
#define DLOP_HOST_PLAN_PLAN_H

#include "host/draw/draw.h"

struct dlop_plan {
    struct dlop_ctx *ctx;
    struct dlop_plan_cfg cfg; /* ops and rules point to the copies below */
    struct dlop_op ops[DLOP_MAX_OPS];
    struct dlop_draw_rules rules;
    struct dlop_buffer constants;         /* pack table at offset 0 */
    uint32_t out_width_px, out_height_px; /* 0 where it depends on the record */
};

/* Fold drawn steps for a source of width_px x height_px into *job_out: fills pass_order, grey,
 * layout, out_channels, element_bytes, fill, x/y_axis_offset, pack_offset, roi_*, out_*_px,
 * out_bytes, src_*_px; the other fields stay as they are. The axis tables are written to tables[0
 * .. *tables_bytes_out), which will stand at tables_offset (multiple of 16) of the launch's `in`
 * buffer. DLOP_OK; DLOP_ERR_TOO_SMALL: capacity is below *tables_bytes_out (set in this case too);
 * DLOP_ERR_NO_PLAN: these steps do not fold into one pass; DLOP_ERR_LIMIT. Any thread, no
 * allocation. */
dlop_status dlop_plan_bind(const struct dlop_plan *plan, const struct dlop_drawn *drawn,
                           uint32_t width_px, uint32_t height_px, uint8_t *tables,
                           size_t capacity_bytes, uint64_t tables_offset, size_t *tables_bytes_out,
                           struct dlop_job *job_out) DLOP_MUST_USE;

/* Whether the operations leave every record of this size as it is: nothing drawn, no geometry, no
 * grey. Such a record needs the pack table only. Any thread, no allocation. */
bool dlop_plan_is_plain(const struct dlop_plan *plan, uint32_t width_px, uint32_t height_px);

/* As dlop_plan_bind, into a TENSOR job, for a size for which the plan is plain: there are no
 * tables. */
void dlop_plan_bind_plain(const struct dlop_plan *plan, uint32_t width_px, uint32_t height_px,
                          struct dlop_job *job_out);

#endif
