# SPDX-License-Identifier: MIT
"""How a run ended, and the exit code that says so."""

# The program's own exit status 0..255 is the launcher's exit code. Any other status gives its low eight bits, or 255
# when those are zero, so that only 0 means success. What is not the program's own exit has these codes, together with a
# line on stderr that begins with "janus:".
CODE_CRASH = 121        # the program raised an exception that nothing handled
CODE_PANIC = 122        # the kernel stopped; not the program's fault
CODE_LOST = 123         # the machine ended, or QEMU failed, without a verdict
CODE_TIMEOUT = 124      # --timeout was over
CODE_USAGE = 125        # bad usage, a file that is not there, nothing built
CODE_LOAD = 126         # the program or one of its DLLs was refused

HELP = f"""exit code:
  the program's own, 0 to 255; a larger status gives its low eight bits, or 255 when those are zero.
  {CODE_CRASH} the program crashed    {CODE_PANIC} the kernel panicked    {CODE_LOST} the machine ended without a verdict
  {CODE_TIMEOUT} timeout                {CODE_USAGE} bad usage              {CODE_LOAD} the program or a DLL was refused
  With one of these codes a line beginning with "janus:" on stderr says what happened."""


def code_of_status(status):
    """The exit code for a program's exit status, a 32-bit number of either sign."""
    status &= 0xFFFFFFFF
    return status if status <= 255 else status & 255 or 255


class Outcome:
    """reason: exit, exception or load (the kernel's verdict), panic, lost, timeout (the launcher's)."""

    def __init__(self, reason, status=None, text=""):
        self.reason, self.text = reason, text
        self.status = None if status is None else status & 0xFFFFFFFF

    @property
    def code(self):
        if self.reason == "exit":
            return code_of_status(self.status)
        return {"exception": CODE_CRASH, "load": CODE_LOAD, "panic": CODE_PANIC, "timeout": CODE_TIMEOUT}.get(
            self.reason, CODE_LOST)

    def message(self):
        """What stderr shall say, or "" when the exit code says all."""
        status = None if self.status is None else f"0x{self.status:08x}"
        if self.reason == "exit":
            return "" if self.status <= 255 else f"janus: the program's exit status is {status}"
        text = {
            "exception": f"janus: the program crashed, exception {status}",
            "load": f"janus: the program was refused, status {status}",
            "panic": "janus: the kernel panicked",
            "timeout": "janus: timeout",
        }.get(self.reason, "janus: the machine ended without a verdict")
        return f"{self.text.rstrip()}\n{text}" if self.text.strip() else text
