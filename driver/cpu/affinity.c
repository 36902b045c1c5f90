/* How many threads this rank may use: the smallest of affinity mask and cgroup quota, divided by
 * the ranks on this host; and how they share processors with the program's own.
 *
 * cgroup v2 has one line "0::PATH" in proc/self/cgroup and the limit in cpu.max ("QUOTA PERIOD" or
 * "max PERIOD"); v1 has a line "N:cpu,cpuacct:PATH" and the limit in cpu.cfs_quota_us (-1 = none)
 * and cpu.cfs_period_us. A limit of any parent counts too. In a container PATH may name a folder of
 * the host that is not visible; then the visible root is the container's own group.
 */
#include "driver/cpu/affinity.h"

#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver/cpu/cpu.h"

/* A kernel built for more processors refuses smaller masks. */
#define MAX_AFFINITY_CPUS 65536

static uint32_t affinity_cpus(void)
{
    for (int n_cpus = 1024; n_cpus <= MAX_AFFINITY_CPUS; n_cpus *= 2) {
        cpu_set_t *set = CPU_ALLOC((size_t)n_cpus);
        size_t n_bytes = CPU_ALLOC_SIZE((size_t)n_cpus);
        int n = 0;

        if (!set)
            break;
        if (!sched_getaffinity(0, n_bytes, set))
            n = CPU_COUNT_S(n_bytes, set);
        CPU_FREE(set);
        if (n > 0)
            return (uint32_t)n;
    }
    return 1;
}

/* First line of a small file; false where it cannot be read. */
static bool read_line(const char *path, char *line, int size)
{
    FILE *file = fopen(path, "re");
    bool is_read = file && fgets(line, size, file);

    if (file)
        fclose(file);
    return is_read;
}

static uint32_t quota_to_cpus(long long quota_us, long long period_us)
{
    long long n_cpus;

    if (quota_us <= 0 || period_us <= 0)
        return UINT32_MAX;
    n_cpus = quota_us / period_us + (quota_us % period_us != 0);
    return n_cpus < UINT32_MAX ? (uint32_t)n_cpus : UINT32_MAX;
}

/* Limit written in one group's folder. */
static uint32_t folder_quota_cpus(const char *folder, bool is_v2)
{
    char path[PATH_MAX + sizeof "/cpu.cfs_period_us"], line[128];
    long long quota_us = -1, period_us = -1;

    snprintf(path, sizeof path, "%s/%s", folder, is_v2 ? "cpu.max" : "cpu.cfs_quota_us");
    if (!read_line(path, line, sizeof line))
        return UINT32_MAX;
    if (is_v2)
        return sscanf(line, "%lld %lld", &quota_us, &period_us) == 2
                   ? quota_to_cpus(quota_us, period_us)
                   : UINT32_MAX;
    quota_us = strtoll(line, NULL, 10);
    snprintf(path, sizeof path, "%s/cpu.cfs_period_us", folder);
    if (!read_line(path, line, sizeof line))
        return UINT32_MAX;
    period_us = strtoll(line, NULL, 10);
    return quota_to_cpus(quota_us, period_us);
}

/* Smallest limit from group `path` up to the root of the hierarchy mounted at `mount`. */
static uint32_t hierarchy_quota_cpus(const char *mount, const char *path, bool is_v2)
{
    char folder[PATH_MAX];
    uint32_t least = UINT32_MAX;
    size_t mount_length = strlen(mount);
    int n = snprintf(folder, sizeof folder, "%s%s", mount, path);

    if (n < 0 || (size_t)n >= sizeof folder)
        return UINT32_MAX;
    for (;;) {
        uint32_t n_cpus = folder_quota_cpus(folder, is_v2);
        char *slash = strrchr(folder + mount_length, '/');

        least = n_cpus < least ? n_cpus : least;
        if (!slash)
            return least;
        *slash = '\0';
    }
}

/* Whether `name` is one of a comma-separated list. */
static bool list_has(const char *list, const char *name)
{
    size_t length = strlen(name);

    for (const char *at = list; at; at = strchr(at, ','), at = at ? at + 1 : NULL)
        if (!strncmp(at, name, length) && (at[length] == ',' || at[length] == '\0'))
            return true;
    return false;
}

/* One line of proc/self/cgroup: "number:controllers:path". */
static uint32_t line_quota_cpus(const char *root, char *line)
{
    char *controllers = strchr(line, ':');
    char *path = controllers ? strchr(controllers + 1, ':') : NULL;
    char mount[PATH_MAX];
    uint32_t n_cpus, n_cpus_by_link;

    if (!path)
        return UINT32_MAX;
    *path++ = '\0';
    controllers++;
    path[strcspn(path, "\n")] = '\0';
    snprintf(mount, sizeof mount, "%s/sys/fs/cgroup", root);
    if (!controllers[0])
        return hierarchy_quota_cpus(mount, path, true);
    if (!list_has(controllers, "cpu"))
        return UINT32_MAX;
    /* The folder is called like the list of controllers, or there is a link from cpu to it. */
    snprintf(mount, sizeof mount, "%s/sys/fs/cgroup/%s", root, controllers);
    n_cpus = hierarchy_quota_cpus(mount, path, false);
    snprintf(mount, sizeof mount, "%s/sys/fs/cgroup/cpu", root);
    n_cpus_by_link = hierarchy_quota_cpus(mount, path, false);
    return n_cpus < n_cpus_by_link ? n_cpus : n_cpus_by_link;
}

uint32_t dlop_cpu_quota_cpus(const char *root)
{
    char path[PATH_MAX], line[PATH_MAX];
    uint32_t least = UINT32_MAX;
    FILE *file;

    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    file = fopen(path, "re");
    if (!file)
        return UINT32_MAX;
    while (fgets(line, sizeof line, file)) {
        uint32_t n_cpus = line_quota_cpus(root, line);

        least = n_cpus < least ? n_cpus : least;
    }
    fclose(file);
    return least;
}

uint32_t dlop_cpu_rank_share(uint32_t n_cpus, const char *local_world_size)
{
    char *end;
    long n_ranks = local_world_size ? strtol(local_world_size, &end, 10) : 1;

    if (n_ranks < 1 || (local_world_size && *end))
        n_ranks = 1;
    n_cpus = (uint32_t)(n_cpus / (unsigned long)n_ranks);
    return n_cpus ? n_cpus : 1;
}

uint32_t dlop_cpu_default_threads(void)
{
    uint32_t n_cpus = affinity_cpus(), quota_cpus = dlop_cpu_quota_cpus("");

    return dlop_cpu_rank_share(quota_cpus < n_cpus ? quota_cpus : n_cpus,
                               getenv("LOCAL_WORLD_SIZE"));
}

void dlop_cpu_thread_goes_second(pthread_t thread)
{
    struct sched_param param;
    int policy;

    if (pthread_getschedparam(thread, &policy, &param) == 0 && policy == SCHED_OTHER)
        pthread_setschedparam(thread, SCHED_BATCH, &param);
}
