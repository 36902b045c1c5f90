/* Finds the library and the Python package that belong to the running executable.
 *
 * Key idea: a table of places relative to the executable's own folder, first hit wins; so a build
 * tree works in place and an installation can be moved. No configured absolute path.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/cli/cli.h"

static const char *const LIBRARY_PLACES[] = {"libdlop.so", "../lib/libdlop.so", NULL};
static const char *const PACKAGE_PLACES[] = {"../../host/python", "../lib/dlop/python", NULL};

/* Folder of the running executable with symbolic links resolved. */
static bool executable_folder(char folder_out[PATH_MAX])
{
    ssize_t n = readlink("/proc/self/exe", folder_out, PATH_MAX - 1);
    if (n <= 0)
        return false;
    folder_out[n] = '\0';
    char *slash = strrchr(folder_out, '/');
    if (!slash)
        return false;
    *slash = '\0';
    return true;
}

static bool find_first(const char *folder, const char *const *places, char *path_out, size_t size)
{
    for (; *places; places++) {
        char candidate[2 * PATH_MAX];
        char resolved[PATH_MAX];

        snprintf(candidate, sizeof(candidate), "%s/%s", folder, *places);
        if (realpath(candidate, resolved) && strlen(resolved) < size) {
            strcpy(path_out, resolved);
            return true;
        }
    }
    return false;
}

bool cli_paths_find(const char *command, struct cli_paths *paths_out)
{
    char folder[PATH_MAX];

    if (!executable_folder(folder)) {
        cli_error(command, "cannot tell where this program is installed: /proc is not mounted");
        return false;
    }
    if (!find_first(folder, LIBRARY_PLACES, paths_out->library, sizeof(paths_out->library))) {
        cli_error(command, "libdlop.so is not beside %s/dlop: run make, or make install", folder);
        return false;
    }
    if (!find_first(folder, PACKAGE_PLACES, paths_out->package, sizeof(paths_out->package))) {
        cli_error(command, "the Python package is not where %s/dlop expects it: run make install",
                  folder);
        return false;
    }
    int n = snprintf(paths_out->boot, sizeof(paths_out->boot), "%s/boot", paths_out->package);
    return n > 0 && (size_t)n < sizeof(paths_out->boot);
}

bool cli_set_python_environment(const char *folder, const struct cli_paths *paths)
{
    const char *old_path = getenv("PYTHONPATH");
    bool has_old = old_path && *old_path;
    size_t size = strlen(folder) + (has_old ? strlen(old_path) : 0) + 2;
    char *new_path = malloc(size);
    bool is_set = false;

    if (new_path) {
        snprintf(new_path, size, "%s%s%s", folder, has_old ? ":" : "", has_old ? old_path : "");
        is_set = !setenv("PYTHONPATH", new_path, 1) && !setenv("DLOP_LIBRARY", paths->library, 1);
    }
    free(new_path);
    return is_set;
}
