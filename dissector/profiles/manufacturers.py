"""Makers of meters by their FLAG manufacturer id: the three letters of an identification (IEC 62056-21).

The DLMS User Association keeps the list. The names in ``manufacturers.tsv`` are facts taken from the list that the
wmbusmeters project publishes as src/manufacturers.h, a file that its first line puts under CC0. Here are the makers of
electricity meters that are met in the field, not all of them; a code that is not here is unknown, not wrong.
"""

from functools import cache
from importlib import resources


@cache
def manufacturers() -> dict[str, str]:
    """The makers' names by their codes, in capital letters."""
    lines = (resources.files("vtctap.dissector.profiles") / "manufacturers.tsv").read_text("utf-8").splitlines()
    return dict(line.split("\t") for line in lines if line and not line.startswith("#"))


def manufacturer(code: str) -> str | None:
    """The maker's name, None for a code that is not known. Small letters belong to the same maker as capitals."""
    return manufacturers().get(code.upper())
