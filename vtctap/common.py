"""What several commands share: arguments, opening traces, creating outputs, and the errors of use."""

import argparse
import errno
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from vtctap import __version__

if TYPE_CHECKING:
    from vtctap.dissector.profiles.files import Profile
    from vtctap.dissector.tokens import Keys
    from vtctap.pcap.capture_file import Interface
    from vtctap.pcap.record import Line, Record
    from vtctap.pcap.trace import TraceReader, TraceWriter

APPLICATION = f"vtctap {__version__}"
STANDARD = "-"
PATIENCE = 2.0
"""Seconds that a person waits before a bar shows how far it is."""
_BAR_STEP = 1000


class CommandError(Exception):
    """The command cannot do what was asked; the message says what to do."""


class OutputError(Exception):
    """An output cannot be written."""


def warn(text: str) -> None:
    """One line on stderr."""
    print(f"vtctap: {text}", file=sys.stderr)


def count(number: int, what: str) -> str:
    """A number of things, in words: ``1 frame``, ``2 frames``."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def add_profile(parser: argparse.ArgumentParser) -> None:
    """``--profile``."""
    parser.add_argument(
        "--profile", metavar="NAME", help="protocol profile: a name of 'vtctap profile list', or a file"
    )


def load_profile(arguments: argparse.Namespace) -> "Profile":
    """The profile that was asked for, or the default one."""
    from vtctap.dissector.profiles.files import DEFAULT, load

    return load(arguments.profile or DEFAULT)


def add_keys(parser: argparse.ArgumentParser) -> None:
    """``--keys``."""
    parser.add_argument("--keys", metavar="FILE", help="key file that opens encrypted tokens (docs/tokens.md)")


def load_keys(arguments: argparse.Namespace) -> "Keys | None":
    """The keys of the key file that was named, if any."""
    if arguments.keys is None:
        return None
    from vtctap.dissector.tokens import load_keys

    return load_keys(arguments.keys)


def line(text: str) -> "Line":
    """The type of a ``--line`` argument."""
    from vtctap.pcap.record import Line

    try:
        return Line.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def speed(text: str) -> int:
    """The type of a ``--speed`` argument: bit/s."""
    if text.isascii() and text.isdecimal() and 0 < int(text) < 1 << 32:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a speed in bit/s")


def link_type(text: str) -> int:
    """The type of a ``--dlt`` argument."""
    from vtctap.pcap.record import LINKTYPES

    if text.isascii() and text.isdecimal() and int(text) in LINKTYPES:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no link type for private use: {LINKTYPES[0]} to {LINKTYPES[-1]}")


def add_output(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """``-w``, ``--force``, ``-q`` and ``--dlt``."""
    parser.add_argument(
        "-w", dest="output", metavar="FILE", required=required, help="the trace to write (.pcapng, .pcap)"
    )
    parser.add_argument("--force", action="store_true", help="overwrite the file if it exists")
    parser.add_argument("-q", dest="quiet", action="store_true", help="do not say at the end what was written")
    parser.add_argument("--dlt", type=link_type, default=147, metavar="N", help="link type, 147 to 162 (default: 147)")


@contextmanager
def input_trace(name: str | IO[bytes]) -> Iterator["TraceReader"]:
    """The trace of that name (``-`` for standard input) or file; warns at the end if it ends cut."""
    from vtctap.pcap.trace import open_trace

    with open_trace(sys.stdin.buffer if name == STANDARD else name) as reader:
        yield reader
        if reader.cut:
            warn(reader.cut)


def add_join(parser: argparse.ArgumentParser) -> None:
    """``--join``."""
    parser.add_argument("--join", action="store_true", help="the traces are one, in this order, as ring files are")


def joined(traces: "Sequence[str]") -> "Iterator[Record]":
    """The records of traces that are one, one after the other; warns of those that end cut. On a terminal a bar shows
    how far it is, if that takes longer than :data:`PATIENCE`; not of a pipe, whose end nobody knows."""
    from vtctap.pcap.streams import is_special

    for trace in traces:
        if trace == STANDARD or is_special(trace):
            with input_trace(trace) as reader:
                yield from reader
            continue
        with open(trace, "rb") as file, input_trace(file) as reader:
            yield from _with_bar(reader, file, trace)


def _with_bar(reader: "TraceReader", file: IO[bytes], name: str) -> "Iterator[Record]":
    from tqdm import tqdm

    size = os.fstat(file.fileno()).st_size
    # disable=None: not where standard error is no terminal.
    with tqdm(total=size, desc=name, unit="B", unit_scale=True, delay=PATIENCE, leave=False, disable=None) as bar:
        for number, record in enumerate(reader):
            if number % _BAR_STEP == 0:
                bar.update(min(file.tell(), size) - bar.n)
            yield record


@contextmanager
def output_errors(name: str) -> Iterator[None]:
    """Makes what the system says of an output an OutputError; a closed pipe stays what it is."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        done = "" if error.filename else "; what was written before can be read"
        named = "standard output" if name == STANDARD else name
        folder = Path(name).parent
        missing = f"; there is no folder {folder}" if error.errno == errno.ENOENT and not folder.exists() else ""
        raise OutputError(f"{named}: {error.strerror}{done}{missing}") from None


def refuse_existing(name: str, *, force: bool) -> None:
    """Raises CommandError where writing a file of that name would overwrite one."""
    if name != STANDARD and Path(name).is_file() and not force:
        raise CommandError(f"{name} exists: choose another name, or --force to overwrite it")


def write_text(name: str, text: str, *, force: bool, encoding: str = "ascii") -> None:
    """Writes a whole text file, or to standard output; what the encoding has no octets for becomes a question mark."""
    octets = text.encode(encoding, "replace")
    if name == STANDARD:
        sys.stdout.flush()
        sys.stdout.buffer.write(octets)
        return
    refuse_existing(name, force=force)
    with output_errors(name):
        Path(name).write_bytes(octets)


@contextmanager
def live_trace(arguments: argparse.Namespace, taps: "Sequence[Interface]") -> Iterator["TraceWriter"]:
    """The trace to write while records come in: each is in the file as soon as it is known."""
    from vtctap.pcap.trace import create_trace

    target: str | IO[bytes] = sys.stdout.buffer if arguments.output == STANDARD else arguments.output
    with output_errors(arguments.output):
        writer = create_trace(target, linktype=arguments.dlt, application=APPLICATION, taps=taps, force=arguments.force)
        with writer:
            yield writer


@contextmanager
def whole_trace(arguments: argparse.Namespace, taps: "Sequence[Interface]") -> Iterator["TraceWriter"]:
    """The trace to make out of files: it appears under its name only when it is whole, and a line says so."""
    with _whole_trace(arguments, taps) as writer:
        yield writer
    if not arguments.quiet:
        warn(f"{count(writer.records, 'record')} in {arguments.output}")


@contextmanager
def _whole_trace(arguments: argparse.Namespace, taps: "Sequence[Interface]") -> Iterator["TraceWriter"]:
    from vtctap.pcap.capture_file import TraceError, TraceExists

    final = Path(arguments.output)
    if arguments.output == STANDARD or (final.exists() and not final.is_file()):
        with live_trace(arguments, taps) as writer:
            yield writer
        return
    if final.exists() and not arguments.force:
        raise TraceExists(f"{final} exists: choose another name, or --force to overwrite it")
    partial = final.with_name(f".{final.stem}.partial{final.suffix}")
    options = argparse.Namespace(output=str(partial), dlt=arguments.dlt, force=True)
    try:
        with live_trace(options, taps) as writer:
            yield writer
        with output_errors(arguments.output):
            os.replace(partial, final)
    except (OutputError, TraceError) as error:
        raise type(error)(str(error).replace(str(partial), str(final))) from None
    finally:
        partial.unlink(missing_ok=True)
