// SPDX-License-Identifier: MIT
// Types where newlib's choice by sizeof(long) does not fit: long has 32 bits here, file offsets have 64.
#pragma once
#include <machine/_default_types.h>
#define __machine_off_t_defined
typedef long long _off_t;
#define __machine_fpos_t_defined
typedef long long _fpos_t;
