// SPDX-License-Identifier: MIT
#include "kernel/status.h"
#include <stddef.h>

static const struct { status_t status; const char *name, *text; } rows[] = {
#define ROW(name, value, text) { (status_t)(value), #name, text },
    NTSTATUS_LIST(ROW)
#undef ROW
};

const char *status_name(status_t status)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].status == status)
            return rows[i].name;
    return "unknown status";
}

const char *status_text(status_t status)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].status == status)
            return rows[i].text;
    return "unknown status";
}
