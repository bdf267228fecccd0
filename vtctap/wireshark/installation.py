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
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from vtctap.command_line.outputs import output_errors, whole_path
from vtctap.errors import CommandError
from vtctap.pcap.record import LINKTYPE_USER0
from vtctap.wireshark.tshark import Wireshark

MANIFEST: Final = "vtctap.json"
_DIARY: Final = "recent"


class File(NamedTuple):
    """A file to install."""

    path: Path
    text: str
    executable: bool = False


class Choices(NamedTuple):
    """The options of a generated dissector: profiles (empty: all that come with vtctap) and link type (None: 147)."""

    profiles: tuple[str, ...] = ()
    linktype: int | None = None


class FileStep(NamedTuple):
    """What was, or would be, done with a file. ``kept`` says that the file is the user's and was not touched."""

    verb: str
    path: Path
    kept: bool = False


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
            linktype = stated["linktype"]
            choices = Choices(
                tuple(str(_path(name)) for name in stated["profiles"]), None if linktype is None else int(linktype)
            )
            return cls(path, files, [_path(name) for name in stated["folders"]], dry, choices)
        except FileNotFoundError:
            return cls(path, {}, [], dry)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise CommandError(f"{path} is damaged: remove it, and install again with --force") from None

    def install(self, files: Iterable[File], *, force: bool) -> list[FileStep]:
        """Installs the files, and removes files of an earlier installation that are no longer part of it.

        The manifest is written before the first file, so that an installation that is killed can be removed. If a file
        cannot be written, those written before it are as they were.
        """
        files = list(files)
        before = {file.path: _content(file.path) for file in files}
        stated = dict(self.files)
        self._save({file.path: _digest_of(file.text.encode()) for file in files if before[file.path] is None})
        try:
            steps = [self._put(file, force=force) for file in files]
        except BaseException:
            self._undo(before, stated)
            raise
        gone = set(self.files) - {file.path for file in files}
        steps += [step for path in sorted(gone) for step in self._remove(path, force=force)]
        self._save()
        return steps

    def uninstall(self, *, force: bool) -> list[FileStep]:
        """Removes the installed files and the folders made for them."""
        steps = [step for path in sorted(self.files) for step in self._remove(path, force=force)]
        kept = {step.path: self.files[step.path] for step in steps if step.kept}
        if not self.dry:
            self.files = kept
        if kept:
            self._save()
        elif not self.dry:
            self.manifest.unlink(missing_ok=True)
            self._leave(self.folders)
        return steps

    def _put(self, file: File, *, force: bool) -> FileStep:
        there = _digest(file.path)
        digest = _digest_of(file.text.encode())
        ours = self.files.get(file.path)
        if there == digest or (there and ours and file.path.name == _DIARY and not force):
            if not self.dry:
                self.files[file.path] = digest
            return FileStep("unchanged", file.path)
        if there and there != ours and not force:
            return FileStep("left as it is, because it was changed or is not vtctap's", file.path, kept=True)
        if not self.dry:
            with output_errors(str(file.path)):
                self._make(file.path.parent)
                _replace(file.path, file.text, 0o755 if file.executable else 0o644)
            self.files[file.path] = digest
        return FileStep("updated" if there else "installed", file.path)

    def _undo(self, before: Mapping[Path, bytes | None], stated: dict[Path, str]) -> None:
        """Restores the files of ``before``, removes the others, and makes ``stated`` the content of the manifest."""
        if self.dry:
            return
        for path, content in before.items():
            with suppress(OSError):
                if content is None:
                    path.unlink(missing_ok=True)
                elif content != _content(path):
                    path.write_bytes(content)
        self.files = stated
        if stated:
            self._save()
            return
        with suppress(OSError):
            self.manifest.unlink(missing_ok=True)
            self._leave(self.folders)

    def _remove(self, path: Path, *, force: bool) -> list[FileStep]:
        there = _digest(path)
        if there is None:
            if not self.dry:
                del self.files[path]
            return []
        if there != self.files[path] and path.name != _DIARY and not force:
            return [FileStep("kept, because it was changed", path, kept=True)]
        if not self.dry:
            with output_errors(str(path)):
                path.unlink()
            del self.files[path]
        return [FileStep("removed", path)]

    def _make(self, folder: Path) -> None:
        missing = [parent for parent in (folder, *folder.parents) if not parent.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        self.folders += [parent for parent in missing if parent not in self.folders]

    def _leave(self, folders: Iterable[Path]) -> None:
        """Removes those folders that are empty, the innermost first."""
        for folder in sorted(folders, key=lambda folder: len(folder.parts), reverse=True):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()

    def _save(self, planned: Mapping[Path, str] | None = None) -> None:
        """Writes the manifest, in one step, with the files that are ``planned``."""
        if self.dry:
            return
        files = self.files | dict(planned or {})
        with output_errors(str(self.manifest)):
            self._make(self.manifest.parent)
            stated = {
                "files": {str(path): digest for path, digest in sorted(files.items())},
                "folders": sorted(map(str, self.folders)),
                **self.choices._asdict(),
            }
            _replace(self.manifest, json.dumps(stated, indent=1) + "\n", 0o644)


def _replace(path: Path, text: str, mode: int) -> None:
    """Writes a file whole or not at all. Until then its name does not end in .lua, which Wireshark would load."""
    with whole_path(str(path), path.with_name(f".{path.name}.partial")) as partial:
        partial.write_text(text, encoding="utf-8", newline="\n")
        partial.chmod(mode)


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
