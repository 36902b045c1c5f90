/* How many threads this process may use, piece by piece; for affinity.c and its test. */
#ifndef DLOP_DRIVER_CPU_AFFINITY_H
#define DLOP_DRIVER_CPU_AFFINITY_H

#include <stdint.h>

/* Processors that the cgroups of this process and all their parents allow, rounded up; UINT32_MAX
 * where there is no limit. root: "" or the folder that has proc/self/cgroup and sys/fs/cgroup. */
uint32_t dlop_cpu_quota_cpus(const char *root);

/* n_cpus shared by the ranks of this host (text of LOCAL_WORLD_SIZE, null and nonsense mean 1): at
 * least 1. */
uint32_t dlop_cpu_rank_share(uint32_t n_cpus, const char *local_world_size);

#endif
