"""The command line: ``vtctap COMMAND ...``.

The commands are in :mod:`vtctap.commands`, their table and parsers in :mod:`vtctap.parsers`. An error that a user can
mend is one line on stderr that says how, and the exit status of its class (:mod:`vtctap.errors`); anything else is a
fault of the program and shows where.
"""

import errno
import os
import sys
from io import TextIOWrapper
from typing import Final

from vtctap.errors import INTERRUPTED, WRONG_USE, CommandError, Error, OutputError
from vtctap.parsers import COMMANDS, command_module, command_parser, main_parser, suggested

_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What only writing leads to; files that are written state their names themselves."""


def main(arguments: list[str] | None = None) -> int:
    """Runs a command; gives the exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    # Who starts a program without standard input or output wants none.
    sys.stdin = sys.stdin or open(os.devnull)  # noqa: SIM115  until the end
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    if isinstance(sys.stdout, TextIOWrapper):
        # As standard error is: what its encoding has no octets for is neither an error nor a question mark.
        sys.stdout.reconfigure(errors="backslashreplace")
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
    parsed = command_parser(name).parse(arguments[1:])
    return int(command_module(name).run(parsed))


def _no_command(arguments: list[str]) -> int:
    parser = main_parser()
    if not arguments:
        parser.print_help(sys.stderr)
        return WRONG_USE
    parser.parse(arguments[:1] if arguments[0].startswith("-") else [])
    parser.error(f"there is no command {arguments[0]!r}{suggested(arguments[0], COMMANDS)}")


if __name__ == "__main__":
    sys.exit(main())
