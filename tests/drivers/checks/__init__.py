"""The checks of vtctap on real drivers: each yields rows of what is expected and what is seen."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from checks.bench import Bench, Row
from checks.latency import fifo_threshold, low_latency
from checks.marks import breaks_of_a_uart, marks
from checks.nothing_sent import first_openings, whole_sessions
from checks.other_programs import in_use, read_by_another
from checks.speeds import modes, not_reached, unknown_speeds
from checks.unplugging import unplugged

__all__ = ["MACHINES", "Bench", "Check", "Row"]

Check = Callable[[Bench], Iterator[Row]]

MACHINES: Final[dict[str, Sequence[Check]]] = {
    "first": (
        first_openings,
        in_use,
        read_by_another,
        unplugged,
        marks,
        breaks_of_a_uart,
    ),
    "second": (
        whole_sessions,
        low_latency,
        fifo_threshold,  # Before any other that goes below 2400 bit/s: the driver never raises the threshold again.
        modes,
        unknown_speeds,
        not_reached,
    ),
}
"""Two machines that run side by side, and the checks of each, in order."""
