// SPDX-License-Identifier: MIT
// coverage.h - which forms vectors exercise.
#pragma once
#include <stdio.h>

// Reads vectors to the end, prints the report. Returns the number of forms that nothing exercised and no rule excuses; -1: not vectors.
int coverage_report(FILE *vectors, FILE *report);
