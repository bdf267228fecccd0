"""The files that commands write: texts and traces. None of them overwrites a file without ``--force``, and none at all
a trace that another program is writing, because its records would be lost.
"""

import argparse
import errno
import os
import stat
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from vtctap import __version__
from vtctap.base.nouns import count
from vtctap.base.running import has_ended
from vtctap.command_line.arguments import STANDARD
from vtctap.command_line.messages import warn
from vtctap.errors import CommandError, OutputError

if TYPE_CHECKING:
    from vtctap.pcap.capture_file import Interface
    from vtctap.pcap.trace import TraceWriter

__all__ = [
    "APPLICATION",
    "FULL",
    "file_state",
    "output_errors",
    "private",
    "refuse_existing",
    "refuse_same",
    "shown_name",
    "whole_file",
    "whole_path",
    "whole_trace",
    "write_text",
]

APPLICATION: Final = f"vtctap {__version__}"
"""The name and version of the writing program, which traces state."""

_STEM: Final = 50
"""Most characters of a name in that of its incomplete file: systems allow 255 octets."""
FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Errors that only writing causes."""


def shown_name(name: str) -> str:
    """Returns the name of an output for messages."""
    return "standard output" if name == STANDARD else name


@contextmanager
def output_errors(name: str, *, kept: bool = False) -> Iterator[None]:
    """Turns an OSError into an OutputError for the output ``name``. BrokenPipeError passes unchanged.

    ``kept``: what a write has written before it failed stays, and can be read.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        done = "; the part written before is readable" if kept and not error.filename else ""
        named = shown_name(name)
        folder = Path(name).parent
        missing = f"; create the folder {folder}" if error.errno == errno.ENOENT and not folder.exists() else ""
        raise OutputError(f"{named}: {error.strerror}{done}{missing}") from None


def refuse_existing(name: str, *, force: bool) -> None:
    """Raises CommandError if a file with that name exists, unless ``force`` is set, and OutputError if another program
    is writing it."""
    if name == STANDARD:
        return
    if Path(name).is_file() and not force:
        raise _exists(name)
    with output_errors(name), _kept(name):
        pass


def _exists(name: str) -> CommandError:
    return CommandError(f"{name} exists: choose another name, or --force to overwrite it")


def _kept(name: str) -> AbstractContextManager[None]:
    """Keeps captures away from a file while it is replaced. Raises OSError if one is writing it."""
    from vtctap.pcap.streams import kept_from_writers

    return kept_from_writers(name)


def refuse_same(*names: str | None) -> None:
    """Raises CommandError if two outputs of a command are one file, or both standard output. None and "" are none, and
    pipes and devices may take several."""
    from vtctap.pcap.streams import is_special

    given = [name for name in names if name and (name == STANDARD or not is_special(name))]
    places = [name if name == STANDARD else os.path.realpath(name) for name in given]
    for number, place in enumerate(places):
        if place in places[:number]:
            raise CommandError(f"{shown_name(given[number])} is named for two outputs: choose another name for one")


def write_text(name: str, text: str, *, force: bool, encoding: str = "ascii", public: bool = False) -> None:
    """Writes a text to a file, whole or not at all, or to standard output. Characters that the encoding lacks become
    question marks.

    A new file can be read by its owner alone, unless it is ``public``, because it holds nothing from a trace. Another
    one keeps its permissions.
    """
    octets = text.encode(encoding, "replace")
    if name == STANDARD:
        sys.stdout.flush()
        sys.stdout.buffer.write(octets)
        return
    with whole_path(name, force=force) as path, output_errors(name):
        with open(path, "wb", opener=None if public else private) as file:
            file.write(octets)
        if path != Path(name) and Path(name).exists():
            path.chmod(stat.S_IMODE(os.stat(name).st_mode))


def print_together(texts: Iterable[str]) -> None:
    """Prints texts, each on a line of its own, many by one call, because the system takes long for each one. Those
    before an error in taking the next one are printed, too."""
    waiting: list[str] = []
    try:
        for text in texts:
            waiting.append(text)
            if len(waiting) == _TOGETHER:
                together, waiting = waiting, []
                print("\n".join(together))
    finally:
        if waiting:
            print("\n".join(waiting))


_TOGETHER: Final = 64
"""Most texts that are printed by one call. As many lines of a trace are about what Python holds back in any case."""


def private(path: str, flags: int) -> int:
    """Opens a file that only its owner can read, if it is new; for ``opener`` of :func:`open`."""
    return os.open(path, flags, 0o600)


@contextmanager
def whole_path(name: str, *, force: bool) -> Iterator[Path]:
    """Yields the path at which a file is written; the file gets its name when it is complete, and is removed after an
    error. A killed program leaves what had the name before, and a hidden, incomplete file, which the next one removes.
    A special file, such as a fifo, is written itself.

    The path has the suffix of ``name``, by which writers choose a format, and no other program writes it. Raises
    CommandError if there is such a file and ``force`` is not set, and OutputError if another program is writing it at
    the beginning or at the end, or wrote it meanwhile.
    """
    from vtctap.pcap.streams import is_special

    final = Path(name)
    if final.is_dir():
        raise OutputError(f"{name}: {os.strerror(errno.EISDIR)}")
    if is_special(final):
        yield final
        return
    partial, before = _partial(final), file_state(final)
    if before and not force:
        raise _exists(name)
    with output_errors(name), _kept(name):
        pass
    try:
        yield partial
        with output_errors(name), _kept(name):
            over = before is not None or final.is_symlink()
            if file_state(final) != before or not _has_its_name(partial, final, over=over):
                raise OutputError(f"{name} was written by another program meanwhile: choose another name")
    finally:
        with suppress(OSError):  # It has its name now, or its folder takes no files, which another error says.
            partial.unlink()


def _has_its_name(partial: Path, final: Path, *, over: bool) -> bool:
    """Gives a complete file its name, and returns whether it has it: unless it goes ``over`` another one, a file that
    has the name by now keeps it. File systems without hard links do not tell."""
    if not over:
        try:
            os.link(partial, final)
        except FileExistsError:
            return False
        except OSError:
            pass
        else:
            return True
    os.replace(partial, final)
    return True


def _partial(final: Path) -> Path:
    """Returns the hidden path for a file that is not complete, which holds the number of this process and the name of
    the machine. Removes what killed processes of this machine left of such files."""
    import glob
    import socket

    begins, ends = f".{final.stem[:_STEM]}.", f".partial{final.suffix}"
    with suppress(OSError):
        for left in final.parent.glob(f"{glob.escape(begins)}*{glob.escape(ends)}"):
            process, _, host = left.name.removeprefix(begins).removesuffix(ends).partition(".")
            if has_ended(process, host):
                left.unlink()
    return final.with_name(f"{begins}{os.getpid()}.{socket.gethostname()}{ends}")


def file_state(path: Path) -> tuple[int, int, int] | None:
    """Returns what changes where a file is written or replaced; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


@contextmanager
def whole_file(name: str, *, force: bool) -> Iterator[IO[bytes]]:
    """Opens a file that appears under its name only when it is complete; or standard output."""
    if name == STANDARD:
        sys.stdout.flush()
        with _write_errors(name):
            yield sys.stdout.buffer
            sys.stdout.buffer.flush()
        return
    with whole_path(name, force=force) as path:
        with output_errors(name):
            opened = open(path, "wb", opener=private)  # noqa: SIM115  closed below
        with _write_errors(name), opened as file:
            yield file


@contextmanager
def _write_errors(name: str) -> Iterator[None]:
    """Turns an OSError of a write into an OutputError. An error that names a file passes: it is about another file."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        if error.filename is not None:
            raise
        raise OutputError(f"{shown_name(name)}: {error.strerror}") from None


@contextmanager
def whole_trace(
    arguments: argparse.Namespace, taps: "Sequence[Interface]", *, application: str = APPLICATION
) -> Iterator["TraceWriter"]:
    """Opens a trace that appears under its name only when it is complete, and then prints a summary line."""
    with _whole_trace(arguments, taps, application) as writer:
        yield writer
    if not arguments.quiet:
        warn(f"{count(writer.records, 'record')} in {arguments.output}")


@contextmanager
def _whole_trace(
    arguments: argparse.Namespace, taps: "Sequence[Interface]", application: str
) -> Iterator["TraceWriter"]:
    from vtctap.pcap.capture_file import TraceError
    from vtctap.pcap.streams import is_special

    final = Path(arguments.output)
    if arguments.output == STANDARD or is_special(final):
        with output_errors(arguments.output), _trace(arguments, taps, application) as writer:
            yield writer
        return
    with whole_path(arguments.output, force=arguments.force) as partial:
        options = argparse.Namespace(output=str(partial), dlt=arguments.dlt, force=True)
        try:
            with output_errors(arguments.output), _trace(options, taps, application) as writer:
                yield writer
        except TraceError as error:
            raise type(error)(str(error).replace(str(partial), str(final))) from None


def _trace(arguments: argparse.Namespace, taps: "Sequence[Interface]", application: str) -> "TraceWriter":
    from vtctap.pcap.trace import create_trace

    target: str | IO[bytes] = sys.stdout.buffer if arguments.output == STANDARD else arguments.output
    return create_trace(target, linktype=arguments.dlt, application=application, taps=taps, force=arguments.force)
