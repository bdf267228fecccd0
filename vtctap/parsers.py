"""The commands, and the parsers of their arguments.

A command's module is imported only when its parser is asked for, so that the others' libraries cost nothing. What the
man page and the completions of shells are made from is :func:`whole_parser`.
"""

import argparse
from collections.abc import Iterable
from importlib import import_module
from types import ModuleType
from typing import Any, Final, NoReturn

from vtctap import __version__
from vtctap.errors import WRONG_USE

__all__ = ["COMMANDS", "Parser", "command_parser", "main_parser", "suggested", "whole_parser"]

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
    "export": ("export", "write what traces say as a table, or their octets for other programs"),
    "token": ("token", "decode STS tokens"),
    "profile": ("profile", "list and show protocol profiles"),
    "wireshark": ("wireshark", "put dissector, live capture and profile into Wireshark, or take them out"),
    "doctor": ("doctor", "find what is missing for capture and for Wireshark, and what mends it"),
    "completion": ("completion", "print what completes commands and options in a shell"),
    "help": ("help", "show a command's help, or a page of the documentation"),
}
"""Command, its module, and what it does."""

_DESCRIPTION: Final = "Passive protocol analyser for prepaid-meter links (IEC 62055-52, IEC 62056-21)."


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Help of a fixed width: to ask for the terminal's would take longer than all the rest."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=100)


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, which blames a misspelled option before anything else."""

    def __init__(self, prog: str, **more: Any) -> None:
        super().__init__(prog=prog, formatter_class=_Formatter, **more)
        self._words: list[str] = []

    def parse(self, words: list[str]) -> argparse.Namespace:
        """The arguments. Options may stand between the names of files; but behind a ``--`` all are names."""
        self._words = words
        return self.parse_args(words) if "--" in words else self.parse_intermixed_args(words)

    def error(self, message: str) -> NoReturn:
        """Ends the program with one line on standard error."""
        unknown = next(filter(self._is_unknown, self._words), None)
        if unknown is not None:
            option = unknown.partition("=")[0]
            message = f"there is no option {option}{suggested(option, self._option_string_actions)}"
        self.exit(WRONG_USE, f"{self.prog}: {message}; '{self.prog} --help' says more\n")

    def _is_unknown(self, word: str) -> bool:
        """Whether a word looks like an option and is none; a ``--`` and what follows it are left to argparse."""
        before = self._words[: self._words.index("--")] if "--" in self._words else self._words
        if word not in before or not word.startswith("-") or word == "-" or word[1].isdecimal():
            return False
        start = word.partition("=")[0] if word.startswith("--") else word[:2]
        return not any(option.startswith(start) for option in self._option_string_actions)


def suggested(word: str, among: Iterable[str]) -> str:
    """The question whether the nearest of those words was meant; empty where none is near."""
    from difflib import get_close_matches

    near = get_close_matches(word, among, 1)
    return f"; did you mean {near[0]}?" if near else ""


def main_parser() -> Parser:
    """The parser of what stands before a command."""
    parser = Parser(
        prog="vtctap",
        description=_DESCRIPTION,
        epilog="commands:\n"
        + "\n".join(f"  {name:12}{does}" for name, (_, does) in COMMANDS.items())
        + "\n\n'vtctap help COMMAND' says more of one; 'vtctap help pages' lists the documentation.",
        usage="vtctap COMMAND ...",
    )
    parser.add_argument("--version", action="version", version=f"vtctap {__version__}")
    return parser


def command_module(name: str) -> ModuleType:
    """The module of a command."""
    return import_module(f"vtctap.commands.{COMMANDS[name][0]}")


def command_parser(name: str) -> Parser:
    """The parser of a command's arguments."""
    module = command_module(name)
    parser = Parser(prog=f"vtctap {name}", description=module.__doc__)
    module.add_arguments(parser)
    return parser


def whole_parser() -> argparse.ArgumentParser:
    """One parser with all commands."""
    parser = argparse.ArgumentParser(prog="vtctap", description=_DESCRIPTION)
    parser.add_argument("--version", action="version", version=f"vtctap {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, (_, does) in COMMANDS.items():
        module = command_module(name)
        module.add_arguments(commands.add_parser(name, help=does, description=module.__doc__))
    return parser
