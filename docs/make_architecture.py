"""Draws the house by its imports, and fails where one goes up: docs/pictures/architecture.svg (``make architecture``).

The table of rooms is the rule, and the only place that says it: it stands from the ground up, so that a room can only
know rooms above its own row, and the arrows between rooms have no cycle. Nor have those between modules, but for those
that only type checkers see. grimp reads what the modules of the installed package import, also inside functions.
Graphviz draws; an arrow that follows from others is left out of the drawing. ``--check`` draws nothing, and tells
whether the picture is current.
"""

import hashlib
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Final

import grimp

PICTURE: Final = Path(__file__).parent / "pictures" / "architecture.svg"


@dataclass(frozen=True)
class Room:
    """Modules (or packages, with all in them) with one purpose. ``knows`` are the rooms that they may import."""

    name: str
    wing: str
    modules: tuple[str, ...]
    knows: tuple[str, ...]
    purpose: str


_MEANING: Final = ("record", "protocol", "catalogue", "profiles", "tokens", "DLMS", "meaning")

ROOMS: Final = (
    Room(
        "errors",
        "vtctap",
        ("vtctap.errors", "vtctap.extras", "vtctap.nouns", "vtctap.bounded_toml"),
        (),
        "what a user can mend",
    ),
    Room(
        "record",
        "pcap",
        (
            "vtctap.pcap.record",
            "vtctap.pcap.burst",
            "vtctap.pcap.construction",
            "vtctap.pcap.hash_chain",
            "vtctap.pcap.skipped",
        ),
        (),
        "one row of a trace",
    ),
    Room("trace files", "pcap", ("vtctap.pcap",), ("record",), "pcapng, pcap, rings, imports"),
    Room("protocol", "dissector", ("vtctap.dissector.protocol",), ("record",), "characters, messages, rules"),
    Room("framing", "dissector", ("vtctap.dissector.framing",), ("record", "protocol"), "octets to records"),
    Room("catalogue", "dissector", ("vtctap.dissector.catalogue",), ("protocol",), "every field, once"),
    Room(
        "profiles", "dissector", ("vtctap.dissector.profiles",), ("record", "protocol", "catalogue"), "meaning as data"
    ),
    Room("tokens", "dissector", ("vtctap.dissector.tokens",), ("protocol", "catalogue"), "STS tokens"),
    Room("DLMS", "dissector", ("vtctap.dissector.dlms",), ("protocol", "tokens"), "tokens over mode E"),
    Room(
        "meaning", "dissector", ("vtctap.dissector",), ("framing", *_MEANING[:-1]), "records to fields, filters, text"
    ),
    Room("analysis", "dissector", ("vtctap.dissector.analysis",), _MEANING, "exchanges, findings, statistics"),
    Room(
        "learning",
        "dissector",
        ("vtctap.dissector.learning",),
        ("record", "protocol", "catalogue", "profiles", "tokens", "meaning", "analysis"),
        "what a capture shows of a protocol",
    ),
    Room(
        "report",
        "dissector",
        ("vtctap.dissector.analysis.report",),
        ("record", "profiles", "meaning", "analysis"),
        "one page of HTML",
    ),
    Room(
        "tables",
        "dissector",
        ("vtctap.dissector.tables",),
        ("record", "protocol", "catalogue", "profiles", "meaning", "analysis"),
        "rows and typed columns",
    ),
    Room(
        "redaction",
        "dissector",
        ("vtctap.dissector.redaction",),
        ("record", "protocol", "framing", "profiles", "tokens"),
        "traces without secrets",
    ),
    Room("Scapy layer", "dissector", ("vtctap.dissector.scapy",), (*_MEANING, "analysis"), "packets"),
    Room("Lua dissector", "dissector", ("vtctap.dissector.wireshark",), (*_MEANING, "analysis"), "made for Wireshark"),
    Room(
        "pyshark",
        "dissector",
        ("vtctap.dissector.wireshark.pyshark",),
        ("record", "trace files", "profiles", "Lua dissector"),
        "through Wireshark's decoding",
    ),
    Room("simulated link", "sniffer", ("vtctap.sniffer.simulated",), ("record", "protocol"), "client, meter, wire"),
    Room(
        "sniffer",
        "sniffer",
        ("vtctap.sniffer",),
        ("record", "protocol", "framing", "profiles", "simulated link"),
        "ports to records",
    ),
    Room(
        "command line",
        "vtctap",
        tuple(
            f"vtctap.{name}"
            for name in (
                "arguments",
                "cluster",
                "dialects",
                "each_trace",
                "inputs",
                "jobs",
                "lost",
                "outputs",
                "messages",
                "progress",
                "pages",
                "pool",
                "parsers",
                "signatures",
            )
        ),
        ("record", "trace files", "profiles", "tokens", "redaction", "simulated link"),
        "what commands share",
    ),
    Room(
        "sets of traces",
        "vtctap",
        ("vtctap.dataset",),
        (
            *("record", "trace files", "catalogue", "profiles", "tokens", "meaning", "analysis"),
            *("tables", "command line"),
        ),
        "many traces, one database",
    ),
    Room(
        "capturing",
        "vtctap",
        ("vtctap.capturing",),
        ("record", "trace files", "protocol", "framing", "profiles", "meaning", "sniffer", "command line"),
        "takes records as they come",
    ),
    Room(
        "extcap",
        "vtctap",
        ("vtctap.wireshark",),
        (
            "record",
            "trace files",
            "profiles",
            "Lua dissector",
            "simulated link",
            "sniffer",
            "command line",
            "capturing",
        ),
        "Wireshark's interfaces",
    ),
    Room(
        "commands",
        "vtctap",
        ("vtctap.commands", "vtctap.__main__"),
        (
            *(
                "record",
                "trace files",
                "framing",
                "profiles",
                "tokens",
                "meaning",
                "analysis",
                "learning",
                "report",
                "tables",
                "redaction",
            ),
            *("Lua dissector", "simulated link", "sniffer", "command line", "sets of traces", "capturing", "extcap"),
        ),
        "one file a command",
    ),
    Room(
        "front door",
        "vtctap",
        ("vtctap",),
        ("record", "trace files", "protocol", "profiles", "tokens", "analysis", "Scapy layer", "sniffer"),
        "import vtctap",
    ),
)
"""From the ground up. A module is in the room that names the longest part of it. Every room may know the errors."""

_COLOURS: Final = {"pcap": "#dceaf7", "dissector": "#e2f2df", "sniffer": "#fdebd3", "vtctap": "#ece5f6"}
Imports = Mapping[str, set[str]]


def imports(*, for_types: bool = True) -> Imports:
    """What each module of the installed package imports of it, with or without what only type checkers see. ``vtctap``
    itself, imported for its version, is left out."""
    graph = grimp.build_graph("vtctap", exclude_type_checking_imports=not for_types, cache_dir=None)
    if "vtctap.pcap" not in graph.modules:
        sys.exit("only a part of vtctap is seen from here: install it, and begin in another folder")
    return {module: graph.find_modules_directly_imported_by(module) - {"vtctap"} for module in graph.modules}


def room_of(module: str) -> Room:
    """Returns the room that a module is in."""
    named = [(len(name), room) for room in ROOMS for name in room.modules if f"{module}.".startswith(f"{name}.")]
    return max(named, key=lambda found: found[0])[1]


def misplaced(found: Imports) -> Iterator[str]:
    """Imports that the table of rooms does not allow, a line each."""
    for row, room in enumerate(ROOMS):
        below = {other.name for other in ROOMS[:row]}
        yield from (f"{room.name} stands below {name}" for name in room.knows if name not in below)
    for module in sorted(found):
        for imported in sorted(found[module]):
            room, other = room_of(module), room_of(imported)
            if other.name not in (room.name, "errors", *room.knows):
                yield f"{module} imports {imported}: {room.name} may not know {other.name}"


def cycle(found: Imports) -> list[str]:
    """Modules that import each other in a circle; none if there are none."""
    try:
        TopologicalSorter(found).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def arrows(found: Imports) -> set[tuple[str, str]]:
    """Returns the pairs of rooms of which the first knows the second; the errors, which all know, are left out."""
    pairs = {(room_of(module).name, room_of(other).name) for module in found for other in found[module]}
    return {(room, other) for room, other in pairs if room != other and other != "errors"}


def floors(pairs: set[tuple[str, str]]) -> dict[str, int]:
    """Returns the floor of each room: one above the highest room that it knows."""
    floor: dict[str, int] = {}
    for room in ROOMS:
        floor[room.name] = 1 + max((floor[other] for name, other in pairs if name == room.name), default=0)
    return floor


def drawing(pairs: set[tuple[str, str]]) -> str:
    """Returns the drawing in Graphviz's language: a row a floor, the commands on top."""
    reached: dict[str, set[str]] = {}
    for room in ROOMS:
        known = {other for name, other in pairs if name == room.name}
        reached[room.name] = known.union(*(reached[other] for other in known))
    lines = [
        "digraph house {",
        '  graph [bgcolor="white", pad=0.2, nodesep=0.25, ranksep=0.4, fontname="Helvetica"]',
        '  node [shape=box, style="filled,rounded", color="#555555", fontname="Helvetica", fontsize=12]',
        '  edge [color="#777777", arrowsize=0.6]',
    ]
    drawn = [room for room in ROOMS if room.name != "errors"]
    for room in drawn:
        label = f'<<b>{room.name}</b><br/><font point-size="10">{room.purpose}</font>>'
        lines.append(f'  "{room.name}" [label={label}, fillcolor="{_COLOURS[room.wing]}"]')
    floor = floors(pairs)
    for level in sorted({floor[room.name] for room in drawn}):
        names = " ".join(f'"{room.name}"' for room in drawn if floor[room.name] == level)
        lines.append(f"  {{ rank=same; {names} }}")
    for name, other in sorted(pairs):
        if not any(other in reached[between] for room, between in pairs if room == name):
            lines.append(f'  "{name}" -> "{other}"')
    return "\n".join([*lines, "}", ""])


def mark(source: str) -> str:
    """Returns the comment by which a picture says of which drawing it is."""
    return f"<!-- drawing {hashlib.sha256(source.encode()).hexdigest()[:16]}, made by make architecture -->"


def main(arguments: list[str]) -> int:
    """Checks the rules, and draws the picture or checks that it is current."""
    found = imports()
    circle = cycle(imports(for_types=False))
    broken = [*misplaced(found), *([f"cycle: {' <- '.join(circle)}"] if circle else [])]
    if broken:
        print(*broken, sep="\n", file=sys.stderr)
        return 1
    pairs = arrows(found)
    source = drawing(pairs)
    if arguments == ["--check"]:
        if mark(source) not in PICTURE.read_text("utf-8"):
            print(f"{PICTURE.name} is not current: make architecture", file=sys.stderr)
            return 1
    else:
        picture = subprocess.run(["dot", "-Tsvg"], input=source, capture_output=True, text=True, check=True).stdout
        PICTURE.write_text(f"{picture.rstrip()}\n{mark(source)}\n", "utf-8")
    levels = max(floors(pairs).values())
    print(f"{len(found)} modules in {len(ROOMS)} rooms on {levels} floors, {len(pairs)} arrows, no cycle")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
