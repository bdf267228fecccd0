"""The errors that a user can mend, and the exit status that each leads to.

Every error class of vtctap derives from :class:`Error`, wherever it is defined; the command line prints its message as
one line and exits with its ``status``. Anything else that is raised is a fault of the program.

This module imports nothing, so every room may import it. It stands beside the front door and not in
:mod:`vtctap.pcap`, the lowest room, because importing a module of that package loads all the file formats.
"""

from typing import ClassVar, Final

DONE: Final = 0
FOUND: Final = 1
WRONG_USE: Final = 2
NO_PORT: Final = 3
NO_OUTPUT: Final = 4
INTERRUPTED: Final = 130
"""The exit statuses. ``FOUND``: done, but something was found or an input was skipped."""


class Error(Exception):
    """Something that the user can mend; the message is one line that says how. ``status`` is the exit status of a
    command that it ends."""

    status: ClassVar[int] = WRONG_USE


class CommandError(Error):
    """The command cannot do what was asked."""


class OutputError(Error):
    """An output cannot be written."""

    status: ClassVar[int] = NO_OUTPUT


class MissingExtra(Error, ImportError):
    """A library that is not installed is needed; the message says what installs it."""
