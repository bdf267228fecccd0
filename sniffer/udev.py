"""The udev rule that sets each serial port once, as soon as it is there, so that no tap is the first to open it.

The first program that opens a port since it was plugged in finds a terminal with echo: what arrives until the program
has set the port is sent back on TX, by the kernel. A program can only be quick; the rule does it before.
"""

from importlib.resources import files
from pathlib import Path
from typing import Final

NAME: Final = "70-vtctap.rules"


def rule() -> str:
    """The rule's file."""
    return files("vtctap.sniffer").joinpath(NAME).read_text("ascii")


def place(root: Path = Path("/")) -> Path:
    """Where a machine's own rules are; ``root`` is the folder of the file system's root."""
    return root / "etc/udev/rules.d" / NAME


def is_needed(root: Path = Path("/")) -> bool:
    """Whether the machine has udev, and not this rule."""
    if not (root / "run/udev").is_dir():
        return False
    try:
        return place(root).read_text("utf-8", "replace") != rule()
    except OSError:
        return True


def install(root: Path = Path("/")) -> Path:
    """Puts the rule in its place; udev sees it by itself. Raises OSError."""
    path = place(root)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(rule(), "ascii")
    return path
