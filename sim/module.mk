# Sources of sim: the emulated card and its cycle model.
LIB_SRCS += sim/timing.c sim/timing_work.c sim/timing_card.c sim/timing_tables.c
LIB_SRCS += sim/card.c sim/card_ecc.c sim/card_faults.c sim/card_memory.c sim/card_settings.c
LIB_SRCS += sim/card_unit.c
