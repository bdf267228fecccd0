"""Makes docs/api.md: the reference of what scripts use, from its docstrings (``make docs``)."""

import dataclasses
import inspect
import re
from collections.abc import Iterator
from enum import Enum
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Final

MODULES: Final = (
    "vtctap",
    "vtctap.errors",
    "vtctap.pcap.trace",
    "vtctap.pcap.record",
    "vtctap.dissector.dissect",
    "vtctap.dissector.protocol.messages",
    "vtctap.dissector.pairing",
    "vtctap.dissector.profiles.files",
    "vtctap.dissector.tokens.decode",
    "vtctap.dissector.tokens.keys",
    "vtctap.dissector.analysis.exchanges",
    "vtctap.dissector.analysis.flows",
    "vtctap.dissector.analysis.check",
    "vtctap.dissector.analysis.findings",
    "vtctap.dissector.analysis.meter_state",
    "vtctap.dissector.analysis.statistics",
    "vtctap.dissector.wireshark.pyshark",
    "vtctap.sniffer.live",
    "vtctap.sniffer.capture",
)
"""What scripts use, from the trace to what it means, and live."""

_HEAD: Final = """# Reference

Made from the docstrings by `make docs`; do not edit. What scripts use, in the order of the way that octets go; the
[cookbook](cookbook.md) shows it at work. The fields of a record are in [fields](fields.md), the Scapy layer in
[scapy](scapy.md).
"""


def reference() -> str:
    """The text of docs/api.md."""
    return "\n".join([_HEAD, *(part for name in MODULES for part in _module(import_module(name)))])


def _module(module: ModuleType) -> Iterator[str]:
    yield f"## {module.__name__}\n\n{_text(module)}\n"
    doors = vars(module).get("_DOORS", {})
    if doors:
        yield "\n".join(f"- `{name}`: `{there}` of `{room}`" for name, (room, there) in doors.items()) + "\n"
    for name, thing in vars(module).items():
        if name.startswith("_") or name in doors or getattr(thing, "__module__", None) != module.__name__:
            continue
        if inspect.isclass(thing):
            yield from _class(name, thing)
        elif inspect.isfunction(thing):
            yield f"### `{name}{_signature(thing)}`\n\n{_text(thing)}\n"


def _class(name: str, cls: type) -> Iterator[str]:
    if issubclass(cls, Enum):
        members = ", ".join(f"`{member.name}` {member.value}" for member in cls)
        yield f"### class `{name}`\n\n{_text(cls)}\n\n{members}\n"
        return
    built = dataclasses.is_dataclass(cls) or "__init__" in vars(cls)
    yield f"### class `{name}{_signature(cls) if built and not issubclass(cls, Exception) else ''}`\n\n{_text(cls)}\n"
    members = []
    for member, thing in vars(cls).items():
        thing = thing.__func__ if isinstance(thing, (classmethod, staticmethod)) else thing
        if member.startswith("_") or not getattr(thing, "__doc__", None):
            continue
        if isinstance(thing, property):
            members.append(f"- `{member}`: {_line(thing)}")
        elif inspect.isfunction(thing):
            members.append(f"- `{member}{_signature(thing)}`: {_line(thing)}")
    if members:
        yield "\n".join(members) + "\n"


def _signature(thing: object) -> str:
    text = str(inspect.signature(thing))  # type: ignore[arg-type]
    text = re.sub(r"\bself, |\bself\b", "", text)
    text = re.sub(r"(?:[a-z_]+\.)+(?=[A-Za-z_])", "", text)
    return re.sub(r"<(\w+)[^<>]*: ([^<>]*)>", r"\2", text).replace("'", "")


def _text(thing: object) -> str:
    """A docstring; the roles of cross references are taken off."""
    text = inspect.getdoc(thing) or ""
    text = re.sub(
        r":(?:class|func|meth|mod|data|attr):`~?([\w.]+)`", lambda found: f"`{found[1].rpartition('.')[2]}`", text
    )
    return text.replace("``", "`")


def _line(thing: object) -> str:
    return " ".join(_text(thing).split())


if __name__ == "__main__":
    Path(__file__).with_name("api.md").write_text(reference(), "utf-8")
