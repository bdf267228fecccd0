"""Fuzzes the Lua dissector: one run of tshark on a trace of many damaged messages, compared with our own decoder.

Each record is a damaged seed, or a damaged input that the engine kept for the target ``messages``. tshark must show
every record, no error of Lua, and the message that our decoder finds.
"""

import random
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from fuzz.damage import damaged
from vtctap.dissector.dissect import Dissector
from vtctap.dissector.profiles.files import load
from vtctap.pcap import Kind, Record, Sender, create_trace

RECORDS: Final = 2000
_FIELDS: Final = ("frame.number", "vtc.message", "_ws.lua.error")


def batch(inputs: Sequence[bytes], seed: int, count: int = RECORDS) -> list[str]:
    """Tries ``count`` damaged inputs; returns a line for each record that differs."""
    chance = random.Random(seed)
    records = [
        Record(
            1_700_000_000_000_000_000 + number * 1_000_000_000,
            damaged(chance.choice(inputs), chance)[:2000],
            Kind.FRAME,
            chance.choice((Sender.CLIENT, Sender.SERVER, Sender.UNKNOWN)),
        )
        for number in range(count)
    ]
    dissector = Dissector(load())
    expected = [
        f"{number}\t{dissector.dissect(each).as_json().get('vtc.message', '')}\t"
        for number, each in enumerate(records, 1)
    ]
    shown = _through_tshark(records)
    wrong = [
        f"{record.octets.hex()}: {got!r}, not {want!r}"
        for record, got, want in zip(records, shown, expected, strict=False)
        if got != want
    ]
    return wrong if len(shown) == count else [*wrong, f"tshark shows {len(shown)} of {count} records"]


def _through_tshark(records: Sequence[Record]) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        trace, script = Path(folder) / "t.pcapng", Path(folder) / "vtctap.lua"
        with create_trace(trace) as writer:
            for record in records:
                writer.write(record)
        subprocess.run(
            [sys.executable, "-m", "vtctap", "wireshark", "lua", "-o", script], check=True, capture_output=True
        )
        for path in (trace, script):
            path.chmod(0o644)
        fields = [word for field in _FIELDS for word in ("-e", field)]
        command = ["tshark", "-r", str(trace), "-X", f"lua_script:{script}", "-T", "fields", *fields]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
