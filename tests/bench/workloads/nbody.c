// SPDX-License-Identifier: MIT
// Bodies that attract each other: scalar doubles with division and square root.
#include "tests/bench/bench.h"

struct body { double x, y, z, vx, vy, vz, mass; };
enum { BODIES = 5 };

uint64_t bench_nbody(uint64_t one)
{
    struct body b[BODIES];
    for (int i = 0; i < BODIES; i++)
        b[i] = (struct body){ i * 1.5 + (double)one, 3.0 - i, i * 0.25, 0.01 * i, 0.02, -0.01 * i, 1.0 + i };
    for (int step = 0; step < 600; step++) {
        for (int i = 0; i < BODIES; i++)
            for (int j = i + 1; j < BODIES; j++) {
                double dx = b[i].x - b[j].x, dy = b[i].y - b[j].y, dz = b[i].z - b[j].z;
                double square = dx * dx + dy * dy + dz * dz + 0.01;
                double force = 0.001 / (square * __builtin_elementwise_sqrt(square));
                b[i].vx -= dx * b[j].mass * force, b[i].vy -= dy * b[j].mass * force, b[i].vz -= dz * b[j].mass * force;
                b[j].vx += dx * b[i].mass * force, b[j].vy += dy * b[i].mass * force, b[j].vz += dz * b[i].mass * force;
            }
        for (int i = 0; i < BODIES; i++)
            b[i].x += 0.001 * b[i].vx, b[i].y += 0.001 * b[i].vy, b[i].z += 0.001 * b[i].vz;
    }
    uint64_t sum = 0;
    for (int i = 0; i < BODIES; i++) {
        union { double d; uint64_t u; } bits = { .d = b[i].x + b[i].vy };
        sum = mix(sum, bits.u);
    }
    return sum;
}
