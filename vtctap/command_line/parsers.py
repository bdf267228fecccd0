"""The table of commands, and the parsers of their arguments.

The module of a command is imported only when its parser is needed, so that other commands' libraries cost no time. The
man page and the shell completions are made from :func:`whole_parser`.
"""

import argparse
import sys
from collections.abc import Iterable
from importlib import import_module
from types import ModuleType
from typing import Any, Final, NoReturn

from vtctap import __version__
from vtctap.errors import WRONG_USE

__all__ = ["COMMANDS", "CommandParser", "command_parser", "main_parser", "suggested", "whole_parser"]

COMMANDS: Final = {
    "ports": ("ports", "list the serial ports"),
    "capture": ("capture", "capture a link to a trace"),
    "demo": ("demo", "capture a simulated link"),
    "read": ("read", "show a trace, decoded"),
    "check": ("check", "find errors in traces: damage, protocol, timing, tokens"),
    "stats": ("stats", "show the statistics of traces"),
    "report": ("report", "make an HTML page with charts of a trace"),
    "redact": ("redact", "replace the secrets of traces, so that they can be shared"),
    "verify": ("verify", "verify by the hash chain that traces are unaltered"),
    "reframe": ("reframe", "frame the octets of a trace again, with another profile or character format"),
    "import": ("import_", "convert recordings and logs of other tools to a trace"),
    "export": ("export", "write traces as tables, or their octets for other programs"),
    "query": ("query", "ask a set of traces in SQL"),
    "replay": ("replay", "play a trace again, to a tap or to one of the devices"),
    "simulate": ("simulate", "play a meter or a hand-held unit, as a partner for a real device"),
    "token": ("token", "decode STS tokens"),
    "profile": ("profile", "list, show, check, learn and make protocol profiles"),
    "wireshark": ("wireshark", "install dissector, live capture and profile in Wireshark, or remove them"),
    "doctor": ("doctor", "find problems with capture and Wireshark on this machine, and their fixes"),
    "completion": ("completion", "print the shell completion script"),
    "help": ("help", "show a command's help, or a page of the documentation"),
}
"""Command, its module, and its one-line description."""

_DESCRIPTION: Final = "Passive protocol analyser for prepaid-meter links (IEC 62055-52, IEC 62056-21)."


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Formats help at a fixed width, because asking for the terminal's width would take longer than everything else."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=100)


class CommandParser(argparse.ArgumentParser):
    """A parser that reports an error in one line, and a misspelled option before any other error."""

    def __init__(self, prog: str, **more: Any) -> None:
        super().__init__(prog=prog, formatter_class=_Formatter, **more)
        self._words: list[str] = []

    def parse(self, words: list[str]) -> argparse.Namespace:
        """Returns the parsed arguments. Options may stand between file names; after ``--`` all words are file names.
        Of several files, one may be ``-``, standard input."""
        self._words = words
        parsed = self.parse_args(words) if "--" in words else self.parse_intermixed_args(words)
        if any(isinstance(each, list) and each.count("-") > 1 for each in vars(parsed).values()):
            self.error("- is standard input, which can be read only once")
        return parsed

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        """Exits once the help or the version is out. Raises OSError where it cannot be written."""
        sys.stdout.flush()
        super().exit(status, message)

    def error(self, message: str) -> NoReturn:
        """Exits with one line on standard error."""
        unknown = next(filter(self._is_unknown, self._words), None)
        if unknown is not None:
            option = unknown.partition("=")[0]
            message = f"there is no option {option}{suggested(option, self._option_string_actions)}"
        self.exit(WRONG_USE, f"{self.prog}: {message}; '{self.prog} --help' says more\n")

    def _is_unknown(self, word: str) -> bool:
        """Returns whether a word looks like an option and is none. Words from ``--`` on are left to argparse."""
        before = self._words[: self._words.index("--")] if "--" in self._words else self._words
        if word not in before or not word.startswith("-") or word == "-" or word[1].isdecimal():
            return False
        start = word.partition("=")[0] if word.startswith("--") else word[:2]
        return not any(option.startswith(start) for option in self._option_string_actions)


def suggested(word: str, among: Iterable[str]) -> str:
    """Returns "; did you mean ...?" with the most similar word; "" if no word is similar.

    A word that begins with it counts as more similar than any other.
    """
    from difflib import get_close_matches

    words = list(among)
    longer = [each for each in words if word and each.startswith(word)]
    near = get_close_matches(word, longer or words, 1, 0 if longer else 0.6)
    return f"; did you mean {near[0]}?" if near else ""


def main_parser() -> CommandParser:
    """Returns the parser of the arguments before a command."""
    parser = CommandParser(
        prog="vtctap",
        description=_DESCRIPTION,
        epilog="commands:\n"
        + "\n".join(f"  {name:12}{does}" for name, (_, does) in COMMANDS.items())
        + "\n\n'vtctap help COMMAND' explains a command; 'vtctap help pages' lists the documentation.",
        usage="vtctap COMMAND ...",
    )
    parser.add_argument("--version", action="version", version=f"vtctap {__version__}")
    return parser


def command_module(name: str) -> ModuleType:
    """Imports and returns the module of a command."""
    return import_module(f"vtctap.commands.{COMMANDS[name][0]}")


def command_parser(name: str) -> CommandParser:
    """Returns the parser of a command's arguments."""
    module = command_module(name)
    parser = CommandParser(prog=f"vtctap {name}", description=module.__doc__)
    module.add_arguments(parser)
    return parser


def whole_parser() -> argparse.ArgumentParser:
    """Returns one parser with all commands."""
    parser = argparse.ArgumentParser(prog="vtctap", description=_DESCRIPTION)
    parser.add_argument("--version", action="version", version=f"vtctap {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, (_, does) in COMMANDS.items():
        module = command_module(name)
        module.add_arguments(commands.add_parser(name, help=does, description=module.__doc__))
    return parser
