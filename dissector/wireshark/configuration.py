"""Wireshark's configuration profile ``vtctap``: columns, colours, filter buttons, I/O graphs.

A profile is a folder of small files, each with its own format; :func:`files` generates them all from tables. The
formats are those of Wireshark 4.0, which later versions read too. Only 4.4 and later read ``profile_settings``; they
switch to the profile when a trace has vtctap's records.
"""

from typing import Final

NAME: Final = "vtctap"
TOOLBAR: Final = "vtctap: prepaid-meter links"
"""Wireshark's name for the toolbar of a live capture."""

COLUMNS: Final = (
    ("No.", "%m", 52),
    ("Time", "%t", 96),
    ("Source", "%s", 68),
    ("Response time", "%Cus:vtc.response_time:0:R", 108),
    ("Check", "%Cus:vtc.bcc.status:0:R", 72),
    ("Info", "%i", 700),
)
"""Title, content and width in pixels; the last column takes the rest of the window."""

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
"""Name, filter, background and text colour of a row; the first match colours it."""

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
"""Label and display filter of each button above the packet list."""

GRAPHS: Final = (
    ("Client", 'vtc.sender == "client"', "#2f6fc1", "Line", ""),
    ("Server", 'vtc.sender == "server"', "#3a9a4a", "Line", ""),
    ("Errors", BUTTONS[0][1], "#c62828", "Impulse", ""),
    ("Response time, s", "vtc.response_time", "#7b3fa0", "Dot", "vtc.response_time"),
)
"""Name, filter, colour and style of each graph, which shows packets per second or the maximum of a field in seconds."""

HOSTS: Final = {"10.0.0.1": "client", "10.0.0.2": "server", "10.0.0.3": "unknown"}
"""Names for the addresses that the dissector gives the two sides (columns.lua), for Flow Graph."""


def files() -> dict[str, str]:
    """Returns the profile's files, from name to text."""
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
    """Writes columns, and the addresses for Flow Graph with their names, without any outside name lookup."""
    columns = ",\n".join(f'\t"{title}", "{shows}"' for title, shows, _ in COLUMNS)
    return (
        f"gui.column.format: \n{columns}\n"
        "vtc.addresses: TRUE\nnameres.network_name: TRUE\n"
        "nameres.use_external_name_resolver: FALSE\nnameres.dns_pkt_addr_resolution: FALSE\n"
    )


def _recent() -> str:
    """Writes Wireshark's recent settings: column widths, microseconds since the first record, and the toolbar of live
    captures."""
    widths = ",\n".join(f'\t"{shows.removesuffix(":0:R")}", {width}' for _, shows, width in COLUMNS)
    return (
        "gui.time_format: RELATIVE\ngui.time_precision: USEC\n"
        f'gui.interface_toolbar_show: "{TOOLBAR}"\ncolumn.width: \n{widths}\n'
    )


def _colour(rrggbb: str) -> str:
    """Converts a colour of eight bits per channel to Wireshark's sixteen."""
    return "[" + ",".join(str(int(rrggbb[at : at + 2], 16) * 257) for at in (0, 2, 4)) + "]"


def _quoted(text: str) -> str:
    """Quotes a field of Wireshark's tables, with special characters in hexadecimal after ``\\x``."""
    return '"' + "".join(f"\\x{ord(character):02x}" if character in '"\\' else character for character in text) + '"'
