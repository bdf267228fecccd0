"""The names of the profiles: those that come with vtctap, and the user's own.

The module is separate so that listing profiles imports nothing that reads them.
"""

import os
import sys
from importlib import resources
from pathlib import Path
from typing import Final

DEFAULT: Final = "iec62055-52"


def shipped() -> tuple[str, ...]:
    """Returns the names of the profiles that come with vtctap, the default one first."""
    folder = resources.files("vtctap.dissector.profiles")
    names = {entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml")}
    return (DEFAULT, *sorted(names - {DEFAULT}))


def user_directory() -> Path:
    """Returns the system's folder for the user's own profiles; it need not exist."""
    home = Path.home()
    if sys.platform == "win32":
        base = Path(os.environ.get("APPDATA") or home / "AppData" / "Roaming")
    elif sys.platform == "darwin":
        base = home / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    return base / "vtctap" / "profiles"


def users() -> tuple[str, ...]:
    """Returns the names of the user's own profiles; a file that has the name of a shipped profile does not count."""
    try:
        names = {path.stem for path in user_directory().iterdir() if path.suffix == ".toml"}
    except OSError:
        return ()
    return tuple(sorted(names - set(shipped())))


def file_of(name: str) -> str:
    """Returns the file of the profile of that name or path: its name where it comes with vtctap, else its path."""
    if name in shipped():
        return f"{name}.toml"
    return name if name.endswith(".toml") else str(user_directory() / f"{name}.toml")
