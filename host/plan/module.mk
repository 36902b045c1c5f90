# Recipe -> stages, shapes, axis tables.
LIB_SRCS += host/plan/axis.c host/plan/describe.c host/plan/fold.c host/plan/plan.c host/plan/recipe.c
LIB_SRCS += host/plan/weights.c
