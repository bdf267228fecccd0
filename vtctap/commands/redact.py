"""Replaces the secrets of traces, so that the result can be shared.

  vtctap redact trace.pcapng -w shared.pcapng --prove

Tokens, numbers of meters and accounts, passwords, texts, notes, names of ports and machines, comments and HDLC
payloads get stand-ins of the same length and kind. Messages, registers, short measurements, timing and errors stay.
Equal secrets get equal stand-ins. Several traces (ring files) become one. 'vtctap help evidence' says what stays.
"""

import argparse
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vtctap.base.nouns import count
from vtctap.command_line.arguments import STANDARD, STATED, add_output, add_profile, add_traces, traces_of
from vtctap.command_line.inputs import Reading, Traces, is_read_once
from vtctap.command_line.messages import warn
from vtctap.command_line.outputs import APPLICATION, whole_trace
from vtctap.errors import DONE, FOUND, CommandError

if TYPE_CHECKING:
    from vtctap.dissector.redaction.redact import Redactor
    from vtctap.pcap.capture_file import Interface
    from vtctap.pcap.record import Record

_VARIABLE = "VTCTAP_REDACT_KEY"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    add_traces(parser, "the traces")
    add_output(parser, required=True)
    parser.add_argument("--prove", action="store_true", help="search the result for every secret in every form")
    parser.add_argument("--values", action="store_true", help="replace every value, measurements too")
    parser.add_argument("--test-tokens", action="store_true", help="replace tokens of class 1, too: they are no secret")
    parser.add_argument(
        "--key",
        metavar="FILE",
        help=f"the same key gives the same stand-ins in several traces: a file with any text, at least 16 octets "
        f"(default: the environment's {_VARIABLE}, or a random key that is not kept)",
    )
    add_profile(parser, default=STATED)


@dataclass(slots=True)
class _Fingerprint:
    """Tells whether traces hold the same records when they are read again: their number, and a hash of them in
    order."""

    number: int = 0
    hash: int = 0

    def feed(self, record: "Record") -> None:
        """Takes the next record."""
        self.number += 1
        self.hash = hash((self.hash, record))


def run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    from vtctap.dissector.profiles.names import shipped
    from vtctap.dissector.redaction.redact import Redactor
    from vtctap.dissector.redaction.standins import StandIns
    from vtctap.pcap.record import Record

    names = traces_of(arguments)
    if any(map(is_read_once, names)):
        raise CommandError("redact reads its traces twice: name files, not standard input or a pipe")
    if arguments.prove and arguments.output == STANDARD:
        raise CommandError("--prove reads the result: write it to a file")
    reading = Reading(arguments.profile)
    records, profile = reading.settle(Traces(names))
    standins = StandIns(_key(arguments.key), test_tokens=arguments.test_tokens)
    redactor = Redactor(profile, standins, values=arguments.values, profiles=shipped())
    learned = _Fingerprint()
    for item in records:
        if isinstance(item, Record):
            redactor.learn(item)
            learned.feed(item)
    _write(arguments, names, redactor, learned)
    found = _prove(arguments, redactor) if arguments.prove else DONE
    return found or reading.status


def _key(name: str | None) -> bytes:
    """Returns the key of a file or of the environment, or a random one. Raises CommandError for a short one."""
    if name is None and _VARIABLE not in os.environ:
        return os.urandom(32)
    key = os.fsencode(os.environ[_VARIABLE]) if name is None else Path(name).read_bytes().strip()
    if len(key) < 16:
        raise CommandError(f"the key in {name or _VARIABLE} is short and can be guessed: at least 16 octets")
    return key


def _write(arguments: argparse.Namespace, names: list[str], redactor: "Redactor", learned: _Fingerprint) -> None:
    """Writes the redacted records and the taps, which keep what the rules allow. Records that a capture has appended
    since they were learned are left out: their secrets are not known. Raises CommandError where others are there now.
    """
    from vtctap.pcap.record import Record

    traces = Traces(names, told=False)
    described, written = 0, _Fingerprint()
    comment: str | None = "redacted by vtctap: secrets are replaced by stand-ins"
    with whole_trace(arguments, [], application=f"{APPLICATION}, redacted") as writer:
        for record in traces:
            if not isinstance(record, Record):
                continue  # What cannot be read is left out, and was told in the first pass.
            if written.number == learned.number:
                break
            written.feed(record)
            assert traces.reader
            for tap in traces.reader.interfaces[described:]:
                described = writer.add_tap(_tap(tap, described)) + 1
            writer.write(redactor.redact(record), comment)
            comment = None
        if written != learned:
            raise CommandError(f"{', '.join(names)}: overwritten while redact read it; start again")


def _tap(tap: "Interface", number: int) -> "Interface":
    """Returns the description of a tap with its side, line and speed, and no names."""
    from vtctap.dissector.profiles.names import shipped
    from vtctap.dissector.redaction.rules import tap_part_stays
    from vtctap.pcap.capture_file import Interface

    parts = [part for part in tap.description.split(", ") if tap_part_stays(part, shipped())]
    return Interface(tap.linktype, f"tap {number}", ", ".join(parts), "", tap.speed)


def _prove(arguments: argparse.Namespace, redactor: "Redactor") -> int:
    """Searches the result for the secrets, and prints what was searched and found."""
    from vtctap.dissector.redaction.proof import forms, places_of, survivors
    from vtctap.pcap.trace import open_trace

    with open_trace(arguments.output) as reader:
        places = {"the file": Path(arguments.output).read_bytes()} | places_of(reader)
    found = list(survivors(redactor.secrets, places))
    searched = sum(1 for secret in redactor.secrets for _ in forms(secret))
    for survivor in found[:20]:
        warn(f"SURVIVED: a secret of {count(survivor.length, 'octet')}, {survivor.form}, in {survivor.place}")
    if found:
        warn(f"{count(len(found), 'secret')} survived in {arguments.output}: do not share it, and report this")
        return FOUND
    warn(
        f"proved: {count(len(redactor.secrets), 'secret')} in {count(searched, 'form')} searched in "
        f"{', '.join(places)}, each with bit 7 and without: none survived; "
        f"{count(len(redactor.short), 'shorter one')} replaced in place only"
    )
    return DONE
