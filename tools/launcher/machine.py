# SPDX-License-Identifier: MIT
"""The QEMU command line for every machine the kernel boots on."""
import os
import shutil

from launcher import uboot

QEMU = os.environ.get("JANUS_QEMU", "qemu-system-aarch64")
REPO = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
BUILD = os.environ.get("JANUS_BUILD", os.path.join(REPO, "build"))
DEPS = os.environ.get("JANUS_DEPS", os.path.join(BUILD, "deps"))
UBOOT_QEMU = os.environ.get("UBOOT_QEMU", "/usr/lib/u-boot/qemu_arm64/u-boot.bin")
UBOOT_RPI = os.environ.get("UBOOT_RPI", os.path.join(DEPS, "u-boot-rpi", "rpi_4", "u-boot.bin"))
PI4_DTB = os.environ.get("PI4_DTB", os.path.join(DEPS, "bcm2711-rpi-4-b.dtb"))


class MachineError(Exception):
    """What was asked for cannot be built: the message says why."""


def _need(path, what):
    if not os.path.exists(path):
        raise MachineError(f"{what} is not there: {path} (run make)")
    return path


def read(path, what):
    """The bytes of a file that make or tools/deps should have put there."""
    with open(_need(path, what), "rb") as file:
        return file.read()


def command(options, kernel, initrd, bootargs, directory):
    """The command that starts the machine of `options` (launcher.options) with `kernel` (a path), `initrd` (bytes) and
    `bootargs`. Media are written into `directory`, which must live as long as the machine."""
    if not shutil.which(QEMU):
        raise MachineError(f"{QEMU} is not installed (run make)")
    _need(kernel, "the kernel")
    initrd_path = os.path.join(directory, "initrd")
    with open(initrd_path, "wb") as file:
        file.write(initrd)

    out = [QEMU, "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-monitor", "none"]
    out += ["-chardev", "stdio,id=console,signal=off"]
    if options.icount:
        # One instruction is one nanosecond of virtual time, idle time is skipped, nothing comes from the host's clock.
        out += ["-icount", "shift=0,sleep=off", "-rtc", "base=2026-01-01,clock=vm", "-seed", "1"]
    board = {"virt": _virt, "raspi4b": _raspi4b}[options.machine]
    return out + board(options, kernel, initrd, initrd_path, bootargs, directory)


def _virt(options, kernel, initrd, initrd_path, bootargs, directory):
    machine = f"virt,gic-version={options.gic},dtb-randomness=off"
    if options.el == 2:
        machine += ",virtualization=on"
    out = ["-M", machine, "-cpu", options.cpu, "-smp", str(options.smp), "-m", options.memory,
           "-serial", "chardev:console", "-kernel", kernel, "-initrd", initrd_path]
    if options.via == "kernel":
        return out + ["-append", bootargs]
    flash = os.path.join(directory, "flash")
    uboot.write_virt_flash(flash, bootargs, len(initrd))
    return out + ["-bios", _need(UBOOT_QEMU, "U-Boot"), "-drive", f"if=pflash,index=1,format=raw,file={flash}"]


def _raspi4b(options, kernel, initrd, initrd_path, bootargs, directory):
    # The console is the mini-UART, the second serial port. Cores and memory are fixed.
    out = ["-M", "raspi4b", "-smp", "4", "-m", "2G", "-serial", "null", "-serial", "chardev:console",
           "-dtb", _need(PI4_DTB, "the Raspberry Pi 4 device tree")]
    if options.via == "kernel":
        return out + ["-kernel", kernel, "-initrd", initrd_path, "-append", bootargs]
    card = os.path.join(directory, "sdcard")
    uboot.write_sd_card(card, uboot.pi_files(read(UBOOT_RPI, "U-Boot for the Pi"), read(kernel, "the kernel"), initrd,
                                             bootargs))
    return out + ["-kernel", UBOOT_RPI, "-drive", f"if=sd,format=raw,file={card}"]
