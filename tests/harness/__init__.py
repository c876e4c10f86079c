# SPDX-License-Identifier: MIT
"""The parts of tests/run: one module per kind of test, each with find(), and schedule, which runs and counts them."""
