"""The command line: ``vtctap COMMAND ...``.

The commands are in :mod:`vtctap.commands`, their table and parsers in :mod:`vtctap.command_line.parsers`. An error that
the user can correct is printed as one line on stderr, and its class gives the exit status (:mod:`vtctap.errors`). Any
other exception is a bug, and its traceback is shown.
"""

import os
import sys
from contextlib import suppress
from io import TextIOWrapper

from vtctap.command_line.messages import warn
from vtctap.command_line.parsers import COMMANDS, command_module, command_parser, main_parser, suggested
from vtctap.errors import DONE, INTERRUPTED, WRONG_USE, CommandError, Error, OutputError


def main(arguments: list[str] | None = None) -> int:
    """Runs a command, and returns the exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    # A parent process may have closed standard input, output or error; the program then runs without it.
    sys.stdin = sys.stdin or open(os.devnull)  # noqa: SIM115  stays open until exit
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    if isinstance(sys.stdout, TextIOWrapper):
        # Characters that the encoding lacks are escaped, as on standard error, instead of raising an error.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        status = _run(arguments)
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _settle_output()  # The reader is gone, as with 'vtctap read ... | head'.
        return DONE
    except (Error, OSError) as error:
        _settle_output()
        known = error if isinstance(error, Error) else _of_the_system(error)
        if known is None:
            raise
        with suppress(OSError):  # Standard error is gone, too.
            warn(str(known))
        return known.status
    except Exception:
        _settle_output()
        raise


def _of_the_system(error: OSError) -> Error | None:
    """Returns a system error as an :class:`Error`; None unless it names a file or says that the disk is full."""
    if error.filename is not None:
        return CommandError(f"{error.filename}: {error.strerror}")
    from vtctap.command_line.outputs import FULL

    # Other outputs report their errors with their name.
    return OutputError(f"standard output: {error.strerror}") if error.errno in FULL else None


def _settle_output() -> None:
    """Flushes standard output. If that fails the rest is discarded, so that Python does not try again at exit."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(arguments: list[str]) -> int:
    name = arguments[0] if arguments else ""
    if name not in COMMANDS:
        return _no_command(arguments)
    status = int(command_module(name).run(command_parser(name).parse(arguments[1:])))
    _hint()
    return status


def _hint() -> None:
    """Says which extra would have shown more of the records that were read."""
    dlms = sys.modules.get("vtctap.dissector.dlms")
    advice = dlms.missing() if dlms else None
    if advice:
        warn(advice)


def _no_command(arguments: list[str]) -> int:
    parser = main_parser()
    if not arguments:
        parser.print_help(sys.stderr)
        return WRONG_USE
    parser.parse(arguments[:1] if arguments[0].startswith("-") else [])
    parser.error(f"there is no command {arguments[0]!r}{suggested(arguments[0], COMMANDS)}")


if __name__ == "__main__":
    sys.exit(main())
