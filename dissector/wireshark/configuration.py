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
    ("Source", "%s", 68),
    ("Response time", "%Cus:vtc.response_time:0:R", 108),
    ("Check", "%Cus:vtc.bcc.status:0:R", 72),
    ("Info", "%i", 700),
)
"""Title, what it shows, width in pixels; the last has what is left of the window."""

COLOURS: Final = (
    ("Check bad", 'vtc.bcc.status == "bad" || vtc.crc.status == "bad"', "f4b6b6", "5c0000"),
    (
        "Error on the line",
        "vtc.error.parity || vtc.error.framing || vtc.error.break || vtc.error.overrun",
        "fbd3c4",
        "5c1a00",
    ),
    ("Cut, or no message", 'vtc.cut || vtc.kind == "noise"', "fde3c8", "4a2c00"),
    (
        "Refused or undefined",
        'vtc.message in {"NAK", "Error", "UndefinedCommand"} || vtc.expert.token_rejected || vtc.expert.token_lockout',
        "fbe7a1",
        "3d2b00",
    ),
    (
        "Late, or not answered",
        "vtc.expert.response_late || vtc.expert.response_early || vtc.expert.no_response || vtc.expert.char_gap",
        "f6d5e8",
        "4a0f36",
    ),
    ("Repeated", "vtc.repeat_of", "f3ecc8", "3d3500"),
    ("Event", 'vtc.kind == "event"', "e4e4e4", "404040"),
    ("Write or token status", 'vtc.message == "WriteCommand" || vtc.status.token', "e3d6f2", "2b1047"),
    ("Sign-on and break", 'vtc.message in {"IDRequest", "IDResponse", "BreakCommand"}', "d3e9ec", "0d3338"),
    ("From the client", 'vtc.sender == "client"', "dfe9f8", "12233d"),
    ("From the server", 'vtc.sender == "server"', "e2f2e0", "14331a"),
)
"""What a row is, its filter, its background and its text colour; the first that fits colours a row."""

_COLOURED: Final = {name: rule for name, rule, *_ in COLOURS}
BUTTONS: Final = (
    ("Errors", f"{_COLOURED['Check bad']} || {_COLOURED['Error on the line']} || vtc.cut"),
    ("Timing", _COLOURED["Late, or not answered"]),
    ("NAK/error", _COLOURED["Refused or undefined"]),
    ("Tokens", "vtc.token || vtc.status.token"),
    ("Writes", 'vtc.message == "WriteCommand"'),
    ("No noise", 'vtc.kind == "frame"'),
    ("Assumed", "vtc.assumed"),
)
"""A button above the list, and its filter."""

GRAPHS: Final = (
    ("Client", 'vtc.sender == "client"', "#2f6fc1", "Line", ""),
    ("Server", 'vtc.sender == "server"', "#3a9a4a", "Line", ""),
    ("Errors", BUTTONS[0][1], "#c62828", "Impulse", ""),
    ("Response time, s", "vtc.response_time", "#7b3fa0", "Dot", "vtc.response_time"),
)
"""A graph's name, its filter, its colour, how it is drawn: packets a second, or the longest of a field, in seconds."""

HOSTS: Final = {"10.0.0.1": "client", "10.0.0.2": "server", "10.0.0.3": "unknown"}
"""Names of the addresses that the dissector gives the two sides (columns.lua), for Flow Graph."""


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
            f'"Enabled","{name}",{_quoted(rule)},"{colour}","{style}",'
            f'"{"MAX(Y Field)" if field else "Packets"}","{field}","None","1"\n'
            for name, rule, colour, style, field in GRAPHS
        ),
        "hosts": "".join(f"{address} {name}\n" for address, name in HOSTS.items()),
        "profile_settings": "auto_switch_filter: vtc\n",
    }


def _preferences() -> str:
    """Columns; addresses for Flow Graph, with their names, for which nobody else is asked."""
    columns = ",\n".join(f'\t"{title}", "{shows}"' for title, shows, _ in COLUMNS)
    return (
        f"gui.column.format: \n{columns}\n"
        "vtc.addresses: TRUE\nnameres.network_name: TRUE\n"
        "nameres.use_external_name_resolver: FALSE\nnameres.dns_pkt_addr_resolution: FALSE\n"
    )


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
