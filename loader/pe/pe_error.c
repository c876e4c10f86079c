// SPDX-License-Identifier: MIT
#include "loader/pe/pe_error.h"

static const struct {
    const char *name, *text;
} status_info[PE_STATUS_COUNT] = {
#define X(status, sentence) [status] = {#status, sentence},
    PE_ERROR_LIST(X)
#undef X
};

const char *pe_status_name(enum pe_status status)
{
    return (unsigned)status < PE_STATUS_COUNT ? status_info[status].name : "PE_E_?";
}

const char *pe_status_text(enum pe_status status)
{
    return (unsigned)status < PE_STATUS_COUNT ? status_info[status].text : "unknown error";
}
