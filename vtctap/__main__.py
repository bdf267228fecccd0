"""The command line: ``vtctap COMMAND ...``.

Each command is a module of :mod:`vtctap.commands`, imported only when it is called for, so that the others' libraries
cost nothing. An error that a user can mend is one line on stderr that says how, and an exit status from this table;
anything else is a fault of the program and shows where.
"""

import argparse
import os
import sys
from importlib import import_module
from typing import Final

from vtctap import __version__

COMMANDS: Final = {
    "ports": ("ports", "list the serial ports"),
    "capture": ("capture", "listen to a link and write what it says to a trace"),
    "demo": ("demo", "capture a simulated link"),
    "read": ("read", "show a trace, decoded"),
    "reframe": ("reframe", "frame a trace's octets again, with another profile or line"),
    "import": ("import_", "make a trace of what other tools recorded"),
    "profile": ("profile", "list and show protocol profiles"),
    "wireshark": ("wireshark", "make the dissector for Wireshark"),
}
"""Command, its module, and what it does."""

FOUND, WRONG_USE, NO_PORT, NO_OUTPUT, INTERRUPTED = 1, 2, 3, 4, 130

_STATUS: Final = {
    "CommandError": WRONG_USE,
    "FilterError": WRONG_USE,
    "ImportFormatError": WRONG_USE,
    "ProfileError": WRONG_USE,
    "RecordError": WRONG_USE,
    "TraceError": WRONG_USE,
    "PortError": NO_PORT,
    "OutputError": NO_OUTPUT,
}
"""The exit status by the name of an error's class or base class: by name, so that nothing is imported for it."""


def main(arguments: list[str] | None = None) -> int:
    """Runs a command; gives the exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        status = _run(arguments)
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has had enough. Nothing is left to be said to it, not even when Python exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        status = next((_STATUS[kind.__name__] for kind in type(error).__mro__ if kind.__name__ in _STATUS), None)
        if status is None and isinstance(error, OSError) and error.filename is not None:
            status, error = WRONG_USE, OSError(f"{error.filename}: {error.strerror}")
        if status is None:
            raise
        print(f"vtctap: {error}", file=sys.stderr)
        return status


def _run(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="vtctap",
        description="Passive protocol analyser for prepaid-meter links (IEC 62055-52, IEC 62056-21).",
        epilog="commands:\n" + "\n".join(f"  {name:11}{does}" for name, (_, does) in COMMANDS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="vtctap COMMAND ...",
    )
    parser.add_argument("--version", action="version", version=f"vtctap {__version__}")
    if not arguments:
        parser.print_help()
        return WRONG_USE
    name = arguments[0]
    if name not in COMMANDS:
        parser.parse_args(arguments[:1] if name.startswith("-") else [])
        parser.error(f"there is no command {name!r}; 'vtctap --help' lists them")
    module = import_module(f"vtctap.commands.{COMMANDS[name][0]}")
    command = argparse.ArgumentParser(
        prog=f"vtctap {name}", description=module.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    module.add_arguments(command)
    return int(module.run(command.parse_args(arguments[1:])))


if __name__ == "__main__":
    sys.exit(main())
