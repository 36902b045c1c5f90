/* Settings of emulated cards with several kinds of faults at once: runs of many launches go through
 * all of them in turn. */
#ifndef DLOP_TESTS_SIM_FAULT_MIXES_H
#define DLOP_TESTS_SIM_FAULT_MIXES_H

static const char *const mixes[] = {
    ("lost=0.01,late=0.05,duplicate=0.05,corrupt=0.02,wrong_status=0.02,bit_flip=0.1,"
     "double_flip=0.01,slow=0.02,slow_ms=1,late_ms=3"),
    "bit_flip=0.5,double_flip=0.1,late_ms=3",
    "late=0.3,duplicate=0.5,late_ms=2,units=1",
    "corrupt=0.2,wrong_status=0.2,duplicate=0.1,late_ms=1,units=4",
    "lost=0.02,gone_after=60,bit_flip=0.1,late=0.2,late_ms=5",
    "gone_after=25,back_after=5,corrupt=0.05,slow=0.1,slow_ms=2,duplicate=0.1,late_ms=4",
    "queue=2,late=0.1,late_ms=1,double_flip=0.05,wrong_status=0.05",
};
#define N_MIXES (sizeof mixes / sizeof mixes[0])

#endif
