"""Converts recordings and logs of other tools to a trace.

  exchange   text: lines "C> hex" (client to meter) and "M> hex" (meter to client), "# t=" times, "#" comments
  raw        a file of octets, without direction or times
  rtac       a pcap of link type RTAC serial
  user0      a pcap of a private link type whose packets are plain octets
  logic      levels of a logic analyser as CSV (Saleae Logic, sigrok-cli, PulseView)
  sigrok     samples of sigrok or PulseView (.sr)
  saleae     Saleae Logic's table of an Async Serial analyser

and logs of many programs: ESPHome, Tasmota, HTerm, Docklight, socat, hexdump, pasted text and others ('vtctap help
importing'). The format is recognised by the file's name or content; --from states it if that is not certain. If a part
of a log cannot be used, a message says so and the exit status is 1. Octets are not changed. Octets without a timestamp
are spaced by the speed and marked as synthetic. If the messages contradict the directions in the file (or those after
--swap), it is read as one wire and the senders are inferred. Several files become links of one trace, with their
records merged by time.
"""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from heapq import merge
from pathlib import Path
from typing import IO, TYPE_CHECKING

from vtctap.command_line.arguments import STANDARD, add_output, add_profile, line, profile_of, speed
from vtctap.command_line.inputs import is_read_once
from vtctap.command_line.messages import warn
from vtctap.command_line.outputs import file_state, whole_trace
from vtctap.errors import DONE, FOUND, CommandError

if TYPE_CHECKING:
    from vtctap.dissector.framing.survey import Survey
    from vtctap.dissector.profiles.model import Profile
    from vtctap.pcap.burst import Burst
    from vtctap.pcap.capture_file import Interface
    from vtctap.pcap.importers.account import Account
    from vtctap.pcap.record import Record


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    from vtctap.pcap.imports import IMPORTERS

    parser.add_argument("files", nargs="+", metavar="FILE", help="the files to import; - is standard input")
    parser.add_argument(
        "--from", dest="format", choices=sorted(IMPORTERS), metavar="FORMAT", help="the format of the files"
    )
    parser.add_argument("--swap", action="store_true", help="swap client and server")
    parser.add_argument(
        "--speed",
        type=speed,
        metavar="N",
        help="speed of the line in bit/s (default: unknown; octets are spaced by the profile's speed)",
    )
    parser.add_argument("--line", type=line, metavar="7E1", help="character format (default: inferred)")
    add_output(parser, required=True)
    add_profile(parser)


@dataclass(frozen=True)
class _Recording:
    """A file to import. It is read twice: its content decides how it is framed."""

    name: str
    file: str | IO[bytes]
    format: str
    swap: bool
    state: tuple[int, ...] | None
    """What was known of the file before it was read (:func:`~vtctap.command_line.outputs.file_state`)."""
    one_wire: bool = False

    def bursts(self, account: "Account") -> "Iterator[Burst]":
        """Yields the bursts of the file."""
        from vtctap.pcap.imports import IMPORTERS
        from vtctap.pcap.record import Sender

        if not isinstance(self.file, str):
            self.file.seek(0)
        for burst in IMPORTERS[self.format].read(self.file, account):
            sender = Sender.UNKNOWN if self.one_wire else burst.sender.other if self.swap else burst.sender
            yield burst if sender is burst.sender else replace(burst, sender=sender)


def run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    from vtctap.pcap.importers.account import Account
    from vtctap.pcap.record import MAX_TAPS

    profile = profile_of(arguments)
    complete = True
    with _recordings(arguments) as recordings:
        surveyed = []
        for recording in recordings:
            account = Account(swapped=recording.swap)
            surveyed.append(_survey(recording, account, profile.timing.gap_limit_ns))
            if account.first_skipped and not surveyed[-1][1].senders:
                raise _unread(recording, account, arguments)
            complete &= account.complete
            _tell(recording, account, arguments)
        described = [_taps(*one, arguments.speed or 0, profile.name) for one in surveyed]
        if sum(map(len, described)) > MAX_TAPS:
            raise CommandError(f"a trace holds at most {MAX_TAPS} taps: import fewer files at a time")
        with whole_trace(arguments, []) as writer:
            links, taps = [], 0
            for link, (one, interfaces) in enumerate(zip(surveyed, described, strict=True)):
                for tap in interfaces:
                    writer.add_tap(tap)
                links.append(_records(*one, arguments, profile, link, taps))
                taps += len(interfaces)
            with _unchanged(recordings):
                for record in merge(*links, key=lambda record: record.time):
                    writer.write(record)
    return DONE if complete else FOUND


def _survey(recording: _Recording, account: "Account", gap_limit_ns: int) -> "tuple[_Recording, Survey]":
    """Returns a recording as it is to be framed, and the survey that framing needs."""
    from vtctap.dissector.framing.survey import Survey

    survey = Survey(recording.bursts(account), gap_limit_ns=gap_limit_ns)
    if not survey.contradicted:
        return recording, survey
    stated = "directions after --swap: leave it out;" if recording.swap else "directions that it states:"
    account.note(f"its messages contradict the {stated} read as one wire, senders inferred")
    recording = replace(recording, one_wire=True)
    return recording, Survey(recording.bursts(type(account)()), gap_limit_ns=gap_limit_ns)


def _unread(recording: _Recording, account: "Account", arguments: argparse.Namespace) -> CommandError:
    """Makes the error for a file of which no line gave octets."""
    advice = ": leave --from out, so that the format is recognised" if arguments.format else ""
    return CommandError(
        f"{recording.name}: no line of it gives octets as {recording.format} ({account.first_skipped}){advice}"
    )


def _records(
    recording: _Recording,
    survey: "Survey",
    arguments: argparse.Namespace,
    profile: "Profile",
    link: int,
    first_tap: int,
) -> "Iterator[Record]":
    """Yields the records of a recording, as those of a link whose taps are numbered from ``first_tap`` on. They state
    the speed only if it is known, and not if it was assumed to space octets."""
    from vtctap.dissector.framing.reframe import assemble
    from vtctap.pcap.importers.account import Account

    records = assemble(
        recording.bursts(Account()),
        speed=arguments.speed or profile.speed,
        gap_limit_ns=profile.timing.gap_limit_ns,
        line=arguments.line,
        survey=survey,
    )
    if link == 0 and (survey.states_speed or arguments.speed):
        yield from records
        return
    for record in records:
        speed = record.speed if survey.states_speed or arguments.speed else 0
        yield replace(record, link=link, tap=first_tap + record.tap, speed=speed)


@contextmanager
def _unchanged(recordings: list[_Recording]) -> Iterator[None]:
    """Raises CommandError if a file is no longer as it was, as a log that grows: what is framed is then not what was
    surveyed, which may be an error of another kind, and nothing is told of its new lines."""
    try:
        yield
    except Exception:
        _refuse_changed(recordings)
        raise
    _refuse_changed(recordings)


def _refuse_changed(recordings: list[_Recording]) -> None:
    for recording in recordings:
        if isinstance(recording.file, str) and recording.state != file_state(Path(recording.file)):
            raise CommandError(f"{recording.name} changed while import read it: copy it, and import the copy")


@contextmanager
def _recordings(arguments: argparse.Namespace) -> Iterator[list[_Recording]]:
    """Opens the files to import, with their formats. Pipes are copied first, because each file is read twice."""
    import shutil
    import tempfile
    from contextlib import ExitStack

    from vtctap.pcap.imports import detect

    with ExitStack() as stack:
        recordings = []
        for name in arguments.files:
            if name == STANDARD and not arguments.format:
                raise CommandError("the format of standard input is not known: add --from FORMAT")
            state = file_state(Path(name))
            format = arguments.format or detect(name)
            file: str | IO[bytes] = name
            if is_read_once(name):
                file = stack.enter_context(tempfile.TemporaryFile())
                with sys.stdin.buffer if name == STANDARD else open(name, "rb") as source:
                    shutil.copyfileobj(source, file)
            recordings.append(_Recording(name, file, format, arguments.swap, state))
        yield recordings


def _tell(recording: _Recording, account: "Account", arguments: argparse.Namespace) -> None:
    """Prints the recognised format of a file, the assumptions about it, and the parts that could not be used."""
    from vtctap.pcap.importers.forms import FORMS
    from vtctap.pcap.imports import disguised

    if recording.format == "raw" and isinstance(recording.file, str) and (form := disguised(recording.file)):
        warn(f"{recording.name} looks like a log, but is imported as plain octets: add --from {form} to parse it")
    program = next((form.program for form in FORMS if form.name == recording.format), None)
    if program and not arguments.format:
        warn(f"{recording.name} is read as {recording.format} ({program})")
    for text in account.report():
        warn(f"{recording.name}: {text}")


def _taps(recording: _Recording, survey: "Survey", rate: int, profile: str) -> "list[Interface]":
    """Returns the taps of a recording, by the tap numbers of :func:`~vtctap.dissector.framing.reframe.assemble`.

    A recording without directions has one tap. One with directions has a tap per side, and another one for octets
    without a direction.
    """
    from vtctap.pcap.capture_file import Interface
    from vtctap.pcap.record import LINKTYPE_USER0, Sender

    sides = ["client", "server"] if set(survey.senders) - {Sender.UNKNOWN} else []
    sides += ["octets"] if Sender.UNKNOWN in survey.senders or not survey.senders else []
    described = f"imported from {recording.format}, profile={profile}"
    name = Path(recording.name).name
    return [Interface(LINKTYPE_USER0, f"{name}:{side}", described, speed=rate) for side in sides]
