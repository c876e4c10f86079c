# SPDX-License-Identifier: MIT
"""The parts of tools/janus: cpio and startup build what the kernel is given, machine builds the QEMU command line and
the U-Boot media, protocol reads what comes over the serial line, session runs one machine from power-on to its verdict."""
