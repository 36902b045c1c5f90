# host/bench: what `dlop bench` needs in C, in a library of its own beside libdlop.so.
BENCH_SRCS += host/bench/turbo.c host/bench/turbo_loader.c
BENCH_LIBS += -ljpeg
