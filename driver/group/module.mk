# Sources of driver/group.
LIB_SRCS += driver/group/device.c driver/group/join.c driver/group/member.c
LIB_SRCS += driver/group/share.c driver/group/divide.c
