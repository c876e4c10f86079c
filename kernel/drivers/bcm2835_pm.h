// SPDX-License-Identifier: MIT
#pragma once
#include "mm/frame.h"

void bcm2835_pm_open(pa_t base);
void bcm2835_pm_off(void);               // returns only when it did not work
