"""What happens in a session: the client's steps, written from the pieces of a dialect's story."""

from collections.abc import Callable, Iterator
from random import Random
from typing import Final

from vtctap.sniffer.simulated import speech
from vtctap.sniffer.simulated.client import (
    Break,
    End,
    Password,
    Poll,
    Read,
    SelectOption,
    SignOn,
    Step,
    Undefined,
    Write,
)
from vtctap.sniffer.simulated.device import Device
from vtctap.sniffer.simulated.dialect import DialectRegister
from vtctap.sniffer.simulated.tokens import Purse, encoded

_SEVERAL: Final = 3
"""Most registers that are read at once."""


def scripts(device: Device, random: Random) -> Iterator[list[Step]]:
    """Yields the steps of each session with a device, without end; ``random`` draws its tokens."""
    refused = ""
    while True:
        writer = _Writer(device, random, refused)
        yield _script(device, writer)
        refused = writer.refused


def _script(device: Device, writer: "_Writer") -> list[Step]:
    """The steps of one session."""
    dialect = device.dialect
    session = dialect.session
    pieces = list(dialect.story.pieces)
    steps: list[Step] = []
    if "early read" in pieces:
        pieces.remove("early read")
        steps.append(writer.read("credit"))
    if session.sign_on:
        steps.append(SignOn(device.number if session.addressed else ""))
    if session.option:
        steps.append(SelectOption(session.option))
    if session.password:
        steps.append(Password(session.password))
    for piece in pieces:
        steps += writer.pieces[piece]()
    return [*steps, Break() if session.ends_with_break else End()]


class _Writer:
    """Writes the pieces. The token of ``credit`` is remembered for ``used``, and the good token that a lockout refuses
    (``refused``) for ``once more`` in the next session, which gets it as ``before``."""

    def __init__(self, device: Device, random: Random, before: str) -> None:
        self.refused = ""
        self._before = before
        self._dialect = device.dialect
        self._registers = self._dialect.registers
        self._purse = Purse(self._dialect.tokens, random)
        self._random = random
        self._credit = self._purse.credit()
        self.pieces: dict[str, Callable[[], list[Step]]] = {
            "registers": self._all,
            "several": self._several,
            "unknown register": self._unknown,
            "undefined command": lambda: [Undefined()],
            "write refused": self._refused,
            "once more": self._once_more,
            "credit": lambda: [*self._enter(self._credit), self.read("consumption"), self.read("credit")],
            "key change": self._key_change,
            "used": lambda: self._enter(self._credit),
            "lockout": self._lockout,
            "test": lambda: self._enter(self._purse.self_test()),
        }

    def read(self, role: str) -> Step:
        """A read of a register."""
        register = self._registers.of(role)
        return Read(register.id, speech.whole(self._dialect, register))

    @property
    def _readable(self) -> list[DialectRegister]:
        return [register for register in self._registers.entries if register.role != "tokenData"]

    def _all(self) -> list[Step]:
        return [self.read(register.role) for register in self._readable]

    def _several(self) -> list[Step]:
        """Reads of neighbours, or of the first octet of registers that have more."""
        readable = self._readable
        if self._dialect.syntax.count == "octets":
            return [Read(each.id, 1) for each in readable if each.coding == "hexadecimal" and each.octets > 1]
        steps: list[Step] = []
        for at, first in enumerate(readable):
            run = 1
            while run < _SEVERAL and at + run < len(readable) and self._follow(first, readable[at + run], run):
                run += 1
            if run > 1:
                steps.append(Read(first.id, run))
        return steps

    def _follow(self, first: DialectRegister, other: DialectRegister, by: int) -> bool:
        radix = self._registers.radix
        return int(other.id, radix) == int(first.id, radix) + by

    def _unknown(self) -> list[Step]:
        """A read of a register that the meter does not have, on its first page."""
        known = {register.id for register in self._registers.entries}
        page, radix = self._registers.pages[0], self._registers.radix
        numbers = (format(number, "02X" if radix == 16 else "02") for number in range(radix * radix - 1, -1, -1))
        return [Read(next(page + number for number in numbers if page + number not in known), 1, refused=True)]

    def _refused(self) -> list[Step]:
        """A write to a register that can only be read."""
        return [Write(self._registers.id("consumption"), "00", refused=True)]

    def _enter(self, digits: str) -> list[Step]:
        tokens, status = self._dialect.tokens, self._registers.of("tokenStatus")
        return [
            Write(self._registers.id("tokenData"), encoded(digits, tokens.encoding)),
            Poll(status.id, tokens.statuses["pending"], speech.whole(self._dialect, status)),
        ]

    def _key_change(self) -> list[Step]:
        first, second = self._purse.key_change()
        has_key = any(register.role == "keyRevisionAndType" for register in self._registers.entries)
        return [*self._enter(first), *self._enter(second), *([self.read("keyRevisionAndType")] if has_key else [])]

    def _lockout(self) -> list[Step]:
        """Refused tokens up to the lockout, and then a good one. A token that was used before is refused, too."""
        wrong = (self._dialect.tokens.lockout_after or 2) - ("used" in self._dialect.story.pieces)
        tokens = [*(self._purse.wrong() for _ in range(wrong)), self._purse.credit()]
        self.refused = tokens[-1] if self._dialect.tokens.lockout_after else ""
        return [step for digits in tokens for step in self._enter(digits)]

    def _once_more(self) -> list[Step]:
        """The good token that a lockout refused in the session before, and what it brings."""
        return [*self._enter(self._before), self.read("credit")] if self._before else []
