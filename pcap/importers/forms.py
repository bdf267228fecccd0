r"""The table of forms: how each program writes the lines of its log.

A form is one row. Its patterns match whole lines without their end:

- ``line``: a line that states octets, with the group ``octets`` and optional groups ``time``, ``side`` and ``port``.
  The function ``octets`` decodes the group of that name. Of several ports, the first is read.
- ``head``: a line whose octets follow on further lines, with optional groups ``time``, ``side`` and ``length`` (the
  number of those octets).
- ``rest``: a line that is known to state no octets.
- ``sign``: a log has this form only if a line matches this too.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from vtctap.pcap.importers import calls, escapes, hexadecimal
from vtctap.pcap.importers.stamps import STAMP
from vtctap.pcap.record import Sender

CLIENT, SERVER = Sender.CLIENT, Sender.SERVER

MARKED, LAYOUT, PLAIN = range(3)
"""How certainly a form is recognised: its lines have marks of their own, or a notation that several programs write, or
plain text."""

_SENT: Final = ("sent", "send", "sending", "tx", "write", "writing", "wrote", "request", ">>>", ">>", "c>")
_RECEIVED: Final = ("received", "receive", "receiving", "recv", "rx", "read", "response", "<<<", "<<", "m>")
WORDS: Final = dict.fromkeys(_SENT, CLIENT) | dict.fromkeys(_RECEIVED, SERVER)
"""Words for a direction, by who sent. The program that wrote the log reads a meter, so it is the client."""


@dataclass(frozen=True, slots=True, eq=False)
class Form:
    """How one program writes octets in its log."""

    name: str
    program: str
    documented: str
    line: re.Pattern[str]
    octets: Callable[[str], bytes] = hexadecimal.pairs
    rank: int = MARKED
    head: re.Pattern[str] | None = None
    rest: re.Pattern[str] | None = None
    sign: re.Pattern[str] | None = None
    sides: Mapping[str, Sender] | None = None
    """Maps the log's names of the sides to senders; None: :data:`WORDS` does. Other names are kept apart, but the log
    does not state which of them is the client."""
    in_words: bool = False
    """Whether the sender's name stands somewhere in the text of the group ``side``."""
    line_ends: bool = False
    """Whether the end of a line is part of the octets; otherwise it only ends a row."""
    padded: bool = False
    """Whether the program pads six decimal places with three leading zeros to nine."""


def _lines(pattern: str) -> re.Pattern[str]:
    while _NAMED.search(pattern):
        pattern = _NAMED.sub(lambda found: _PARTS[found[0]], pattern)
    return re.compile(pattern, re.ASCII)


_PARTS: Final = {
    "LEAD": r"BEFORE(?:SIDE(?:\s++(?:[:|-]\s*+)?|[:|>-]\s*+))?",
    "TIME": r"(?:.{0,40}?(?P<time>STAMP))?",
    "BEFORE": r"\s*+(?:\[?(?P<time>STAMP)\]?(?=\s)\s*+)?(?:[:;|]\s*+)?",
    "CALL": r"(?:\[pid\s++\d++\] |\d++ ++)?(?:(?P<time>STAMP|\d{9,}\.\d{6}) |\s*+\d++\.\d{6} )?",
    "STAMP": STAMP,
    "SIDE": r"\[?(?P<side><?-+>?O?|[<>]{1,5}|[CM]>|(?i:sent|send|tx|write|wrote|received|recv|rx|read)(?![A-Za-z]))\]?",
    "OCTETS": r"(?P<octets>[0-9A-Fa-fxX][0-9A-Fa-fxX\s:,;-]*)",
    "PROTOCOL": r"/[A-Za-z?0-9!].*|[^\s(]{0,30}\([^()]*\).*|![0-9A-Fa-f]{0,4}|[\x01-\x06\x15].*|",
}
"""The parts that patterns share, by the name that stands for each; a part may contain others. BEFORE is what may
precede a line's text, LEAD also its direction; TIME is a time near the beginning of a line. CALL is what strace writes
before a call. PROTOCOL is a line of a readout: an identification, data sets, the end, a line that begins with a control
character, an empty line."""
_NAMED: Final = re.compile("|".join(_PARTS))


def _literal(text: str) -> bytes:
    """Decodes a quoted string, as Python or C writes it."""
    return escapes.unescape(text[1:-1])


def _esphome(text: str) -> bytes:
    return _literal(text) if text.startswith('"') else hexadecimal.pairs(text)


FORMS: Final = (
    Form(
        "esphome",
        "ESPHome's UART debugging, hexadecimal or quoted",
        "https://esphome.io/components/uart/#debugging",
        _lines(r"(?:\[(?P<time>STAMP)\])?\[[A-Z]{1,2}\]\[uart_debug:\d+\]: (?P<side><<<|>>>) (?P<octets>.*)"),
        _esphome,
    ),
    Form(
        "vzlogger",
        "vzlogger's dump_file",
        "https://github.com/volkszaehler/vzlogger",
        _lines(r"(?P<octets>[0-9a-f]{2} .*)"),
        hexadecimal.row,
        head=_lines(r"(?P<side><<<<<|>>>>>) (?P<time>\d+\.\d+)s \(.*"),
        rest=_lines(r"(?:##### .*)?\s*"),
        sides={"<<<<<": CLIENT, ">>>>>": SERVER},
    ),
    Form(
        "socat",
        "socat -x, and -x -v",
        "http://www.dest-unreach.org/socat/doc/socat.html",
        _lines(r" (?P<octets>[0-9a-f].*)"),
        hexadecimal.perhaps_row,
        head=_lines(r"(?P<side>[<>]) (?P<time>STAMP)  length=(?P<length>\d{1,9}) from=\d+ to=\d+"),
        rest=_lines(r"--|\d{4}/\d\d/\d\d .*|"),
        sides={},
        padded=True,
    ),
    Form(
        "jpnevulator",
        "jpnevulator --read --timing-print, with or without --ascii",
        "https://manpages.debian.org/jpnevulator",
        _lines(r"(?P<octets>[0-9A-Fa-f]{2}(?:\s.*)?)"),
        hexadecimal.perhaps_row,
        head=_lines(r"(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}): ?(?P<side>\S*)"),
        sides={},
    ),
    Form(
        "gurux",
        "GXDLMSDirector's trace",
        "https://www.gurux.fi/GXDLMSDirector",
        _lines(r"(?P<time>\d\d\.\d\d\.\d\d \d\d\.\d\d\.\d\d\.\d{3})\t(?P<side>Sent|Received)\t(?P<octets>.*)"),
    ),
    Form(
        "docklight",
        "Docklight's log, hexadecimal or text with <CR>",
        "https://docklight.de/manual/",
        _lines(r"(?P<time>STAMP) \[(?P<side>TX|RX)\](?: -)? ?(?P<octets>.*)"),
        lambda text: escapes.marks(text) if "<" in text else hexadecimal.pairs(text),
    ),
    Form(
        "tasmota",
        "Tasmota's dump of a sensor",
        "https://tasmota.github.io/docs/Smart-Meter-Interface/",
        _lines(r"(?P<time>STAMP) : OCTETS"),
    ),
    Form(
        "python",
        "Python programs that log b'...'",
        "https://docs.python.org/3/library/stdtypes.html#bytes-objects",
        _lines(r"TIME(?P<side>[^'\"]*?)(?<![A-Za-z0-9_'\"])b(?P<octets>['\"].*)"),
        lambda text: escapes.only_literal(text, escapes.unescape),
        in_words=True,
    ),
    Form(
        "node-buffer",
        "Node.js programs that log a Buffer",
        "https://nodejs.org/api/buffer.html",
        _lines(r"TIME(?P<side>[^<]*)<Buffer (?P<octets>[^<>]*)>.*"),
        hexadecimal.node_buffer,
        in_words=True,
    ),
    Form(
        "json",
        "ioBroker, Node-RED and other JavaScript that logs strings",
        "https://www.rfc-editor.org/rfc/rfc8259#section-7",
        _lines(r"(?:[^\"]{0,40}?(?P<time>STAMP))?(?P<side>[^\"]*)(?P<octets>\".*)"),
        lambda text: escapes.only_literal(text, escapes.json_string),
        in_words=True,
        sign=_lines(r"[^\"]*\"(?:[^\"\\]|\\.)*\\u00[01][0-9a-fA-F].*"),
    ),
    Form(
        "sigrok-uart",
        "annotations of the UART decoder of sigrok-cli and PulseView",
        "https://sigrok.org/wiki/Protocol_decoder:Uart",
        _lines(r"(?:\d+-\d+ )?(?:uart-\d+|UART[^:]*): (?:(?P<side>[RT]X)(?: data)?: )?(?P<octets>[0-9A-F]{2})"),
        rest=_lines(r"(?:\d+-\d+ )?(?:uart-\d+|UART[^:]*): (?:[RT]X [a-z ]+: )?(?:[01]|(?:Start|Stop) bit|[ST]|)"),
    ),
    Form(
        "strace",
        "strace of a program that reads a meter",
        "https://man7.org/linux/man-pages/man1/strace.1.html",
        _lines(r"CALL(?P<side>read|write)\((?P<port>(?:[3-9]|\d\d+)(?:</dev/.*>)?|\d<(?!/dev/pts).*>), (?P<octets>.*)"),
        calls.transferred,
        rest=_lines(
            r"CALL(?:(?:read|write)\((?:[0-2]|\d+<(?!/dev/).*>),.*|(?:read|write)\(.*\)\s+= (?:-1|\?).*"
            r"|(?:<\.\.\. )?(?!p?(?:read|write)(?:v2?|64)?\b)\w+(?:\(| resumed>).*|(?:---|\+\+\+) .*)"
            r"| \| [0-9a-f]{5}  .*| > .*|strace: .*|"
        ),
    ),
    Form(
        "hterm",
        "HTerm: text with <2>, <\\r>, <\\n>",
        "https://www.der-hammer.info/pages/terminal.html",
        _lines(r"(?P<octets>.*)"),
        escapes.hterm,
        sign=_lines(r".*<(?:\d|[12]\d|3[01]|127|\\[rn])>.*"),
    ),
    Form(
        "marks",
        "text with control characters as <STX>, <CR> or <0x02>",
        "https://www.rfc-editor.org/rfc/rfc20",
        _lines(r"BEFORE(?:SIDE[:>]?\s)?(?P<octets>.*<\w{2,5}>.*|PROTOCOL)"),
        escapes.marks,
        sign=_lines(r".*<(?:SOH|STX|ETX|EOT|ACK|NAK|CR|LF|NUL|0x[0-9A-Fa-f]{2})>.*"),
    ),
    Form(
        "escaped",
        r"text with control characters as \x02, \r, \n, quoted or not",
        "https://en.cppreference.com/w/c/language/escape",
        _lines(r"BEFORE(?:SIDE[:>]?\s)?(?P<octets>[^b<>\\ '\"]*\\.*|[\"'].*[\"'],?|PROTOCOL)"),
        lambda text: (
            escapes.only_literal(text, escapes.unescape) if text.startswith(('"', "'")) else escapes.unescape(text)
        ),
        sign=_lines(r"BEFORE(?:SIDE[:>]?\s)?[^b<>\\ ]*\\(?:x[01][0-9A-Fa-f]|[rn]).*"),
    ),
    Form(
        "hexdump",
        "hexdump -C, xxd, od -t x1, Wireshark: an offset, octets, a column of text",
        "https://manpages.debian.org/hexdump",
        _lines(
            r"(?:0x)?(?P<offset>[0-9A-Fa-f]{6,8}|[0-9A-Fa-f]{4,5}(?=: |  ))(?P<octets>:? {1,3}[0-9A-Fa-f]{2}.*|)"
            r"|(?P<again>\*)"
        ),
        hexadecimal.dump_row,
        LAYOUT,
    ),
    Form(
        "c-array",
        "an array in C",
        "https://en.cppreference.com/w/c/language/array_initialization",
        _lines(r"(?:[\w\s*\[\]]*+=)?\s*+(?:\{\s*+)?(?P<octets>0[xX].*)"),
        hexadecimal.c_array,
        LAYOUT,
        rest=_lines(r"[\w\s*]*+(?:\[\d*\]\s*+)?=\s*+(?:\{|\d+;)?|\s*\{?|\s*\}?;?|\s*//.*|\s*/\*.*\*/"),
        sign=_lines(r".*0[xX][0-9A-Fa-f]{1,2}\s*,.*|.*\{.*"),
    ),
    Form(
        "hex-rows",
        "hexadecimal and beside it the same as text, with or without time and arrow",
        "https://www.rfc-editor.org/rfc/rfc4648#section-8",
        _lines(r"LEAD(?P<octets>[0-9A-Fa-f]{2}\s.*\S.*)"),
        hexadecimal.row,
        LAYOUT,
        sides={},
    ),
    Form(
        "hex",
        "hexadecimal, with or without time, direction, 0x, separators (RealTerm, tio -x and others)",
        "https://www.rfc-editor.org/rfc/rfc4648#section-8",
        _lines(r"LEADOCTETS"),
        hexadecimal.pairs,
        LAYOUT,
        rest=_lines(r"\s*"),
    ),
    Form(
        "decimal",
        "decimal octets",
        "https://www.rfc-editor.org/rfc/rfc20",
        _lines(r"(?P<octets>\s*\d{1,3}(?:[,\s]+\d{1,3})*,?\s*)"),
        hexadecimal.decimal,
        LAYOUT,
        rest=_lines(r"\s*"),
    ),
    Form(
        "base64",
        "base64",
        "https://www.rfc-editor.org/rfc/rfc4648#section-4",
        _lines(r"(?P<octets>[A-Za-z0-9+/]{4,}={0,2})"),
        escapes.base64_octets,
        LAYOUT,
        rest=_lines(r"\s*"),
        sign=_lines(r"(?=.*[g-z])(?=.*[A-Z])[A-Za-z0-9+/]{8,}={0,2}"),
    ),
    Form(
        "stamped-text",
        "a time and a line of text (tio -t, grabserial and others)",
        "https://manpages.debian.org/tio",
        _lines(r"\s*\[?(?P<time>STAMP)\]?:?[ \t](?P<octets>PROTOCOL)"),
        escapes.plain,
        PLAIN,
        line_ends=True,
    ),
    Form(
        "text",
        "text as it was received: logs of picocom, tio, PuTTY, and what was pasted",
        "https://manpages.debian.org/picocom",
        _lines(r"(?P<octets>(?s:.*))"),
        escapes.plain,
        PLAIN,
        rest=_lines(r"=~=~=~=~=~=~=~=~=~=~=~= PuTTY log .*"),
        sign=_lines(r"[\x00-\x20\x80-\xff]{0,8}/(?:[A-Za-z]{3}.*|\?.*!)|[\d:.-]{3,20}(?:\*\d+)?\([^()]*\).*"),
        line_ends=True,
    ),
)
"""Every form of a log, in the order of recognition."""
