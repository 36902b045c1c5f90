/* Names and texts of status values, made from the one table in hw/abi/status.h. */
#include "hw/abi/status.h"
#include "host/include/dlop.h"

struct status_row {
    dlop_status value;
    const char *name;
    const char *text;
};

#define STATUS_ROW(name, value, text) {name, #name, text},
static const struct status_row status_rows[] = {DLOP_STATUS_TABLE(STATUS_ROW)};
#undef STATUS_ROW

static const struct status_row unknown_status = {0, "DLOP_STATUS_UNKNOWN", "unknown status"};

static const struct status_row *find_status(dlop_status status)
{
    for (size_t i = 0; i < sizeof(status_rows) / sizeof(status_rows[0]); i++)
        if (status_rows[i].value == status)
            return &status_rows[i];
    return &unknown_status;
}

const char *dlop_status_name(dlop_status status)
{
    return find_status(status)->name;
}

const char *dlop_status_text(dlop_status status)
{
    return find_status(status)->text;
}
