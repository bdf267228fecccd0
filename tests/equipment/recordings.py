"""Recordings of clients and meters, each with an independent count of its contents.

The project's own recordings are its examples, which are made up and were counted by hand. Those of real meters lie
beside the repository in ``shared/corpus``, if present; they are not part of the project, and an independent scanner
counted them.
"""

import json
from pathlib import Path
from typing import Any, Final

from vtctap.pcap.burst import Burst
from vtctap.pcap.exchange import parse

ROOT: Final = Path(__file__).parents[2]
CORPUS: Final = ROOT.parent / "shared" / "corpus"
EXAMPLES: Final = ROOT / "examples"

OWN: Final[list[dict[str, Any]]] = [
    {
        "name": "readout",
        "direction_known": True,
        "frames": {"idreq": 1, "ident": 1, "ackopt": 1, "data": 1, "cmd:B0": 1},
        "checks": {"xor": 2},
    },
    {
        "name": "programming",
        "direction_known": True,
        "frames": {
            "wakeup": 1, "idreq": 1, "ident": 1, "ackopt": 1, "cmd:P0": 1, "cmd:P1": 1, "cmd:R1": 4, "cmd:R1/cut": 1,
            "cmd:R3": 1, "cmd:X7": 1, "cmd:E2": 1, "cmd:B0": 1, "data": 5, "data-partial": 1, "data-error": 1,
            "ACK": 3, "NAK": 2, "junk": 1,
        },
        "checks": {"xor": 14, "xor+sum7": 1, "BAD": 1, "no-bcc": 1},
    },
    {
        "name": "telegram",
        "direction_known": True,
        "frames": {"telegram": 3},
        "checks": {"no-crc": 1, "crc-ok": 1, "crc-BAD": 1},
    },
]  # fmt: skip
REAL: Final[list[dict[str, Any]]] = json.loads((CORPUS / "index.json").read_text()) if CORPUS.is_dir() else []
RECORDINGS: Final = OWN + REAL


def named(value: object) -> str | None:
    """Returns the name of a recording, by which pytest shows a test of it; None for another parameter's value."""
    return str(value["name"]) if isinstance(value, dict) else None


def _stem(entry: dict[str, Any]) -> Path:
    folder = EXAMPLES if entry in OWN else CORPUS / "peers" if entry["name"].startswith("peer_") else CORPUS
    return folder / str(entry["name"])


def bursts_of(entry: dict[str, Any]) -> list[Burst]:
    """Returns the octets with their senders, in order; one burst without a sender if the senders are not known."""
    if not entry["direction_known"]:
        return [Burst(octets_of(entry))]
    path = _stem(entry).with_suffix(".exchange")
    return list(parse(path.read_text("utf-8"), path.name))


def octets_of(entry: dict[str, Any]) -> bytes:
    """Returns all octets of a recording, in order. It does not use the project's own parser."""
    dump = _stem(entry).with_suffix(".bin")
    if dump.exists():
        return dump.read_bytes()
    lines = _stem(entry).with_suffix(".exchange").read_text("utf-8").splitlines()
    return bytes.fromhex("".join(line[2:] for line in lines if line[:2] in ("C>", "M>")))
