"""Makes a trace of what other tools recorded.

  exchange   text: lines "C> hex" (client to meter) and "M> hex" (meter to client), "# t=" times, "#" comments
  raw        a file of octets, without direction or times
  rtac       a pcap of link type RTAC serial
  user0      a pcap of a private link type whose packets are plain octets

and logs of many programs: ESPHome, Tasmota, HTerm, Docklight, socat, hexdump, pasted text and others ('vtctap help
importing'). The format goes by the file's name or contents where it is certain; --from says it otherwise. What could
not be used of a log is told, and the exit status is 1. Octets are taken as they are. Without times, octets are spaced
at the speed, and their times are marked as synthetic. Each file is a link of its own in the trace.
Where its messages contradict the sides that it states, it is read as one wire.
"""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING

from vtctap.arguments import STANDARD, add_output, add_profile, line, load_profile, speed
from vtctap.errors import DONE, FOUND, CommandError
from vtctap.messages import warn
from vtctap.outputs import whole_trace

if TYPE_CHECKING:
    from vtctap.dissector.framing.survey import Survey
    from vtctap.dissector.profiles.files import Profile
    from vtctap.pcap.burst import Burst
    from vtctap.pcap.capture_file import Interface
    from vtctap.pcap.importers.account import Account
    from vtctap.pcap.record import Record


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    from vtctap.pcap.imports import IMPORTERS

    parser.add_argument("files", nargs="+", metavar="FILE", help="what was recorded; - is standard input")
    parser.add_argument(
        "--from", dest="format", choices=sorted(IMPORTERS), metavar="FORMAT", help="the format of the files"
    )
    parser.add_argument("--swap", action="store_true", help="what is taken for the client's octets is the server's")
    parser.add_argument(
        "--speed",
        type=speed,
        metavar="N",
        help="speed of the line, bit/s (default: unknown; octets are spaced as at the profile's)",
    )
    parser.add_argument("--line", type=line, metavar="7E1", help="how the octets are to be read (default: by evidence)")
    add_output(parser, required=True)
    add_profile(parser)


@dataclass(frozen=True)
class _Recording:
    """A file to import. It is read twice: what is in it decides how it is framed."""

    name: str
    file: str | IO[bytes]
    format: str
    swap: bool
    one_wire: bool = False

    def bursts(self, account: "Account") -> "Iterator[Burst]":
        """Its bursts."""
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

    profile = load_profile(arguments)
    complete = True
    with _recordings(arguments) as recordings:
        surveyed = []
        for recording in recordings:
            account = Account()
            surveyed.append(_survey(recording, account, profile.timing.gap_limit_ns))
            complete &= account.complete
            _tell(recording, account, arguments)
        described = [_taps(*one, arguments.speed or 0, profile.name) for one in surveyed]
        if sum(map(len, described)) > MAX_TAPS:
            raise CommandError(f"one trace has room for {MAX_TAPS} taps: import fewer files at a time")
        with whole_trace(arguments, []) as writer:
            taps = 0
            for link, (one, interfaces) in enumerate(zip(surveyed, described, strict=True)):
                for tap in interfaces:
                    writer.add_tap(tap)
                for record in _records(*one, arguments, profile):
                    writer.write(replace(record, link=link, tap=taps + record.tap))
                taps += len(interfaces)
    return DONE if complete else FOUND


def _survey(recording: _Recording, account: "Account", gap_limit_ns: int) -> "tuple[_Recording, Survey]":
    """A recording as it is to be framed, and what must be known of it before that."""
    from vtctap.dissector.framing.survey import Survey

    survey = Survey(recording.bursts(account), gap_limit_ns=gap_limit_ns)
    if not survey.contradicted:
        return recording, survey
    account.note("its messages contradict the sides that it states: read as one wire, the senders inferred")
    recording = replace(recording, one_wire=True)
    return recording, Survey(recording.bursts(type(account)()), gap_limit_ns=gap_limit_ns)


def _records(
    recording: _Recording, survey: "Survey", arguments: argparse.Namespace, profile: "Profile"
) -> "Iterator[Record]":
    """A recording's records. A speed by which octets are spaced is only said to be theirs where it is known."""
    from vtctap.dissector.framing.reframe import assemble
    from vtctap.pcap.importers.account import Account

    for record in assemble(
        recording.bursts(Account()),
        speed=arguments.speed or profile.speed,
        gap_limit_ns=profile.timing.gap_limit_ns,
        line=arguments.line,
        survey=survey,
    ):
        yield record if survey.states_speed or arguments.speed else replace(record, speed=0)


@contextmanager
def _recordings(arguments: argparse.Namespace) -> Iterator[list[_Recording]]:
    """The files to import, with their formats; what cannot be read twice is copied first."""
    import shutil
    import tempfile
    from contextlib import ExitStack

    from vtctap.pcap.imports import detect
    from vtctap.pcap.streams import is_special

    with ExitStack() as stack:
        recordings = []
        for name in arguments.files:
            if name == STANDARD and not arguments.format:
                raise CommandError("say with --from which format standard input is in")
            format = arguments.format or detect(name)
            file: str | IO[bytes] = name
            if name == STANDARD or (is_special(name) and not Path(name).is_dir()):
                file = stack.enter_context(tempfile.TemporaryFile())
                with sys.stdin.buffer if name == STANDARD else open(name, "rb") as source:
                    shutil.copyfileobj(source, file)
            recordings.append(_Recording(name, file, format, arguments.swap))
        yield recordings


def _tell(recording: _Recording, account: "Account", arguments: argparse.Namespace) -> None:
    """Says which format a file was taken for, what was assumed of it, and what could not be used."""
    from vtctap.pcap.importers.forms import FORMS
    from vtctap.pcap.imports import disguised

    if recording.format == "raw" and isinstance(recording.file, str) and (form := disguised(recording.file)):
        warn(f"{recording.name} looks like a log: its characters are taken as octets; --from {form} reads what it says")
    program = next((form.program for form in FORMS if form.name == recording.format), None)
    if program and not arguments.format:
        warn(f"{recording.name} is read as {recording.format} ({program})")
    for text in account.report():
        warn(f"{recording.name}: {text}")


def _taps(recording: _Recording, survey: "Survey", rate: int, profile: str) -> "list[Interface]":
    """How the trace describes what was heard, by the tap numbers of :func:`~vtctap.dissector.framing.reframe.assemble`:
    one tap, or one a side where the recording knows the sides, and one more for what it does not know of."""
    from vtctap.pcap.capture_file import Interface
    from vtctap.pcap.record import LINKTYPE_USER0, Sender

    sides = ["client", "server"] if set(survey.senders) - {Sender.UNKNOWN} else []
    sides += ["octets"] if Sender.UNKNOWN in survey.senders or not survey.senders else []
    described = f"imported from {recording.format}, profile={profile}"
    name = Path(recording.name).name
    return [Interface(LINKTYPE_USER0, f"{name}:{side}", described, speed=rate) for side in sides]
