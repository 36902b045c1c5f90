/* Driver test: how many threads a rank may use, from made-up cgroup trees and the real mask. */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "driver/cpu/affinity.h"
#include "driver/cpu/cpu.h"

static char root[64];

/* Write a file below the root, with its folders. */
static void put(const char *path, const char *text)
{
    char full[256];
    FILE *file;

    snprintf(full, sizeof full, "%s/%s", root, path);
    for (char *slash = strchr(full + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(full, 0700);
        *slash = '/';
    }
    file = fopen(full, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static int new_root(void **state)
{
    (void)state;
    snprintf(root, sizeof root, "/tmp/dlop-affinity-XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
    char command[128];

    (void)state;
    snprintf(command, sizeof command, "rm -r '%s'", root);
    return system(command);
}

static void no_cgroups_no_limit(void **state)
{
    (void)state;
    assert_int_equal(dlop_cpu_quota_cpus(root), UINT32_MAX);
}

static void v2_quota_is_rounded_up(void **state)
{
    (void)state;
    put("proc/self/cgroup", "0::/job\n");
    put("sys/fs/cgroup/job/cpu.max", "250000 100000\n");
    assert_int_equal(dlop_cpu_quota_cpus(root), 3);
    put("sys/fs/cgroup/job/cpu.max", "200000 100000\n");
    assert_int_equal(dlop_cpu_quota_cpus(root), 2);
    put("sys/fs/cgroup/job/cpu.max", "1000 100000\n");
    assert_int_equal(dlop_cpu_quota_cpus(root), 1);
    put("sys/fs/cgroup/job/cpu.max", "max 100000\n");
    assert_int_equal(dlop_cpu_quota_cpus(root), UINT32_MAX);
}

static void v2_parents_count_too(void **state)
{
    (void)state;
    put("proc/self/cgroup", "0::/slice/job\n");
    put("sys/fs/cgroup/slice/job/cpu.max", "800000 100000\n");
    put("sys/fs/cgroup/slice/cpu.max", "400000 100000\n");
    assert_int_equal(dlop_cpu_quota_cpus(root), 4);
    put("sys/fs/cgroup/cpu.max", "50000 100000\n");
    assert_int_equal(dlop_cpu_quota_cpus(root), 1);
}

/* A container sees its own group as the root, while the path is the host's. */
static void v2_path_of_the_host(void **state)
{
    (void)state;
    put("proc/self/cgroup", "0::/kubepods/pod1/c2\n");
    put("sys/fs/cgroup/cpu.max", "600000 100000\n");
    assert_int_equal(dlop_cpu_quota_cpus(root), 6);
}

static void v1_quota(void **state)
{
    (void)state;
    put("proc/self/cgroup", "12:cpuset:/job\n5:cpu,cpuacct:/job\n1:name=systemd:/\n");
    put("sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us", "150000\n");
    put("sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us", "50000\n");
    assert_int_equal(dlop_cpu_quota_cpus(root), 3);
    put("sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us", "-1\n");
    assert_int_equal(dlop_cpu_quota_cpus(root), UINT32_MAX);
    put("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "70000\n");
    put("sys/fs/cgroup/cpu/cpu.cfs_period_us", "50000\n");
    assert_int_equal(dlop_cpu_quota_cpus(root), 2);
}

static void v1_controllers_of_other_names_do_not_count(void **state)
{
    (void)state;
    put("proc/self/cgroup", "5:cpuacct,cpuset:/job\n");
    put("sys/fs/cgroup/cpuacct,cpuset/job/cpu.cfs_quota_us", "50000\n");
    put("sys/fs/cgroup/cpuacct,cpuset/job/cpu.cfs_period_us", "50000\n");
    assert_int_equal(dlop_cpu_quota_cpus(root), UINT32_MAX);
}

static void damaged_files_are_no_limit(void **state)
{
    (void)state;
    put("proc/self/cgroup", "nonsense\n0:\n::\n0::/job");
    put("sys/fs/cgroup/job/cpu.max", "-3 0\n");
    assert_int_equal(dlop_cpu_quota_cpus(root), UINT32_MAX);
    put("sys/fs/cgroup/job/cpu.max", "");
    assert_int_equal(dlop_cpu_quota_cpus(root), UINT32_MAX);
    put("sys/fs/cgroup/job/cpu.max", "300000 0");
    assert_int_equal(dlop_cpu_quota_cpus(root), UINT32_MAX);
}

static void ranks_share(void **state)
{
    (void)state;
    assert_int_equal(dlop_cpu_rank_share(8, NULL), 8);
    assert_int_equal(dlop_cpu_rank_share(8, "1"), 8);
    assert_int_equal(dlop_cpu_rank_share(8, "3"), 2);
    assert_int_equal(dlop_cpu_rank_share(8, "16"), 1);
    assert_int_equal(dlop_cpu_rank_share(8, "0"), 8);
    assert_int_equal(dlop_cpu_rank_share(8, "-2"), 8);
    assert_int_equal(dlop_cpu_rank_share(8, ""), 8);
    assert_int_equal(dlop_cpu_rank_share(8, "2x"), 8);
    assert_int_equal(dlop_cpu_rank_share(8, "99999999999999999999"), 1);
}

static void the_mask_limits_the_default(void **state)
{
    (void)state;
    cpu_set_t before, one;
    uint32_t n_all;

    unsetenv("LOCAL_WORLD_SIZE");
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    n_all = dlop_cpu_default_threads();
    assert_true(n_all >= 1 && n_all <= (uint32_t)CPU_COUNT(&before));
    CPU_ZERO(&one);
    for (size_t cpu = 0; cpu < CPU_SETSIZE && !CPU_COUNT(&one); cpu++)
        if (CPU_ISSET(cpu, &before))
            CPU_SET(cpu, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    assert_int_equal(dlop_cpu_default_threads(), 1);
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
    assert_int_equal(dlop_cpu_default_threads(), n_all);
}

int main(void)
{
#define WITH_ROOT(test) cmocka_unit_test_setup_teardown(test, new_root, remove_root)
    const struct CMUnitTest tests[] = {
        WITH_ROOT(no_cgroups_no_limit),
        WITH_ROOT(v2_quota_is_rounded_up),
        WITH_ROOT(v2_parents_count_too),
        WITH_ROOT(v2_path_of_the_host),
        WITH_ROOT(v1_quota),
        WITH_ROOT(v1_controllers_of_other_names_do_not_count),
        WITH_ROOT(damaged_files_are_no_limit),
        cmocka_unit_test(ranks_share),
        cmocka_unit_test(the_mask_limits_the_default),
    };
    return cmocka_run_group_tests_name("driver/affinity", tests, NULL, NULL);
}
