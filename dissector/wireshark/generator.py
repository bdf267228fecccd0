"""Generates the Wireshark dissector: one Lua file from the field catalogue and one or more profiles.

The hand-written code is in the folder ``lua`` next to this module; this module joins its parts and inserts Python's
knowledge as tables (:mod:`vtctap.dissector.wireshark.tables`). The same input gives the same file.
"""

import re
from importlib import resources
from typing import Final

from vtctap.dissector.profiles.model import Profile
from vtctap.dissector.wireshark.tables import plain, tables
from vtctap.pcap.record import LINKTYPE_USER0

PARTS: Final = (
    "fields",
    "characters",
    "messages",
    "tokens",
    "encodings",
    "meaning",
    "understanding",
    "links",
    "places",
    "pairing",
    "columns",
    "items",
    "tree_header",
    "tree_message",
    "tree",
    "packets",
    "statistics",
)
"""The parts of the code in order; each one uses the parts before it."""


def generate(*profiles: Profile, version: str, linktype: int = LINKTYPE_USER0) -> str:
    """Returns the dissector's text, in ASCII, for traces of one link type. The first profile is active until the user
    chooses another in Wireshark's preferences."""
    folder = resources.files("vtctap.dissector.wireshark") / "lua"
    core = "\n".join(_part(part, (folder / f"{part}.lua").read_text("ascii")) for part in PARTS)
    names = f"profile{'s' if len(profiles) > 1 else ''} {', '.join(plain(profile.name) for profile in profiles)}"
    head = f"-- Dissector for the traces of vtctap {plain(version)}, {names}; do not edit."
    lines = "\n".join(tables(profiles, version, linktype))
    return core.replace("--@HEAD@", head, 1).replace("--@TABLES@", lines, 1)


def _part(name: str, text: str) -> str:
    """Wraps a part in a function that is called once, so that others see only what it returns, since Lua allows a
    function 200 local names. A part that returns nothing stays as it is."""
    rule = "" if name == PARTS[0] else f"-- {name} {'-' * (116 - len(name))}\n"
    returned = re.search(r"\nreturn ([\w,\s]+)\n\Z", text)
    return f"{rule}local {returned[1]} = (function()\n{text}end)()\n" if returned else rule + text
