// SPDX-License-Identifier: MIT
// The first and only process of the Linux guest of `make bench-peers`: runs the workload program in every way there is and reads the
// instructions executed at EL0 meanwhile, by all threads of the program, whenever the program says where it is. Lines on the console:
//     PEER WAY NAME CHECKSUM COLD WARM
#include <fcntl.h>
#include <linux/perf_event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "tests/bench/peer.h"

static const struct way { const char *name, *arguments[4], *environment[7]; } ways[] = {
    { "native", { "/bench-arm64" }, { NULL } },
    { "box64", { "/box64", "/bench-x64" }, { NULL } },
    { "box64-callret1", { "/box64", "/bench-x64" }, { "BOX64_DYNAREC_CALLRET=1" } },
    { "box64-callret2", { "/box64", "/bench-x64" }, { "BOX64_DYNAREC_CALLRET=2" } },
    // What else its manual offers for speed, sound or not.
    { "box64-unsafe", { "/box64", "/bench-x64" }, { "BOX64_DYNAREC_CALLRET=2", "BOX64_DYNAREC_BIGBLOCK=3", "BOX64_DYNAREC_SAFEFLAGS=0",
        "BOX64_DYNAREC_FORWARD=1024", "BOX64_DYNAREC_X87DOUBLE=1", "BOX64_DYNAREC_FASTROUND=1" } },
    { "box64-strong", { "/box64", "/bench-x64" }, { "BOX64_DYNAREC_CALLRET=2", "BOX64_DYNAREC_STRONGMEM=3" } },
    { "qemu", { "/qemu-x86_64", "/bench-x64" }, { NULL } },
};

static int count_instructions(pid_t child)
{
    struct perf_event_attr attributes = {
        .type = PERF_TYPE_HARDWARE, .size = sizeof attributes, .config = PERF_COUNT_HW_INSTRUCTIONS,
        .inherit = 1, .exclude_kernel = 1, .exclude_hv = 1 };
    return (int)syscall(SYS_perf_event_open, &attributes, child, -1, -1, 0);
}

static void start(const struct way *way, const int marks[2], const int gos[2])
{
    const char *environment[16] = { "HOME=/", "PATH=/", "BOX64_NOBANNER=1", "BOX64_LOG=0", "BOX64_DYNACACHE=0" };
    for (size_t i = 0; i < sizeof way->environment / sizeof *way->environment && way->environment[i]; i++)
        environment[5 + i] = way->environment[i];
    char go;
    dup2(marks[1], 3);
    dup2(gos[0], 4);
    for (int fd = 5; fd < 32; fd++)
        close(fd);
    if (read(4, &go, 1) == 1)           // the counter is there
        execve(way->arguments[0], (char **)way->arguments, (char **)environment);
    perror(way->arguments[0]);
    _exit(127);
}

static void run(const struct way *way)
{
    int marks[2], gos[2];
    // The descriptors 3 and 4 are for the program.
    if (pipe(marks) || pipe(gos))
        return;
    int from_child = fcntl(marks[0], F_DUPFD, 10), to_child = fcntl(gos[1], F_DUPFD, 10);
    int child_out[2] = { -1, fcntl(marks[1], F_DUPFD, 10) }, child_in[2] = { fcntl(gos[0], F_DUPFD, 10), -1 };
    close(marks[0]), close(marks[1]), close(gos[0]), close(gos[1]);
    pid_t child = fork();
    if (!child)
        start(way, child_out, child_in);
    close(child_out[1]), close(child_in[0]);
    int counter = count_instructions(child);
    if (counter < 0) {
        perror("PEER no counter");
        kill(child, SIGKILL);
    }
    uint64_t before = 0, cold = 0;
    struct peer_mark mark;
    char go = 1;
    while (write(to_child, &go, 1) == 1 && read(from_child, &mark, sizeof mark) == sizeof mark) {
        uint64_t now;
        if (read(counter, &now, sizeof now) != sizeof now)
            break;
        if (mark.phase == PEER_COLD)
            cold = now - before;
        else if (mark.phase == PEER_WARM)
            printf("PEER %s %s %016llx %llu %llu\n", way->name, mark.name, (unsigned long long)mark.checksum,
                   (unsigned long long)cold, (unsigned long long)(now - before));
        before = now;
    }
    int status = 0;
    close(to_child), close(from_child), close(counter);
    waitpid(child, &status, 0);
    printf("PEER %s end %d\n", way->name, status);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGPIPE, SIG_IGN);
    static const char *const directories[] = { "/proc", "/sys", "/dev", "/tmp", "/lib", "/etc" };
    for (size_t i = 0; i < sizeof directories / sizeof *directories; i++)
        mkdir(directories[i], 0755);
    mount("proc", "/proc", "proc", 0, NULL);
    mount("sysfs", "/sys", "sysfs", 0, NULL);
    mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
    int console = open("/dev/console", O_RDWR);
    if (console >= 0) {
        dup2(console, 0), dup2(console, 1), dup2(console, 2);
        if (console > 2)
            close(console);
    }
    // The archive has no directories.
    static const char *const libraries[] = { "ld-linux-aarch64.so.1", "libc.so.6", "libm.so.6", "libresolv.so.2" };
    for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++) {
        char from[64], to[64];
        snprintf(from, sizeof from, "/%s", libraries[i]);
        snprintf(to, sizeof to, "/lib/%s", libraries[i]);
        rename(from, to);
    }
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        run(&ways[i]);
    printf("PEER all done\n");
    sync();
    reboot(RB_POWER_OFF);
    return 0;
}
