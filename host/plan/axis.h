/* Axis tables of a job (hw/abi/abi.h) from a folded axis: Pillow's and torchvision's 8-bit
 * resampling weights. */
#ifndef DLOP_HOST_PLAN_AXIS_H
#define DLOP_HOST_PLAN_AXIS_H

#include "host/plan/fold.h"

/* Most bytes that dlop_axis_build may touch for this axis; at least the table's size. */
uint64_t dlop_axis_bound_bytes(const struct dlop_axis_fold *axis, int32_t filter);

/* Write the table to bytes_out (aligned to 4, room for dlop_axis_bound_bytes) and set *roi_out to
 * the first source position that it names and *roi_n_out to how many there are up to the last one;
 * spans are relative to it. filter: enum dlop_filter; resampler: enum dlop_resampler, tensor has no
 * nearest. Returns the table's bytes, or 0 where the positions of an output are too far apart for
 * one span (not with maps of dlop_fold_steps). Any thread, no allocation. */
uint64_t dlop_axis_build(const struct dlop_axis_fold *axis, int32_t filter, uint32_t resampler,
                         uint8_t *bytes_out, uint32_t *roi_out, uint32_t *roi_n_out);

#endif
