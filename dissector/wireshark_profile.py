"""Wireshark's configuration profile ``vtctap``: columns, colours, filter buttons, I/O graphs.

A profile is a folder of small files, each in a form of its own; :func:`files` makes them all from tables. They are
the forms of Wireshark 4.0, which later versions read too. ``profile_settings`` is of 4.4 and later, which turn to the
profile by themselves when a trace has records of vtctap; earlier versions leave it alone.
"""

from typing import Final

NAME: Final = "vtctap"
TOOLBAR: Final = "vtctap: prepaid-meter links"
"""What Wireshark calls the toolbar of a live capture."""

COLUMNS: Final = (
    ("No.", "%m", 52),
    ("Time", "%t", 96),
    ("Source", "%s", 60),
    ("Info", "%i", 620),
    ("Answered after", "%Cus:vtc.response_time:0:R", 112),
    ("Check", "%Cus:vtc.bcc.status:0:R", 60),
)
"""Title, what it shows, width in pixels."""

COLOURS: Final = (
    ("Check bad", 'vtc.bcc.status == "bad" || vtc.crc.status == "bad"', "f4b6b6", "5c0000"),
    (
        "Error on the line",
        "vtc.error.parity || vtc.error.framing || vtc.error.break || vtc.error.overrun",
        "fbd3c4",
        "5c1a00",
    ),
    ("Cut, or no message", 'vtc.cut || vtc.kind == "noise"', "fde3c8", "4a2c00"),
    ("Refused or undefined", 'vtc.message in {"NAK", "Error", "UndefinedCommand"}', "fbe7a1", "3d2b00"),
    ("Repeated", "vtc.repeat_of", "f3ecc8", "3d3500"),
    ("Event", 'vtc.kind == "event"', "e4e4e4", "404040"),
    ("Write or token status", 'vtc.message == "WriteCommand" || vtc.status.token', "e3d6f2", "2b1047"),
    ("Sign-on and break", 'vtc.message in {"IDRequest", "IDResponse", "BreakCommand"}', "d3e9ec", "0d3338"),
    ("From the client", 'vtc.sender == "client"', "dfe9f8", "12233d"),
    ("From the server", 'vtc.sender == "server"', "e2f2e0", "14331a"),
)
"""What a row is, its filter, its background and its text colour; the first that fits colours a row."""

BUTTONS: Final = (
    ("Errors", COLOURS[0][1] + " || " + COLOURS[1][1] + " || vtc.cut"),
    ("Writes", 'vtc.message == "WriteCommand"'),
    ("NAK/error", COLOURS[3][1]),
    ("Slow", "vtc.response_time > 0.5"),
    ("No noise", 'vtc.kind == "frame"'),
    ("Assumed", "vtc.assumed"),
)
"""A button above the list, and its filter."""

GRAPHS: Final = (
    ("Client", 'vtc.sender == "client"', "#2f6fc1", "Line"),
    ("Server", 'vtc.sender == "server"', "#3a9a4a", "Line"),
    ("Errors", BUTTONS[0][1], "#c62828", "Impulse"),
)
"""A graph's name, its filter, its colour, how it is drawn: packets a second."""


def files() -> dict[str, str]:
    """The profile's files: name and text."""
    return {
        "preferences": _preferences(),
        "recent": _recent(),
        "colorfilters": "".join(
            f"@{name}@{rule}@{_colour(back)}{_colour(text)}\n" for name, rule, back, text in COLOURS
        ),
        "dfilter_buttons": "".join(f'"TRUE","{label}",{_quoted(rule)},""\n' for label, rule in BUTTONS),
        "io_graphs": "".join(
            f'"Enabled","{name}",{_quoted(rule)},"{colour}","{style}","Packets","","None","1"\n'
            for name, rule, colour, style in GRAPHS
        ),
        "profile_settings": "auto_switch_filter: vtc\n",
    }


def _preferences() -> str:
    columns = ",\n".join(f'\t"{title}", "{shows}"' for title, shows, _ in COLUMNS)
    return f"gui.column.format: \n{columns}\n"


def _recent() -> str:
    """What Wireshark remembers of its window: here the columns' widths, microseconds since the first record, and that
    the toolbar of live captures is shown."""
    widths = ",\n".join(f'\t"{shows.removesuffix(":0:R")}", {width}' for _, shows, width in COLUMNS)
    return (
        "gui.time_format: RELATIVE\ngui.time_precision: USEC\n"
        f'gui.interface_toolbar_show: "{TOOLBAR}"\ncolumn.width: \n{widths}\n'
    )


def _colour(rrggbb: str) -> str:
    """A colour of eight bits a part in Wireshark's form of sixteen."""
    return "[" + ",".join(str(int(rrggbb[at : at + 2], 16) * 257) for at in (0, 2, 4)) + "]"


def _quoted(text: str) -> str:
    """A field of Wireshark's tables: what is not plain is hexadecimal after ``\\x``."""
    return '"' + "".join(f"\\x{ord(character):02x}" if character in '"\\' else character for character in text) + '"'
