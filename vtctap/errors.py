"""The errors that a user can correct, and their exit statuses.

Every error class of vtctap derives from :class:`Error`, wherever it is defined. The command line prints its message as
one line and exits with its ``status``. Any other exception is a bug.

This module imports nothing, so every package may import it. It is not in :mod:`vtctap.pcap`, the lowest package,
because importing a module of that package loads all file formats.
"""

from typing import ClassVar, Final

DONE: Final = 0
FOUND: Final = 1
WRONG_USE: Final = 2
NO_PORT: Final = 3
NO_OUTPUT: Final = 4
INTERRUPTED: Final = 130
"""The exit statuses. ``FOUND`` means that the command succeeded, but found something or skipped a part of its input."""


class Error(Exception):
    """An error that the user can correct; the message is one line that says how.

    ``status`` is the exit status of the command that it ends.
    """

    status: ClassVar[int] = WRONG_USE


class CommandError(Error):
    """The command cannot do what the arguments ask."""


class OutputError(Error):
    """An output cannot be written."""

    status: ClassVar[int] = NO_OUTPUT


class MissingExtra(Error, ImportError):
    """An optional library is needed and not installed; the message says how to install it."""
