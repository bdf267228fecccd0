"""Checks which part of vtctap imports which, and draws docs/pictures/architecture.svg (``make architecture``).

The table :data:`PARTS` is the rule. It lists the parts from the lowest to the highest, and a part imports only parts of
earlier rows, so there are no cycles between parts. Modules have no import cycles either, apart from imports that only
type checkers see. grimp reads the imports of the installed package, also those inside functions. Graphviz draws them,
without the arrows that follow from others. ``--check`` draws nothing, and fails if the picture is not current.
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
class Part:
    """Modules (or packages with all their modules) that have one purpose. ``knows`` names the parts that they may
    import."""

    name: str
    folder: str
    modules: tuple[str, ...]
    knows: tuple[str, ...]
    purpose: str


_MEANING: Final = ("record", "protocol", "catalogue", "profiles", "tokens", "DLMS", "meaning")

BASE: Final = "base"
"""The part that every other part may import."""

PARTS: Final = (
    Part(
        BASE,
        "vtctap",
        ("vtctap.base", "vtctap.errors"),
        (),
        "errors and small helpers",
    ),
    Part(
        "record",
        "pcap",
        (
            "vtctap.pcap.record",
            "vtctap.pcap.batch",
            "vtctap.pcap.burst",
            "vtctap.pcap.construction",
            "vtctap.pcap.events",
            "vtctap.pcap.hash_chain",
            "vtctap.pcap.skipped",
        ),
        (),
        "one row of a trace",
    ),
    Part("trace files", "pcap", ("vtctap.pcap",), ("record",), "pcapng, pcap, rings, imports"),
    Part("protocol", "dissector", ("vtctap.dissector.protocol",), ("record",), "characters, messages, rules"),
    Part("framing", "dissector", ("vtctap.dissector.framing",), ("record", "protocol"), "octets to records"),
    Part("catalogue", "dissector", ("vtctap.dissector.catalogue",), ("protocol",), "every field, once"),
    Part(
        "profiles", "dissector", ("vtctap.dissector.profiles",), ("record", "protocol", "catalogue"), "meaning as data"
    ),
    Part("tokens", "dissector", ("vtctap.dissector.tokens",), ("protocol", "catalogue"), "STS tokens"),
    Part("DLMS", "dissector", ("vtctap.dissector.dlms",), ("protocol", "tokens"), "tokens over mode E"),
    Part(
        "meaning", "dissector", ("vtctap.dissector",), ("framing", *_MEANING[:-1]), "records to fields, filters, text"
    ),
    Part("analysis", "dissector", ("vtctap.dissector.analysis",), _MEANING, "exchanges, findings, statistics"),
    Part(
        "learning",
        "dissector",
        ("vtctap.dissector.learning",),
        ("record", "protocol", "catalogue", "profiles", "tokens", "meaning", "analysis"),
        "what a capture shows of a protocol",
    ),
    Part(
        "report",
        "dissector",
        ("vtctap.dissector.analysis.report",),
        ("record", "profiles", "meaning", "analysis"),
        "one page of HTML",
    ),
    Part(
        "tables",
        "dissector",
        ("vtctap.dissector.tables",),
        ("record", "protocol", "catalogue", "profiles", "meaning", "analysis"),
        "rows and typed columns",
    ),
    Part(
        "columns",
        "dissector",
        ("vtctap.dissector.columns",),
        ("record", "protocol", "framing", "catalogue", "meaning", "tables"),
        "many records at once",
    ),
    Part(
        "redaction",
        "dissector",
        ("vtctap.dissector.redaction",),
        ("record", "protocol", "framing", "profiles", "tokens"),
        "traces without secrets",
    ),
    Part("Scapy layer", "dissector", ("vtctap.dissector.scapy",), (*_MEANING, "analysis"), "packets"),
    Part(
        "Lua dissector",
        "dissector",
        ("vtctap.dissector.wireshark",),
        (*_MEANING, "analysis"),
        "generated for Wireshark",
    ),
    Part(
        "pyshark",
        "dissector",
        ("vtctap.dissector.wireshark.pyshark",),
        ("record", "trace files", "profiles", "Lua dissector"),
        "through Wireshark's decoding",
    ),
    Part("simulated link", "sniffer", ("vtctap.sniffer.simulated",), ("record", "protocol"), "client, meter, wire"),
    Part(
        "sniffer",
        "sniffer",
        ("vtctap.sniffer",),
        ("record", "protocol", "framing", "profiles", "simulated link"),
        "ports to records",
    ),
    Part(
        "command line",
        "vtctap",
        ("vtctap.command_line",),
        ("record", "trace files", "profiles", "tokens", "redaction", "simulated link"),
        "what commands share",
    ),
    Part("parallel work", "vtctap", ("vtctap.parallel",), ("command line",), "many traces at once"),
    Part(
        "sets of traces",
        "vtctap",
        ("vtctap.dataset",),
        (
            *("record", "trace files", "catalogue", "profiles", "tokens", "meaning", "analysis"),
            *("tables", "columns", "command line", "parallel work"),
        ),
        "many traces, one database",
    ),
    Part(
        "capturing",
        "vtctap",
        ("vtctap.capturing",),
        ("record", "trace files", "protocol", "framing", "profiles", "meaning", "sniffer", "command line"),
        "handles records live",
    ),
    Part(
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
    Part(
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
            *("Lua dissector", "simulated link", "sniffer", "command line", "parallel work"),
            *("sets of traces", "capturing", "extcap"),
        ),
        "one file for each command",
    ),
    Part(
        "public API",
        "vtctap",
        ("vtctap",),
        ("record", "trace files", "protocol", "profiles", "tokens", "analysis", "Scapy layer", "sniffer"),
        "import vtctap",
    ),
)
"""The parts, from the lowest to the highest. If several rows fit a module, it belongs to the one with the longest
module name. Every part may import the base."""

_COLOURS: Final = {"pcap": "#dceaf7", "dissector": "#e2f2df", "sniffer": "#fdebd3", "vtctap": "#ece5f6"}
Imports = Mapping[str, set[str]]


def imports(*, for_types: bool = True) -> Imports:
    """Returns what each module of the installed package imports from it, with or without the imports that only type
    checkers see. ``vtctap`` itself, which modules import for its version, is left out."""
    graph = grimp.build_graph("vtctap", exclude_type_checking_imports=not for_types, cache_dir=None)
    if "vtctap.pcap" not in graph.modules:
        sys.exit("Python finds only a part of vtctap from here: install it, and run this in another folder")
    return {module: graph.find_modules_directly_imported_by(module) - {"vtctap"} for module in graph.modules}


def part_of(module: str) -> Part:
    """Returns the part that a module belongs to."""
    named = [(len(name), part) for part in PARTS for name in part.modules if f"{module}.".startswith(f"{name}.")]
    return max(named, key=lambda found: found[0])[1]


def misplaced(found: Imports) -> Iterator[str]:
    """Yields the imports that the table of parts does not allow, a line each."""
    for row, part in enumerate(PARTS):
        below = {other.name for other in PARTS[:row]}
        yield from (f"{part.name} stands below {name}" for name in part.knows if name not in below)
    for module in sorted(found):
        for imported in sorted(found[module]):
            part, other = part_of(module), part_of(imported)
            if other.name not in (part.name, BASE, *part.knows):
                yield f"{module} imports {imported}: {part.name} may not know {other.name}"


def cycle(found: Imports) -> list[str]:
    """Returns the modules of one import cycle; none if there is no cycle."""
    try:
        TopologicalSorter(found).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def arrows(found: Imports) -> set[tuple[str, str]]:
    """Returns the pairs of parts of which the first imports the second, without the base, which all parts import."""
    pairs = {(part_of(module).name, part_of(other).name) for module in found for other in found[module]}
    return {(part, other) for part, other in pairs if part != other and other != BASE}


def levels(pairs: set[tuple[str, str]]) -> dict[str, int]:
    """Returns the level of each part: one above the highest part that it imports."""
    level: dict[str, int] = {}
    for part in PARTS:
        level[part.name] = 1 + max((level[other] for name, other in pairs if name == part.name), default=0)
    return level


def drawing(pairs: set[tuple[str, str]]) -> str:
    """Returns the drawing in Graphviz's language: one row for each level, with the highest on top."""
    reached: dict[str, set[str]] = {}
    for part in PARTS:
        known = {other for name, other in pairs if name == part.name}
        reached[part.name] = known.union(*(reached[other] for other in known))
    lines = [
        "digraph parts {",
        '  graph [bgcolor="white", pad=0.2, nodesep=0.25, ranksep=0.4, fontname="Helvetica"]',
        '  node [shape=box, style="filled,rounded", color="#555555", fontname="Helvetica", fontsize=12]',
        '  edge [color="#777777", arrowsize=0.6]',
    ]
    drawn = [part for part in PARTS if part.name != BASE]
    for part in drawn:
        label = f'<<b>{part.name}</b><br/><font point-size="10">{part.purpose}</font>>'
        lines.append(f'  "{part.name}" [label={label}, fillcolor="{_COLOURS[part.folder]}"]')
    level_of = levels(pairs)
    for level in sorted({level_of[part.name] for part in drawn}):
        names = " ".join(f'"{part.name}"' for part in drawn if level_of[part.name] == level)
        lines.append(f"  {{ rank=same; {names} }}")
    for name, other in sorted(pairs):
        if not any(other in reached[between] for part, between in pairs if part == name):
            lines.append(f'  "{name}" -> "{other}"')
    return "\n".join([*lines, "}", ""])


def mark(source: str) -> str:
    """Returns the comment in a picture that identifies its drawing."""
    return f"<!-- drawing {hashlib.sha256(source.encode()).hexdigest()[:16]}, made by make architecture -->"


def main(arguments: list[str]) -> int:
    """Checks the imports, and draws the picture or checks that it is current."""
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
            print(f"{PICTURE.name} is not current: run make architecture", file=sys.stderr)
            return 1
    else:
        picture = subprocess.run(["dot", "-Tsvg"], input=source, capture_output=True, text=True, check=True).stdout
        PICTURE.write_text(f"{picture.rstrip()}\n{mark(source)}\n", "utf-8")
    highest = max(levels(pairs).values())
    print(f"{len(found)} modules in {len(PARTS)} parts on {highest} levels, {len(pairs)} arrows, no cycle")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
