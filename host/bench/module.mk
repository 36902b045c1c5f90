# host/bench: what `dlop bench` needs in C, in a library of its own beside libdlop.so.
BENCH_SRCS += host/bench/turbo.c host/bench/turbo_loader.c
BENCH_SRCS += host/bench/kernels.c
BENCH_SRCS += driver/cpu/timing.c driver/cpu/timing_jpeg.c driver/cpu/timing_rows.c
BENCH_LIBS += -ljpeg
