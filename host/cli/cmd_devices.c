/* dlop devices: what there is, and what would have to be installed for the rest. */
#include <stdio.h>
#include <stdlib.h>

#include "host/cli/cli.h"

static const char HELP[] =
    "List devices that can run input pipelines, best first, with what is missing for those that "
    "cannot. An emulated device runs on this machine's processor and is used only by name."
    "\vExample: dlop devices --json";

/* The library's array of devices, or null. */
static json_t *load_devices(void)
{
    size_t size = dlop_devices_json(NULL, 0);
    char *text = malloc(size);
    json_t *devices = NULL;

    if (text) {
        dlop_devices_json(text, size);
        devices = json_loads(text, 0, NULL);
    }
    free(text);
    return devices;
}

static void print_row(const json_t *device)
{
    const char *missing = json_string_value(json_object_get(device, "missing"));
    bool is_present = json_is_true(json_object_get(device, "present"));
    bool is_emulation = json_is_true(json_object_get(device, "emulation"));

    printf("%-8s %-8s %5lld  %s\n", json_string_value(json_object_get(device, "name")),
           !is_present    ? "missing"
           : is_emulation ? "emulated"
                          : "ready",
           (long long)json_integer_value(json_object_get(device, "units")),
           is_present ? json_string_value(json_object_get(device, "description")) : missing);
}

int cli_devices(int argc, char **argv)
{
    bool as_json = false;
    size_t i;
    json_t *device;

    if (!cli_parse_json_option(argc, argv, HELP, "dlop.devices/1", &as_json))
        return CLI_USAGE;
    json_t *devices = load_devices();
    if (!devices) {
        cli_error(argv[0], "out of memory");
        return CLI_FAILED;
    }
    if (as_json)
        return cli_print_json(
            json_pack("{s:s, s:o}", "schema", "dlop.devices/1", "devices", devices));
    printf("%-8s %-8s %5s  %s\n", "device", "state", "units", "description");
    json_array_foreach(devices, i, device) print_row(device);
    json_decref(devices);
    return CLI_DONE;
}
