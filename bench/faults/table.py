"""The table of the faults.

A fault is a function that starts the capture of a scene, lets traffic flow, does harm, waits for the end, and returns
the verdict.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from faults import disk, program, readers
from faults.oracle import Verdict
from faults.scene import Scene


@dataclass(frozen=True, slots=True)
class Fault:
    """One row: its name, what must hold, the function, whose docstring says what it does, and its number of ports."""

    name: str
    holds: str
    run: Callable[[Scene], Verdict]
    ports: int = 1

    @property
    def does(self) -> str:
        """What it does, in words."""
        return (self.run.__doc__ or "").strip().rstrip(".")


_WHOLE: Final = "every octet is there once, in order"
_UP_TO_THEN: Final = "what had been complete for 50 ms is there"

FAULTS: Final = (
    Fault("short writes", _WHOLE, disk.short_writes),
    Fault("slow disk", _WHOLE, disk.slow_disk, 2),
    Fault("torn end", "every whole record is read; the end is said", disk.torn_end),
    Fault("file limit", f"{_UP_TO_THEN}, up to the last octet; exit 4", disk.file_limit),
    Fault("full disk", f"{_UP_TO_THEN}, up to the last octet; exit 4", disk.full_disk),
    Fault("output deleted", f"{_UP_TO_THEN}; said, exit 4", disk.deleted),
    Fault("output moved", f"{_WHOLE}; said, exit 4", disk.moved),
    Fault("output overwritten", "said, exit 4", disk.overwritten),
    Fault("output shared", f"it is refused; {_WHOLE}", disk.shared),
    Fault("killed", _UP_TO_THEN, program.killed),
    Fault("pair killed", _UP_TO_THEN, program.pair_killed, 2),
    Fault("stopped", _WHOLE, program.stopped, 2),
    Fault("clock stepped", f"{_WHOLE}; steps recorded", program.stepped_clock),
    Fault("trace pipe stuck", "there, or its loss is recorded", readers.trace_pipe_stuck),
    Fault(
        "trace pipe stuck to the end",
        "ends; what was read is in order; said, exit 4",
        readers.trace_pipe_stuck_to_the_end,
    ),
    Fault("trace pipe closed", f"ends; {_UP_TO_THEN}", readers.trace_pipe_closed),
    Fault("lines stuck", _WHOLE, readers.lines_pipe_stuck),
    Fault("lines closed", f"ends; {_WHOLE}", readers.lines_pipe_closed),
    Fault("messages stuck", _WHOLE, readers.errors_pipe_stuck),
    Fault("statistics stuck", f"a signal ends it; {_WHOLE}", readers.statistics_stuck),
    Fault("terminal stopped", _WHOLE, readers.terminal_stopped),
    Fault("terminal closed", f"ends; {_WHOLE}", readers.terminal_closed),
    Fault("control pipes stuck", _WHOLE, readers.control_pipes_stuck),
    Fault("Wireshark gone", f"ends; {_UP_TO_THEN}", readers.wireshark_gone),
    Fault("port lost", _WHOLE, program.port_lost),
    Fault("stalls", _WHOLE, program.stalls_at_full_speed, 2),
    Fault("noise", _WHOLE, program.noise),
    Fault("swapped taps", f"{_WHOLE}; said", program.swapped_taps, 2),
    Fault("mixed", _WHOLE, program.mixed, 2),
)
