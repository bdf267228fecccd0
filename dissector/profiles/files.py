"""Profiles: the meaning of a link's messages, as data.

Framing is code; meaning is data. A profile is a TOML file with the line's settings, timing limits, and names and tables
for registers and values. Every entry, or the table that holds it, states its source (``source``) and its certainty
(``confidence``). :func:`load` takes the name of a profile, either shipped or in the user's folder, or the path of a
file; docs/profiles.md describes the format.
"""

from importlib import resources
from pathlib import Path
from typing import Final

from vtctap.dissector.profiles.model import Profile, ProfileError
from vtctap.dissector.profiles.names import DEFAULT, file_of, shipped, users
from vtctap.dissector.profiles.reader import ProfileReader, parse_document

__all__ = ["load", "parse", "text"]

_GENERATIONS: Final = 8
"""Longest chain of inheritance; a longer one is taken for a circle."""


def load(name: str = DEFAULT) -> Profile:
    """Loads the profile of that name, or from the file of that path. Raises ProfileError."""
    return parse(text(name), file_of(name))


def text(name: str) -> str:
    """Returns the TOML text of the profile of that name, or of the file of that path. Raises ProfileError."""
    if name in shipped():
        return (resources.files("vtctap.dissector.profiles") / f"{name}.toml").read_text("utf-8")
    if not name.endswith(".toml") and name not in users():
        names = ", ".join((*shipped(), *users()))
        raise ProfileError(f"there is no profile {name!r}: name one of {names}, or the path of a .toml file")
    path = file_of(name)
    try:
        return Path(path).read_text("utf-8")
    except OSError as error:
        raise ProfileError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ProfileError(f"{path}: not UTF-8 text") from None


def parse(text: str, file: str) -> Profile:
    """Reads a profile from its TOML text; ``file`` names it in errors. Raises ProfileError."""
    return _parse(text, file, 1)


def _parse(source: str, file: str, generation: int) -> Profile:
    document = parse_document(source, file)
    head = document.get("profile")
    parent = head.get("inherits") if isinstance(head, dict) else None
    base = None
    if parent is not None:
        if not isinstance(parent, str) or parent.endswith(".toml"):
            raise ProfileError(f"{file}: profile.inherits: must be the name of a profile, not {parent!r}")
        if generation == _GENERATIONS:
            raise ProfileError(f"{file}: profile.inherits: {parent!r} and this profile inherit each other")
        try:
            base = _parse(text(parent), file_of(parent), generation + 1)
        except ProfileError as error:
            raise ProfileError(f"{file}: profile.inherits: {error}" if generation == 1 else str(error)) from None
    return ProfileReader(file, source, base).profile(document)
