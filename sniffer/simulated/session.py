"""The demonstration: complete sessions of a client and a meter, in virtual time.

:func:`play` is the simulated link of ``vtctap demo --fast`` and of the tests. The pseudo-terminals of
:mod:`vtctap.sniffer.simulated.ptys` carry the same octets in real time. The same arguments always give the same octets
at the same times.
"""

from collections.abc import Collection, Iterator
from random import Random
from typing import Final

from vtctap.pcap.record import Line
from vtctap.sniffer.simulated import meter
from vtctap.sniffer.simulated.client import (
    Break,
    ClientMachine,
    Hdlc,
    Poll,
    Read,
    Readout,
    SelectOption,
    SignOn,
    Step,
    Write,
)
from vtctap.sniffer.simulated.faults import Fault, Faults
from vtctap.sniffer.simulated.meter import MeterMachine
from vtctap.sniffer.simulated.octets import DISC, SNRM
from vtctap.sniffer.simulated.tokens import NOT_READY, token
from vtctap.sniffer.simulated.wire import VirtualWire, WireOctet

EPOCH: Final = 1_767_225_600_000_000_000
"""The start of the virtual clock, ns since 1970 UTC: 2026-01-01 00:00:00."""
SPEED: Final = 9600
LINE: Final = Line(7, "E", 1)

TEST_TOKENS: Final = (
    "56493153725450313471",
    "00000000000150997584",
    "00000000000167774880",
    "00000000000201328896",
    "18446744073843772416",
    "36893488147553322496",
)
"""Tokens of class 1, which are the same for every meter: the first starts all tests, the others one test each (IEC
62055-41)."""


def credit_token(random: Random) -> str:
    """Makes a token of class 0, subclass 0, for 5.0 to 200.0 kWh, which no real meter would accept."""
    rnd, tid, amount = random.randrange(1 << 4), random.randrange(1 << 24), random.randint(50, 2000)
    return token(0, rnd << 40 | tid << 16 | amount)


def script(random: Random) -> list[Step]:
    """Returns the script of one session: sign-on, reads, a credit token and its status until it is ready, the same
    token again (which the meter rejects as used), a test token, a last read, and break."""
    credit, poll = credit_token(random), Poll(meter.TOKEN_STATUS, f"{NOT_READY:02X}")
    return [
        SignOn(),
        *map(Read, (meter.VERSION, meter.METER_NUMBER_REGISTER, meter.METER_STATUS, meter.TAMPER_STATUS)),
        *map(Read, (meter.SUPPLY_GROUP_CODE, meter.KEY_REVISION_AND_TYPE, meter.AVAILABLE_CREDIT)),
        Write(meter.TOKEN_DATA, credit),
        poll,
        Write(meter.TOKEN_DATA, credit),
        poll,
        Write(meter.TOKEN_DATA, random.choice(TEST_TOKENS)),
        poll,
        Read(meter.AVAILABLE_CREDIT),
        Break(),
    ]


_NEGOTIATED: Final[dict[str, tuple[str, tuple[Step, ...]]]] = {
    "B": ("ZZzCvtctap-demo", (SignOn(), Readout())),
    "C": (
        meter.IDENTIFICATION,
        (
            SignOn(),
            SelectOption("051"),
            *map(Read, (meter.METER_NUMBER_REGISTER, meter.CONSUMPTION, meter.TOKEN_STATUS)),
            Break(),
        ),
    ),
    "C readout": (meter.IDENTIFICATION, (SignOn(), SelectOption("050"))),
    "E": ("ZZz5\\2vtctap-demo", (SignOn(), SelectOption("252"), Hdlc(SNRM), Hdlc(DISC))),
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
    speed: int = SPEED,
    line: Line = LINE,
    faults: Collection[str] = (),
    sessions: int = 1,
    mode: str = "",
) -> Play:
    """Plays sessions of a client and a meter at ``speed`` (bit/s) on ``line``, beginning at :data:`EPOCH`.

    ``faults`` are the codes of the faults in each session (:data:`~vtctap.sniffer.simulated.faults.FAULTS`). ``mode``,
    one of :data:`MODES`, selects another script that begins at ``speed`` and continues at 9600 bit/s (mode B: 2400).
    Raises ValueError for unknown codes and modes, and for ``parity`` on a line on which a tap does not see the parity
    bit.
    """
    if mode and mode not in MODES:
        raise ValueError(f"no such mode: {mode}; there are {', '.join(MODES)}")
    if "parity" in faults and not line.has_parity:
        raise ValueError(f"a line of {line} shows no parity errors: leave the fault out, or choose 7E1")
    story = Random(f"{seed} story")
    identification, negotiated = _NEGOTIATED.get(mode, (meter.IDENTIFICATION, ()))
    steps = (step for _ in range(sessions) for step in negotiated or script(story))
    disturbance = Faults(Random(f"{seed} faults"), faults)
    wire = VirtualWire(
        {
            "client": ClientMachine(steps, Random(f"{seed} client"), speed=speed),
            "server": MeterMachine(Random(f"{seed} meter"), speed=speed, identification=identification),
        },
        speed=speed,
        line=line,
        now=EPOCH,
        disturbance=disturbance,
    )
    return Play(wire, disturbance)
