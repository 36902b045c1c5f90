# Sources of driver/group.
