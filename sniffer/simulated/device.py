"""One meter of a dialect: its number and its values, and how they are written on the wire.

Constants are those of the dialect. The meter's number, its supply group and the first state of its counters are drawn
from the device's own seed. Energy is consumed at a constant rate from the first reading of it on.

The client of the pair needs the same device: it names the meter's number at a sign-on.
"""

from collections.abc import Callable, Mapping
from random import Random
from typing import Final

from vtctap.sniffer.simulated.dialect import BEHAVIOURS, Dialect, DialectRegister, IdentificationPart
from vtctap.sniffer.simulated.machine import MS
from vtctap.sniffer.simulated.named import KNOWN, NAMED

_STEP_NS: Final = 60_000 * MS
"""The time in which 0.1 kWh is consumed, at 6 kW."""
_SPECIMEN: Final = {
    "version": 1,
    "meterStatus": 0,
    "tariffIndex": 1,
    "maximumPower": 9_200,
    "phaseUnbalance": 2_300,
    "tamperStatus": 0,
}
"""The constants of named dialects."""
_MAKER: Final = "00"
"""The first digits of the meter's number; STS has given them to no maker."""


def luhn(digits: str) -> str:
    """The Luhn check digit of decimal digits."""
    total = sum(sum(divmod(int(digit) * (2 - at % 2), 10)) for at, digit in enumerate(reversed(digits)))
    return str(-total % 10)


class Device:
    """A meter of ``dialect``, one for each ``seed``; that of seed 0 has values that are easily recognised."""

    def __init__(self, dialect: Dialect = KNOWN, seed: int = 0) -> None:
        self.dialect = dialect
        kind, own = Random(f"{dialect.name} constants"), Random(f"{seed} device")
        serial = f"{own.randrange(10**8):08}" if seed else "12345678"
        self.number = _MAKER + serial + luhn(_MAKER + serial)
        self._group = own.randrange(100_000, 999_999) if seed else 123_456
        self._consumed = own.randrange(1_000, 90_000) if seed else 123_456
        self._credit = own.randrange(500, 3_000) if seed else 1_234
        self._key = (own.randrange(1, 4) if seed else 1) << 4 | 2
        drawn = {role: kind.randrange(1, 100) for role, how in BEHAVIOURS.items() if how == "constant"}
        self._constants = _SPECIMEN if dialect.name in NAMED else drawn
        self._since: int | None = None
        self._sessions = 0

    def load(self, amount: int) -> None:
        """Adds credit, in 0.1 kWh."""
        self._credit += amount

    def change_key(self, revision: int, key_type: int) -> None:
        """Changes key revision and type."""
        self._key = revision << 4 | key_type

    def value(self, register: DialectRegister, now: int) -> str:
        """The value of a register at ``now`` (ns), as on the wire; not of those that are about tokens."""
        return written(register, self._number(register.role, now))

    def identification(self) -> str:
        """The identification at the next sign-on, without its slash."""
        self._sessions += 1
        serial = ""
        text = ""
        for part in self.dialect.session.identification:
            piece = self._part(part, serial)
            serial = piece if part.kind == "serial" else serial
            text += piece
        return text

    def _part(self, part: IdentificationPart, serial: str) -> str:
        if part.kind == "serial":
            return self.number[-part.width :]
        if part.kind == "luhn":
            return luhn(serial)
        if part.kind == "counter":
            return f"{self._sessions % 10**part.width:0{part.width}}"
        return part.text

    def _number(self, role: str, now: int) -> int:
        return self._states[role](now) if role in self._states else self._constants[role]

    @property
    def _states(self) -> Mapping[str, Callable[[int], int]]:
        return {
            "meterNumber": lambda now: int(self.number),
            "supplyGroupCode": lambda now: self._group,
            "keyRevisionAndType": lambda now: self._key,
            "consumption": lambda now: self._consumed + self._steps(now),
            "credit": lambda now: max(self._credit - self._steps(now), 0),
        }

    def _steps(self, now: int) -> int:
        """The energy consumed since the first reading, in 0.1 kWh."""
        if self._since is None:
            self._since = now
        return (now - self._since) // _STEP_NS


def written(register: DialectRegister, number: int) -> str:
    """Writes a number in a register's coding."""
    if register.coding == "hexadecimal":
        return f"{number:0{2 * register.octets}X}"
    if register.role == "keyRevisionAndType":
        return f"{number >> 4}{number & 15}"
    text = f"{number:0{register.octets - bool(register.places)}}"
    if register.places:
        text = f"{text[: -register.places]}.{text[-register.places :]}"
    return f"{text}*{register.unit}" if register.unit else text
