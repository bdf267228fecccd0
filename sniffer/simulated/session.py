"""The demonstration: complete sessions of a client and a meter, in virtual time.

:func:`play` is the simulated link of ``vtctap demo --fast`` and of the tests. The pseudo-terminals of
:mod:`vtctap.sniffer.simulated.ptys` carry the same octets in real time. The same arguments always give the same octets
at the same times.
"""

from collections.abc import Callable, Collection, Iterator
from random import Random
from typing import Final

from vtctap.pcap.record import Line
from vtctap.sniffer.simulated.client import Break, ClientMachine, End, Hdlc, Read, Readout, SelectOption, SignOn, Step
from vtctap.sniffer.simulated.device import Device
from vtctap.sniffer.simulated.dialect import Dialect
from vtctap.sniffer.simulated.faults import Fault, Faults
from vtctap.sniffer.simulated.meter import MeterMachine
from vtctap.sniffer.simulated.named import GUESS, IDENTIFICATION, KNOWN
from vtctap.sniffer.simulated.octets import DISC, SNRM
from vtctap.sniffer.simulated.story import scripts
from vtctap.sniffer.simulated.wire import VirtualWire, WireOctet

EPOCH: Final = 1_767_225_600_000_000_000
"""The start of the virtual clock, ns since 1970 UTC: 2026-01-01 00:00:00."""
_READ: Final = tuple(Read(GUESS.registers.id(role)) for role in ("meterNumber", "consumption", "tokenStatus"))
_NEGOTIATED: Final[dict[str, tuple[str, tuple[Step, ...]]]] = {
    "B": ("ZZzCvtctap-demo", (SignOn(), Readout(), End())),
    "C": (IDENTIFICATION, (SignOn(), SelectOption("051"), *_READ, Break())),
    "C readout": (IDENTIFICATION, (SignOn(), SelectOption("050"), End())),
    "E": ("ZZz5\\2vtctap-demo", (SignOn(), SelectOption("252"), Hdlc(SNRM), Hdlc(DISC), End())),
}
"""Sessions of IEC 62056-21 that change the speed: the meter's identification and the client's steps, by mode."""
MODES: Final = tuple(_NEGOTIATED)


class Play:
    """A run of the demonstration; iterating yields its octets in order of time."""

    def __init__(self, wire: VirtualWire, faults: Faults) -> None:
        self._octets = wire.run()
        self._faults = faults

    def __iter__(self) -> Iterator[WireOctet]:
        return self._octets

    @property
    def faults(self) -> list[Fault]:
        """The faults that have happened so far."""
        return self._faults.happened


def play(
    seed: int = 0,
    *,
    dialect: Dialect = KNOWN,
    speed: int | None = None,
    line: Line | None = None,
    faults: Collection[str] = (),
    sessions: int = 1,
    mode: str = "",
) -> Play:
    """Plays sessions of a client and a meter of ``dialect``, beginning at :data:`EPOCH`. ``speed`` (bit/s) and ``line``
    replace the dialect's.

    ``faults`` are the codes of the faults in each session (:data:`~vtctap.sniffer.simulated.faults.FAULTS`), besides
    those of the dialect's story. ``mode``, one of :data:`MODES`, selects another script, of IEC 62056-21, that begins
    at ``speed`` and continues at 9600 bit/s (mode B: 2400). Raises ValueError for unknown codes and modes, and for
    ``parity`` on a line on which a tap does not see the parity bit.
    """
    if mode and mode not in MODES:
        raise ValueError(f"no such mode: {mode}; there are {', '.join(MODES)}")
    dialect = GUESS if mode else dialect
    line = line or Line.parse(dialect.wiring.format)
    speed = speed or dialect.wiring.opening_speed
    if "parity" in faults and not line.has_parity:
        raise ValueError(f"a line of {line} shows no parity errors: leave the fault out, or choose 7E1")
    device = Device(dialect, seed)
    identification, negotiated = _NEGOTIATED.get(mode, (None, ()))
    stories = scripts(device, Random(f"{seed} story"))
    disturbance = Faults(Random(f"{seed} faults"), {*faults, *dialect.story.faults}, dialect)
    write = (lambda: list(negotiated)) if negotiated else lambda: next(stories)
    wire = VirtualWire(
        {
            "client": ClientMachine(
                _steps(write, sessions, disturbance), Random(f"{seed} client"), dialect=dialect, speed=speed
            ),
            "server": MeterMachine(Random(f"{seed} meter"), device, speed=speed, identification=identification),
        },
        speed=speed,
        line=line,
        now=EPOCH,
        disturbance=disturbance,
    )
    return Play(wire, disturbance)


def _steps(write: Callable[[], list[Step]], sessions: int, faults: Faults) -> Iterator[Step]:
    """The steps of all sessions. A client takes the first step of a session when the one before has ended, and then the
    faults begin anew."""
    for _ in range(sessions):
        faults.begin_session()
        yield from write()
