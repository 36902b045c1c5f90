# Sources of sim: the emulated card and its cycle model.
LIB_SRCS += sim/timing.c sim/timing_work.c sim/timing_card.c sim/timing_tables.c
