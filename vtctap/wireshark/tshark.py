"""Asks tshark for the version and the folders of the installed Wireshark, and runs tshark."""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vtctap.errors import Error

_PATIENCE: Final = 60
"""Seconds that tshark may take to answer."""
_LUA_FOLDER: Final = "Personal Lua Plugins"
_CONFIGURATION: Final = "Personal configuration"
_EXTCAP_FOLDER: Final = "Personal Extcap path"
_EXTCAP_MOVED: Final = (4, 2)
"""From this version on, a user's extcap programs are beside the plugins, and tshark names their folder. Before, they
are in the configuration folder."""
NO_LUA_FOR_ROOT: Final = (4, 4)
"""From this version on, Wireshark loads no Lua scripts for root, and does not say so."""
_ROOT_REMARK: Final = re.compile(r'^Running as user "root" and group "root"\.[^\n]*\n', re.MULTILINE)


class NoWireshark(Error):
    """There is no Wireshark on this machine, or its tshark does not run."""


@dataclass(frozen=True, slots=True)
class Wireshark:
    """A Wireshark: the path of its tshark, its version, and the folders of the user's own files.

    ``plugins`` is None if it was built without Lua.
    """

    tshark: str
    version: tuple[int, int, int]
    configuration: Path
    plugins: Path | None
    extcap: Path

    @property
    def version_text(self) -> str:
        """The version as text, such as 4.0.17."""
        return ".".join(map(str, self.version))

    def run(self, arguments: Sequence[str | Path]) -> subprocess.CompletedProcess[str]:
        """Runs tshark, and returns its output as text. The warning about running as root is removed from stderr.
        Raises NoWireshark."""
        done = _run(self.tshark, arguments)
        return subprocess.CompletedProcess(done.args, done.returncode, done.stdout, _ROOT_REMARK.sub("", done.stderr))


def find(tshark: str = "tshark") -> Wireshark:
    """Returns the Wireshark of this machine and user. Raises NoWireshark."""
    path = shutil.which(tshark)
    if path is None:
        raise NoWireshark("there is no tshark: install Wireshark first (Debian: sudo apt-get install wireshark tshark)")
    return described(path, _run(path, ["--version"]).stdout, _run(path, ["-G", "folders"]).stdout)


def described(path: str, version: str, folders: str) -> Wireshark:
    """Returns the Wireshark that prints these texts for ``--version`` and ``-G folders``. Raises NoWireshark.

    It prints relative folders as the environment names them: they are relative to the working directory.
    """
    found = re.search(r"\b(\d+)\.(\d+)\.(\d+)", version)
    lines = (line.partition(":\t") for line in folders.splitlines())
    named = {name.strip(): Path(value.strip()).absolute() for name, _, value in lines}
    if not found or _CONFIGURATION not in named:
        raise NoWireshark(f"{path} does not say its version and its folders: is it a tshark of Wireshark 4?")
    numbers = (int(found[1]), int(found[2]), int(found[3]))
    configuration, plugins = named[_CONFIGURATION], named.get(_LUA_FOLDER)
    beside = plugins.parent if plugins else Path.home() / ".local/lib/wireshark"
    guess = beside / "extcap" if numbers >= _EXTCAP_MOVED else configuration / "extcap"
    return Wireshark(path, numbers, configuration, plugins, named.get(_EXTCAP_FOLDER, guess))


def _run(tshark: str, arguments: Sequence[str | Path]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            [tshark, *map(str, arguments)],
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=_PATIENCE,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise NoWireshark(f"{tshark} does not run: {error}") from None


def is_root() -> bool:
    """Returns whether this program runs as root."""
    return hasattr(os, "geteuid") and os.geteuid() == 0
