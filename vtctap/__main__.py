"""The command line: ``vtctap COMMAND ...``.

Each command is a module of :mod:`vtctap.commands`, imported only when it is called for, so that the others' libraries
cost nothing. An error that a user can mend is one line on stderr that says how, and the exit status of its class
(:mod:`vtctap.errors`); anything else is a fault of the program and shows where.
"""

import argparse
import errno
import os
import sys
from importlib import import_module
from typing import Final, NoReturn

from vtctap import __version__
from vtctap.errors import INTERRUPTED, WRONG_USE, CommandError, Error, OutputError

COMMANDS: Final = {
    "ports": ("ports", "list the serial ports"),
    "capture": ("capture", "listen to a link and write what it says to a trace"),
    "demo": ("demo", "capture a simulated link"),
    "read": ("read", "show a trace, decoded"),
    "check": ("check", "find what is wrong in traces: damage, protocol, timing, tokens"),
    "stats": ("stats", "count what traces hold"),
    "report": ("report", "make a page with pictures of a trace"),
    "reframe": ("reframe", "frame a trace's octets again, with another profile or line"),
    "import": ("import_", "make a trace of what other tools recorded"),
    "token": ("token", "decode STS tokens"),
    "profile": ("profile", "list and show protocol profiles"),
    "wireshark": ("wireshark", "put dissector, live capture and profile into Wireshark, or take them out"),
    "doctor": ("doctor", "find what is missing for capture and for Wireshark, and what mends it"),
}
"""Command, its module, and what it does."""

_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What only writing leads to; files that are written state their names themselves."""


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Help of a fixed width: to ask for the terminal's would take longer than all the rest."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=100)


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(WRONG_USE, f"{self.prog}: {message}; '{self.prog} --help' says more\n")


def main(arguments: list[str] | None = None) -> int:
    """Runs a command; gives the exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    # Who starts a program without standard input or output wants none.
    sys.stdin = sys.stdin or open(os.devnull)  # noqa: SIM115  until the end
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    try:
        status = _run(arguments)
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _settle_output()  # Whoever read it has had enough.
        return 0
    except (Error, OSError) as error:
        _settle_output()
        known = error if isinstance(error, Error) else _of_the_system(error)
        if known is None:
            raise
        print(f"vtctap: {known}", file=sys.stderr)
        return known.status
    except Exception:
        _settle_output()
        raise


def _of_the_system(error: OSError) -> Error | None:
    """What the system says of a file, as an error of ours; None where it names no file and no full disk."""
    if error.filename is not None:
        return CommandError(f"{error.filename}: {error.strerror}")
    return OutputError(f"standard output: {error.strerror}") if error.errno in _FULL else None


def _settle_output() -> None:
    """Writes what is still held of standard output; what it does not take is given up, before Python tries at exit."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(arguments: list[str]) -> int:
    name = arguments[0] if arguments else ""
    if name not in COMMANDS:
        return _no_command(arguments)
    module = import_module(f"vtctap.commands.{COMMANDS[name][0]}")
    parser = _Parser(prog=f"vtctap {name}", description=module.__doc__, formatter_class=_Formatter)
    module.add_arguments(parser)
    rest = arguments[1:]
    # Options may stand between the names of files; but what follows a "--" is then taken for options too.
    parse = parser.parse_args if "--" in rest else parser.parse_intermixed_args
    return int(module.run(parse(rest)))


def _no_command(arguments: list[str]) -> int:
    parser = _Parser(
        prog="vtctap",
        description="Passive protocol analyser for prepaid-meter links (IEC 62055-52, IEC 62056-21).",
        epilog="commands:\n" + "\n".join(f"  {name:11}{does}" for name, (_, does) in COMMANDS.items()),
        formatter_class=_Formatter,
        usage="vtctap COMMAND ...",
    )
    parser.add_argument("--version", action="version", version=f"vtctap {__version__}")
    if not arguments:
        parser.print_help(sys.stderr)
        return WRONG_USE
    parser.parse_args(arguments[:1] if arguments[0].startswith("-") else [])
    from difflib import get_close_matches

    near = get_close_matches(arguments[0], COMMANDS, 1)
    parser.error(f"there is no command {arguments[0]!r}" + (f"; did you mean {near[0]!r}?" if near else ""))


if __name__ == "__main__":
    sys.exit(main())
