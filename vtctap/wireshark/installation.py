"""Installs vtctap's files into Wireshark's folders, updates them, and removes them again.

A manifest in Wireshark's configuration folder lists the installed files, with digests, and the folders made for them.
So a second installation updates the files, and an uninstallation removes exactly them; files that the user has changed
are neither overwritten nor removed without ``--force``. An exception is ``recent``: Wireshark itself rewrites it at
every exit, so a change there is not the user's.
"""

import hashlib
import json
import os
import shlex
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from vtctap.base.replacing import missing_folders, remove_empty, replacing
from vtctap.command_line.outputs import output_errors
from vtctap.errors import CommandError, OutputError
from vtctap.pcap.record import LINKTYPE_USER0
from vtctap.wireshark.tshark import Wireshark

MANIFEST: Final = "vtctap.json"
_DIARY: Final = "recent"


class File(NamedTuple):
    """A file to install."""

    path: Path
    text: str
    executable: bool = False

    @property
    def content(self) -> bytes:
        """The file's octets. A path in the text may have octets that are not UTF-8: they stay as they are."""
        return self.text.encode("utf-8", "surrogateescape")

    @property
    def digest(self) -> str:
        """The digest of the content."""
        return _digest_of(self.content)


class Choices(NamedTuple):
    """The options of a generated dissector: profiles (empty: all that come with vtctap) and link type (None: 147)."""

    profiles: tuple[str, ...] = ()
    linktype: int | None = None


_DEFAULTS: Final = Choices()


class FileStep(NamedTuple):
    """What was, or would be, done with a file. ``kept`` says that the file is the user's and was not touched;
    ``changes`` that it was written or removed."""

    verb: str
    path: Path
    kept: bool = False
    changes: bool = False


def launcher() -> str:
    """Returns the text of the extcap launcher: a script without a suffix (Scapy runs no other) that names its
    interpreter."""
    return f'#!/bin/sh\n# Put here by vtctap.\nexec {shlex.quote(sys.executable)} -P -m vtctap.wireshark.extcap "$@"\n'


def dissector(choices: "Choices") -> str:
    """Returns the text of the Lua dissector. Raises ProfileError."""
    from vtctap import __version__
    from vtctap.dissector.profiles.files import load
    from vtctap.dissector.profiles.names import DEFAULT, shipped
    from vtctap.dissector.wireshark.generator import generate

    names = choices.profiles or (DEFAULT, *(name for name in shipped() if name != DEFAULT))
    return generate(*map(load, names), version=__version__, linktype=choices.linktype or LINKTYPE_USER0)


def wanted(wireshark: Wireshark, dissector: str, profile: dict[str, str]) -> list[File]:
    """Returns the files of an installation. Raises CommandError if this Wireshark has no Lua."""
    if wireshark.plugins is None:
        raise CommandError(
            f"Wireshark {wireshark.version_text} was built without Lua, which the dissector needs: install one with Lua"
        )
    files = [File(wireshark.plugins / "vtctap.lua", dissector)]
    if os.name == "posix":
        files.append(File(wireshark.extcap / "vtctap", launcher(), executable=True))
    folder = wireshark.configuration / "profiles" / "vtctap"
    return files + [File(folder / name, text) for name, text in profile.items()]


@dataclass(slots=True)
class Installation:
    """The installed files of one Wireshark with their digests, and the folders made for them.

    With ``dry`` nothing is changed.
    """

    manifest: Path
    files: dict[Path, str]
    folders: list[Path]
    dry: bool = False
    choices: Choices = field(default_factory=Choices)
    """The options of the installed dissector."""

    @classmethod
    def of(cls, wireshark: Wireshark, *, dry: bool = False) -> "Installation":
        """Reads the manifest. Raises CommandError if it is damaged."""
        path = wireshark.configuration / MANIFEST
        try:
            stated = json.loads(path.read_text("utf-8"))
            files = {_path(name): str(digest) for name, digest in stated["files"].items()}
            folders = [_path(name) for name in stated["folders"]]
            linktype = stated["linktype"]
            profiles = tuple(_profile(name) for name in stated["profiles"])
            return cls(path, files, folders, dry, Choices(profiles, None if linktype is None else int(linktype)))
        except FileNotFoundError:
            return cls(path, {}, [], dry)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise CommandError(f"{path} is damaged: remove it, and install again with --force") from None

    def install(self, files: Iterable[File], *, force: bool, choices: Choices = _DEFAULTS) -> list[FileStep]:
        """Installs the files, and removes files of an earlier installation that are no longer part of it.

        The manifest is in place before the first new file, so that an installation that is killed can be removed.
        After an error, files, folders and manifest are as they were. Raises OutputError.
        """
        by_path = {file.path: file for file in files}
        puts = [self._put(file, force=force) for file in by_path.values()]
        removals = self._removals(set(self.files) - set(by_path), force=force)
        if not self.dry:
            ours = {step.path: by_path[step.path].digest for step in puts if not step.kept}
            kept = {step.path for step in (*puts, *removals) if step.kept}
            ours |= {path: digest for path, digest in self.files.items() if path in kept}
            written = [by_path[step.path] for step in puts if step.changes]
            self._replace(written, [step.path for step in removals if step.changes], ours, choices)
        return [*puts, *removals]

    def uninstall(self, *, force: bool) -> list[FileStep]:
        """Removes the installed files and the folders made for them. Raises OutputError."""
        steps = self._removals(set(self.files), force=force)
        kept = {step.path: self.files[step.path] for step in steps if step.kept}
        if self.dry:
            return steps
        for step in steps:
            if step.changes:
                with output_errors(str(step.path)):
                    step.path.unlink()
        if kept:
            self._replace([], [], kept, self.choices)
        else:
            with output_errors(str(self.manifest)):
                self.manifest.unlink(missing_ok=True)
            self.files = {}
            remove_empty(self.folders)
        return steps

    def _put(self, file: File, *, force: bool) -> FileStep:
        """Returns what is to be done with a file that is wanted."""
        there = _digest(file.path)
        ours = self.files.get(file.path)
        if there == file.digest or (there and ours and file.path.name == _DIARY and not force):
            return FileStep("unchanged", file.path)
        if there and there != ours and not force:
            return FileStep("left as it is, because it was changed or is not vtctap's", file.path, kept=True)
        return FileStep("updated" if there else "installed", file.path, changes=True)

    def _removals(self, paths: Iterable[Path], *, force: bool) -> list[FileStep]:
        """Returns what is to be done with installed files that are no longer wanted; those that are gone need
        nothing."""
        there = {path: _digest(path) for path in sorted(paths)}
        return [self._removal(path, digest, force=force) for path, digest in there.items() if digest]

    def _removal(self, path: Path, there: str, *, force: bool) -> FileStep:
        if there != self.files[path] and path.name != _DIARY and not force:
            return FileStep("kept, because it was changed", path, kept=True)
        return FileStep("removed", path, changes=True)

    def _replace(
        self, written: Sequence[File], removed: Sequence[Path], ours: dict[Path, str], choices: Choices
    ) -> None:
        """Writes and removes files, and states in the manifest which are ``ours``. Raises OutputError."""
        paths = (self.manifest, *(file.path for file in written))
        folders = sorted({*self.folders, *(folder for path in paths for folder in missing_folders(path))})
        stated = {
            "files": {str(path): digest for path, digest in sorted(ours.items())},
            "folders": [*map(str, folders)],
            **choices._asdict(),
        }
        try:
            with replacing() as replacement:
                for path in removed:
                    replacement.remove(path)
                replacement.write(self.manifest, f"{json.dumps(stated, indent=1)}\n".encode())
                for file in written:
                    replacement.write(file.path, file.content, 0o755 if file.executable else 0o644)
        except OSError as error:
            raise OutputError(f"{error.filename}: {error.strerror}") from None
        self.files, self.folders, self.choices = ours, folders, choices


def _profile(name: str) -> str:
    """A profile of a manifest: the path of a file, which ends in .toml, or a name. Raises ValueError if it is
    neither."""
    if name.endswith(".toml"):
        return str(_path(name))
    if not name or Path(name).name != name or "\0" in name:
        raise ValueError(f"{name!r} is not a profile's name")
    return name


def _path(name: str) -> Path:
    """The path of that name in a manifest. Raises ValueError if no manifest of ours has such a name."""
    path = Path(name)
    if not path.is_absolute() or "\0" in name:
        raise ValueError(f"{name!r} is not an absolute path")
    return path


def _digest(path: Path) -> str | None:
    """Returns the digest of a file's content; None if the file does not exist."""
    content = _content(path)
    return None if content is None else _digest_of(content)


def _digest_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _content(path: Path) -> bytes | None:
    """Returns a file's content; None if the file does not exist."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
