# SPDX-License-Identifier: MIT
"""Media for a start through U-Boot: an environment in flash (virt) or an SD card (raspi4b, and a real Pi)."""
import os
import subprocess
import zlib

SECTOR = 512
PARTITION_START = 2048              # sectors: 1 MiB, as every partitioning tool does
FAT32_LBA = 0x0C


def environment(variables, size):
    """U-Boot's environment block: CRC-32 of the rest, then NAME=VALUE strings, padded with zeros to `size` bytes."""
    text = b"".join(f"{name}={value}".encode("utf-8") + b"\0" for name, value in variables.items()) + b"\0"
    if len(text) > size - 4:
        raise ValueError(f"the U-Boot environment holds {size - 4} bytes, {len(text)} are needed")
    data = text.ljust(size - 4, b"\0")
    return zlib.crc32(data).to_bytes(4, "little") + data


# U-Boot's flash layout on virt (CONFIG_ENV_ADDR, CONFIG_ENV_SIZE): the second flash begins with the environment.
VIRT_FLASH_BYTES = 64 << 20
VIRT_ENVIRONMENT_BYTES = 0x40000
VIRT_KERNEL, VIRT_INITRD, VIRT_TREE = 0x40400000, 0x44000000, 0x40000000


def write_virt_flash(path, bootargs, initrd_bytes):
    """The second flash of `virt`. U-Boot takes kernel and initrd from QEMU (fw_cfg) and boots without a prompt; its own
    boot flow would do the same after a two-second countdown."""
    variables = {
        "bootdelay": "-2",
        "bootargs": bootargs,
        "fdt_high": "0xffffffffffffffff",
        "initrd_high": "0xffffffffffffffff",
        "bootcmd": f"qfw load {VIRT_KERNEL:x} {VIRT_INITRD:x}; "
                   f"booti {VIRT_KERNEL:x} {VIRT_INITRD:x}:{initrd_bytes:x} {VIRT_TREE:x}",
    }
    with open(path, "wb") as flash:
        flash.write(environment(variables, VIRT_ENVIRONMENT_BYTES))
        flash.truncate(VIRT_FLASH_BYTES)        # sparse; only the environment takes room


CONFIG_TXT = """# Raspberry Pi 4: {what}
arm_64bit=1
enable_uart=1
kernel={kernel}
"""


def write_sd_card(path, files):
    """An SD card image with one FAT32 partition holding `files` (name to bytes). Its size is a power of two, which QEMU
    insists on."""
    need = sum(map(len, files.values())) + (8 << 20)
    size = 64 << 20
    while size < need + PARTITION_START * SECTOR:
        size *= 2
    sectors = size // SECTOR - PARTITION_START
    entry = (b"\x80" + b"\xfe\xff\xff" + bytes([FAT32_LBA]) + b"\xfe\xff\xff" +
             PARTITION_START.to_bytes(4, "little") + sectors.to_bytes(4, "little"))
    with open(path, "wb") as card:
        card.write(bytes(446) + entry + bytes(48) + b"\x55\xaa")
        card.truncate(size)
    partition = f"{path}@@{PARTITION_START * SECTOR}"
    quiet = dict(os.environ, MTOOLS_SKIP_CHECK="1")
    _run(["mformat", "-i", partition, "-F", "-T", str(sectors), "-h", "64", "-s", "32", "-H", str(PARTITION_START), "-N", "4a414e53"], quiet)
    for name, data in files.items():
        _run(["mcopy", "-i", partition, "-", f"::{name}"], quiet, data)


def _run(command, environment_variables, data=b""):
    done = subprocess.run(command, input=data, env=environment_variables, capture_output=True, check=False)
    if done.returncode:
        raise OSError(f"{command[0]} failed: {done.stderr.decode(errors='replace').strip()}")


# U-Boot's own variables put the kernel at 0x80000 and the initrd at 0x2700000; these give both more room, and stay clear
# of the device tree, which QEMU puts at 0x8000000 and the Pi's firmware below 0x3b400000.
PI_KERNEL, PI_INITRD = 0x00400000, 0x10000000


def pi_files(uboot, kernel, initrd, bootargs):
    """What the card holds for a Pi that starts U-Boot, which starts Janus. boot.scr is found by every version."""
    commands = (
        f"load ${{devtype}} ${{devnum}}:${{distro_bootpart}} {PI_KERNEL:x} /janus.img\n"
        f"load ${{devtype}} ${{devnum}}:${{distro_bootpart}} {PI_INITRD:x} /janus.cpio\n"
        f"setenv bootargs {bootargs}\n"
        f"booti {PI_KERNEL:x} {PI_INITRD:x}:{len(initrd):x} ${{fdt_addr}}\n")
    return {
        "config.txt": CONFIG_TXT.format(what="U-Boot starts Janus", kernel="u-boot.bin").encode(),
        "u-boot.bin": uboot, "janus.img": kernel, "janus.cpio": initrd, "boot.scr": script(commands.encode()),
    }


IMAGE_MAGIC, OS_LINUX, ARCH_ARM64, TYPE_SCRIPT, COMPRESSION_NONE = 0x27051956, 5, 22, 6, 0


def script(commands):
    """A U-Boot script image, as `mkimage -A arm64 -T script -C none` makes it."""
    body = len(commands).to_bytes(4, "big") + bytes(4) + commands
    header = bytearray(64)
    fields = (IMAGE_MAGIC, 0, 0, len(body), 0, 0, zlib.crc32(body))
    header[:28] = b"".join(field.to_bytes(4, "big") for field in fields)
    header[28:32] = bytes([OS_LINUX, ARCH_ARM64, TYPE_SCRIPT, COMPRESSION_NONE])
    header[32:37] = b"janus"
    header[4:8] = zlib.crc32(header).to_bytes(4, "big")
    return bytes(header) + body
