"""Meter manufacturers by FLAG id, the three letters of an identification (IEC 62056-21).

The DLMS User Association keeps the list. The names in ``manufacturers.tsv`` are facts from the list that the
wmbusmeters project publishes as src/manufacturers.h, whose first line puts it under CC0. The file holds a selection,
mostly of makers of electricity meters; a missing code is unknown, not wrong.
"""

from functools import cache
from importlib import resources


@cache
def manufacturers() -> dict[str, str]:
    """Returns the manufacturers' names by code, in capital letters."""
    lines = (resources.files("vtctap.dissector.profiles") / "manufacturers.tsv").read_text("utf-8").splitlines()
    return dict(line.split("\t") for line in lines if line and not line.startswith("#"))


def manufacturer(code: str) -> str | None:
    """Returns the manufacturer's name, None for an unknown code. Case does not matter."""
    return manufacturers().get(code.upper())
