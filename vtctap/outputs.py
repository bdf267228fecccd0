"""The files that commands write: texts and traces, none of which overwrites another unasked."""

import argparse
import errno
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from vtctap import __version__
from vtctap.arguments import STANDARD
from vtctap.errors import CommandError, OutputError
from vtctap.messages import warn
from vtctap.nouns import count

if TYPE_CHECKING:
    from vtctap.pcap.capture_file import Interface
    from vtctap.pcap.trace import TraceWriter

__all__ = ["APPLICATION", "live_trace", "output_errors", "refuse_existing", "whole_file", "whole_trace", "write_text"]

APPLICATION: Final = f"vtctap {__version__}"
"""What a trace says it was written by."""


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
def whole_file(name: str, *, force: bool) -> Iterator[IO[bytes]]:
    """The file to make, which appears under its name only when it is whole; or standard output."""
    final = Path(name)
    if name == STANDARD:
        sys.stdout.flush()
        with _write_errors(name):
            yield sys.stdout.buffer
            sys.stdout.buffer.flush()
        return
    refuse_existing(name, force=force)
    special = final.exists() and not final.is_file()
    partial = final if special else _partial(final)
    with output_errors(name):
        opened = open(partial, "wb")  # noqa: SIM115  closed below
    try:
        with _write_errors(name), opened as file:
            yield file
        if not special:
            with output_errors(name):
                os.replace(partial, final)
    finally:
        if not special:
            partial.unlink(missing_ok=True)


@contextmanager
def _write_errors(name: str) -> Iterator[None]:
    """Makes an error of writing an OutputError. One that names a file is another file's, such as an input's."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        if error.filename is not None:
            raise
        raise OutputError(f"{'standard output' if name == STANDARD else name}: {error.strerror}") from None


def _partial(final: Path) -> Path:
    """The name of a file while it is made."""
    return final.with_name(f".{final.stem}.partial{final.suffix}")


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
    partial = _partial(final)
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
