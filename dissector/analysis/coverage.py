"""Coverage: how much of a trace a profile names and decodes. Memory grows only with the number of registers."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from vtctap.dissector.dissect import Dissection, Frame
from vtctap.dissector.profiles.model import Profile
from vtctap.dissector.protocol.rules import MessageName

MAX_REGISTERS: Final = 10_000
"""Most registers kept."""
_MAX_ID: Final = 40


@dataclass(slots=True)
class Coverage:
    """How much of a trace a profile explains.

    ``unnamed`` counts the data sets of unnamed registers; ``undecoded`` counts the values of named registers that do
    not have the form in the profile. What a read has in its brackets is a count, and no value.
    """

    records: int = 0
    frames: int = 0
    messages: int = 0
    data_sets: int = 0
    named: int = 0
    values: int = 0
    decoded: int = 0
    assumed: int = 0
    registers: set[str] = field(default_factory=set)
    unnamed: Counter[str] = field(default_factory=Counter)
    undecoded: Counter[str] = field(default_factory=Counter)

    def counting(self, dissections: Iterable[Dissection], profile: Profile) -> Iterator[Dissection]:
        """Counts records while they pass."""
        for dissection in dissections:
            self.feed(dissection, profile)
            yield dissection

    def feed(self, dissection: Dissection, profile: Profile) -> None:
        """Counts the next record."""
        self.records += 1
        if not isinstance(dissection, Frame):
            return
        message, meaning = dissection.message, dissection.meaning
        asks = message.message == MessageName.ReadCommand
        self.frames += 1
        self.messages += message.message not in (None, MessageName.UndefinedCommand)
        self.assumed += bool(meaning.assumed)
        decoded = meaning.value_decoded or ("",) * len(message.register)
        for id, value, word in zip(dissection.registers, message.value, decoded, strict=True):
            if not id or len(id) > _MAX_ID:
                continue
            self.data_sets += 1
            register = profile.register(id)
            if register is None:
                if id in self.unnamed or len(self.unnamed) < MAX_REGISTERS:
                    self.unnamed[id] += 1
                continue
            self.named += 1
            if len(self.registers) < MAX_REGISTERS:
                self.registers.add(id)
            if value and not asks and register.encoding.type not in ("text", "token"):
                self.values += 1
                self.decoded += bool(word)
                if not word and (id in self.undecoded or len(self.undecoded) < MAX_REGISTERS):
                    self.undecoded[id] += 1

    def as_json(self) -> dict[str, object]:
        """Returns the counts by name, the registers as lists."""
        return {
            "records": self.records,
            "frames": self.frames,
            "messages": self.messages,
            "data_sets": self.data_sets,
            "named": self.named,
            "values": self.values,
            "decoded": self.decoded,
            "assumed": self.assumed,
            "registers": sorted(self.registers),
            "unnamed": dict(sorted(self.unnamed.items())),
            "undecoded": dict(sorted(self.undecoded.items())),
        }
