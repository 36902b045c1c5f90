# Sources of host/format.
LIB_SRCS += host/format/jpeg.c host/format/jpeg_app.c host/format/jpeg_tables.c host/format/magic.c
LIB_SRCS += host/format/marker.c
