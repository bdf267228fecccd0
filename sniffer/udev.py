"""The udev rule that sets each serial port as soon as it is plugged in, so that no tap is the first to open it.

The first program that opens a port finds a terminal with echo: until the program has set the port, the kernel sends
received octets back on TX. A program can only be quick; the rule sets the port before any program opens it.
"""

from importlib.resources import files
from pathlib import Path
from typing import Final

from vtctap.base.replacing import replacing

NAME: Final = "70-vtctap.rules"


def rule() -> str:
    """Returns the content of the rule's file."""
    return files("vtctap.sniffer").joinpath(NAME).read_text("ascii")


def place(root: Path = Path("/")) -> Path:
    """Returns the path of the installed rule; ``root`` is the root of the file system."""
    return root / "etc/udev/rules.d" / NAME


def is_needed(root: Path = Path("/")) -> bool:
    """Whether the machine has udev but not this rule."""
    if not (root / "run/udev").is_dir():
        return False
    try:
        return place(root).read_text("utf-8", "replace") != rule()
    except OSError:
        return True


def install(root: Path = Path("/")) -> Path:
    """Installs the rule, whole or not at all; udev notices it by itself. Raises OSError, which names the file."""
    path = place(root)
    with replacing() as replacement:
        replacement.write(path, rule().encode("ascii"))
    return path
