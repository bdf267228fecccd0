"""The option ``--dialect`` of the commands that simulate devices."""

import argparse
from typing import TYPE_CHECKING, Final

from vtctap.command_line.messages import warn
from vtctap.errors import CommandError

if TYPE_CHECKING:
    from vtctap.dissector.profiles.model import Profile
    from vtctap.sniffer.simulated.dialect import Dialect

__all__ = ["FITTING", "add_dialect", "dialect_of", "fitting_profile"]

FITTING: Final = "the one that fits the dialect"
"""The default of ``--profile`` in commands that simulate devices."""


def add_dialect(parser: argparse.ArgumentParser, does: str = "") -> None:
    """Adds ``--dialect``; ``does`` says what else it does."""
    parser.add_argument(
        "--dialect",
        metavar="NAME|SEED",
        help=f"devices of another kind: a name, or a whole number from which one is drawn {does}".strip()
        + " ('vtctap help dialects')",
    )


def dialect_of(arguments: argparse.Namespace) -> "Dialect":
    """Returns the dialect of ``--dialect``, or the default, and prints its note. Raises CommandError."""
    from vtctap.sniffer.simulated.drawn import dialect
    from vtctap.sniffer.simulated.named import KNOWN

    if arguments.dialect is None:
        return KNOWN
    try:
        chosen = dialect(arguments.dialect)
    except ValueError as error:
        raise CommandError(str(error)) from None
    if chosen.note:
        warn(f"dialect {chosen.name}: {chosen.note}")
    return chosen


def fitting_profile(arguments: argparse.Namespace, dialect: "Dialect") -> "Profile":
    """Returns the profile of ``--profile``, or else that of the dialect's port: for drawn dialects the one of IEC
    62056-21, which says nothing of their registers."""
    from vtctap.dissector.profiles.files import load
    from vtctap.dissector.profiles.names import DEFAULT

    return load(arguments.profile or (DEFAULT if dialect.name.startswith(DEFAULT) else "iec62056-21"))
