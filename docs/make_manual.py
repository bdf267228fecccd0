"""Makes the manual page and the shell completions from the commands' parsers (``make pages``).

shtab makes the completions. The files lie in ``docs/share`` as they will in ``share`` of an environment.
"""

import argparse
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import shtab

from vtctap import __version__
from vtctap.command_line.pages import SHELLS
from vtctap.command_line.parsers import COMMANDS, command_parser, whole_parser

DOCS: Final = Path(__file__).resolve().parent
MANUAL: Final = "share/man/man1/vtctap.1"
_FILES: Final = re.compile(r"FILE|TRACE")
"""Matches the placeholder of an argument that is a file name."""
_HEAD: Final = r""".TH VTCTAP 1 "" "vtctap {version}" "User Commands"
.SH NAME
vtctap \- passive protocol analyser for prepaid\-meter links
.SH SYNOPSIS
.B vtctap
.I COMMAND
[\fIargument\fR ...]
.SH DESCRIPTION
Captures what a hand\-held unit and a prepaid electricity meter say to each other (IEC 62055\-52, IEC 62056\-21),
decodes and checks it, and shows it as text, in Wireshark and in Scapy.
.B vtctap help pages
lists the documentation that is installed with it.
.SH COMMANDS
"""
_TAIL: Final = r""".SH EXIT STATUS
.TP
0
Done.
.TP
1
Done, but something was found, or an input was skipped.
.TP
2
Wrong use, or an input that cannot be read.
.TP
3
The port could not be opened, or was lost and not back at the end.
.TP
4
The output could not be written.
.TP
130
Ctrl\-C where nothing was being captured.
.SH SEE ALSO
.BR tshark (1),
.BR dumpcap (1),
.BR wireshark (1)
"""


def made() -> dict[str, str]:
    """Returns the text of each file by its path in ``docs``."""
    parser = whole_parser()
    _complete_files(parser)
    completions = {place: _ended(shtab.complete(parser, shell)) for shell, place in SHELLS.items()}
    return {MANUAL: manual(), **completions}


def _complete_files(parser: argparse.ArgumentParser) -> None:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                _complete_files(command)
        elif _FILES.search(str(action.metavar or "")):
            action.complete = shtab.FILE  # type: ignore[attr-defined]


def _ended(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.splitlines()).rstrip() + "\n"


def manual() -> str:
    """Returns the manual page in troff."""
    commands = "".join(line for name in COMMANDS for line in _command(name))
    return _HEAD.format(version=__version__) + commands + _TAIL


def _command(name: str) -> Iterator[str]:
    parser = command_parser(name)
    first, *rest = (parser.description or "").strip().split("\n\n")
    yield f".SS {name}\n{_escaped(first)}\n"
    for part in rest:
        # An indented part is a table: its columns are kept.
        yield f".PP\n.nf\n{_escaped(part)}\n.fi\n" if part.startswith("  ") else f".PP\n{_escaped(part)}\n"
    for action in parser._actions:
        if action.help not in (None, argparse.SUPPRESS) and action.dest != "help":
            value = action.metavar or ("|".join(map(str, action.choices)) if action.choices else action.dest)
            value = "" if action.nargs == 0 else rf"\fI{_escaped(str(value))}\fR"
            options = ", ".join(rf"\fB{_escaped(option)}\fR" for option in action.option_strings)
            yield f".TP\n{' '.join(part for part in (options, value) if part)}\n{_escaped(str(action.help))}\n"


def _escaped(text: str) -> str:
    """Escapes text so that troff prints it unchanged."""
    text = text.replace("%%", "%").replace("\\", r"\e").replace("-", r"\-")
    return re.sub(r"^(?=[.'])", r"\\&", text, flags=re.MULTILINE)


if __name__ == "__main__":
    for place, text in made().items():
        path = DOCS / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
