# SPDX-License-Identifier: MIT
"""The parts of tests/oracle/oracle: vectors (the file format), replay (boots), shrink (mismatch to minimal case), campaign."""
