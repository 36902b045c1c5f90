/* Which recipes a plan takes: checked once, so that binding a record cannot fail for reasons of the
 * recipe. */
#ifndef DLOP_HOST_PLAN_RECIPE_H
#define DLOP_HOST_PLAN_RECIPE_H

#include <stdbool.h>

#include "host/draw/draw.h"

/* Check operations and rules of a configuration whose pointers are valid and whose n_ops is in
 * range. Returns null and sets the output size (0 x 0 where it depends on the record), or a reason
 * for people. Any thread. */
const char *dlop_recipe_check(const struct dlop_plan_cfg *cfg, uint32_t *width_out,
                              uint32_t *height_out);

#endif
