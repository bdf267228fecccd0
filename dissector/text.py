"""Formats a record as a line of text, as ``read`` and ``capture`` print it.

Guesses are marked: a question mark follows assumed names and inferred senders, a tilde follows invented timestamps.
Text of the wire that could be taken for vtctap's own is in double quotes, as in a filter.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from vtctap.base.nouns import count
from vtctap.dissector.dissect import Dissection, Frame
from vtctap.dissector.fields import epoch
from vtctap.dissector.protocol.characters import show, show_text
from vtctap.pcap.record import Flag, Kind, Record, Sender

MAX_SETS: Final = 4
"""Most data sets shown of a message unless all are requested; the line counts the rest."""
PAUSE_US: Final = 200_000
"""Shortest silence inside a record that is shown."""
MAX_NOISE: Final = 32
"""Most octets of noise shown unless all are requested; the line counts the rest."""

ARROWS: Final = {Sender.CLIENT: "C>", Sender.SERVER: "M>", Sender.UNKNOWN: "??"}
"""The senders in the notation of ``.exchange`` files: client to meter, meter to client."""
_INFERRED: Final = {sender: arrow.replace(">", "?") for sender, arrow in ARROWS.items()}

_COLOURS: Final = {Sender.CLIENT: 36, Sender.SERVER: 33, Sender.UNKNOWN: 39}
"""Foreground colours of ISO 6429 (SGR): cyan, yellow, the terminal's own. Errors are red, which differs from each."""
_FAINT, _RED = 2, 31

_LIKE_OURS: Final = re.compile(r'[][ "=?(),]')
"""The characters that separate vtctap's words from each other and from what they are about."""
_QUOTED: Final = str.maketrans({'"': '\\"', "\\": "\\\\"})

_NOTES: Final = (
    (Flag.CUT, "cut"),
    (Flag.ECHO, "echo"),
    (Flag.BREAK, "break"),
    (Flag.OVERRUN, "octets lost"),
    (Flag.ORDER_UNCERTAIN, "order uncertain"),
)


def quoted(text: str) -> str:
    """Returns text of the wire in double quotes, inside which a backslash precedes quotes and backslashes."""
    return f'"{text.translate(_QUOTED)}"'


def told(text: str) -> str:
    """Returns text of the wire, in quotes where it could be taken for vtctap's own words."""
    return quoted(text) if _LIKE_OURS.search(text) else text


def summary(dissection: Dissection, *, full: bool = False) -> str:
    """Returns message, contents and errors in one line; ``full`` shortens nothing."""
    return " ".join((_statement(dissection, full), *_notes(dissection)))


def _statement(dissection: Dissection, full: bool) -> str:
    record = dissection.record
    if isinstance(dissection, Frame):
        word = (dissection.name or "continued") + _doubt(dissection, "vtc.message")
        return " ".join(part for part in (word, _contents(dissection, full)) if part)
    return _words(record.event) if record.kind is Kind.EVENT else f"noise {_noise(record.octets, full)}"


def _doubt(frame: Frame, field: str) -> str:
    """Returns a question mark where the field is assumed."""
    return "?" if field in frame.meaning.assumed else ""


def _words(event: str) -> str:
    """Returns an operator's words in any language, with control characters made visible for the terminal's safety."""
    return "".join(sign if sign.isprintable() else show_text(sign) for sign in event)


def _noise(octets: bytes, full: bool) -> str:
    limit = len(octets) if full else MAX_NOISE
    more = len(octets) - limit
    return told(show(octets[:limit])) + (f" ... {count(more, 'more octet')}" if more > 0 else "")


def _contents(frame: Frame, full: bool) -> str:
    message = frame.message
    identification = (message.id_manufacturer, message.id_speed, message.id_text)
    option = (message.option_protocol, message.option_speed, message.option_mode)
    maker = frame.meaning.id_manufacturer_name
    if maker:
        maker = f"({maker}{_doubt(frame, 'vtc.id.manufacturer.name')})"
    wire = [told(word or "") for word in (message.cmd, message.address, *identification)]
    words = [*wire, maker, *(told(sign or "") for sign in option), *_data_sets(frame, full), *_apdu(frame)]
    text = quoted(message.text) if message.text else ""
    return " ".join(word for word in (*words, text, _token(frame)) if word)


def _apdu(frame: Frame) -> Iterator[str]:
    """Describes the DLMS APDU in an HDLC frame."""
    apdu = frame.meaning.apdu
    if apdu is None:
        return
    yield apdu.dlms_service
    if apdu.dlms_ciphered:
        yield "ciphered"
    if apdu.object:
        yield f"{apdu.dlms_obis} {'method' if apdu.dlms_method is not None else 'attribute'} {apdu.object.member}"
    if apdu.dlms_result is not None:
        yield apdu.dlms_result_name or f"result {apdu.dlms_result}"
    if frame.meaning.status_token_name:
        yield f"token status {frame.meaning.status_token_name}"


def _data_sets(frame: Frame, full: bool) -> list[str]:
    message, meaning = frame.message, frame.meaning
    number = len(message.register)
    limit = number if full else MAX_SETS
    names = meaning.register_name or ("",) * number
    decoded = meaning.value_decoded or ("",) * number
    name_doubt = _doubt(frame, "vtc.register.name")
    word_doubt = "" if name_doubt else _doubt(frame, "vtc.value.decoded")
    sets = []
    for register, value, unit, name, word in zip(
        message.register[:limit], message.value, message.unit, names, decoded, strict=False
    ):
        bare = message.count is not None
        register = told(register)
        text = register if bare else f"{register}({value}*{unit})" if unit else f"{register}({value})"
        if name:
            text += f" {name}{name_doubt}" + (f"={word}{word_doubt}" if word else "")
        sets.append(text)
    if message.count is not None:
        sets.append(f"count {message.count}")
    if number > limit:
        sets.append(f"... {count(number - limit, 'more data set')}")
    return sets


def _token(frame: Frame) -> str:
    """Describes the token in the message."""
    token = frame.meaning.token
    if token is None:
        return ""
    parts = token.parts
    amount = f" {parts['amount']} {parts['unit']}" if "amount" in parts else ""
    status = {"good": "", "bad": ", bad CRC"}.get(token.crc_status or "", f", {token.crc_status}")
    return f"token{_doubt(frame, 'vtc.token')}: {token.name}{amount}{status if token.crc_status else ''}"


def _notes(dissection: Dissection) -> list[str]:
    record = dissection.record
    notes = [word for flag, word in _NOTES if record.flags & flag]
    if record.parity_errors:
        notes.append("wrong parity at " + ",".join(map(str, record.parity_errors)))
    if record.framing_errors:
        notes.append("framing error at " + ",".join(map(str, record.framing_errors)))
    at, longest_us = max(record.pauses_us, key=lambda pause: pause[1], default=(0, 0))
    if longest_us >= PAUSE_US:
        notes.append(f"pause of {longest_us / 1e6:.3f} s at {at}")
    if isinstance(dissection, Frame):
        notes += _check_notes(dissection)
    return [f"[{note}]" for note in notes]


def _check_notes(frame: Frame) -> Iterator[str]:
    message = frame.message
    if message.bcc_status == "bad":
        yield f"bad check character {message.bcc:02X}h, not {message.bcc_expected:02X}h"
    elif message.bcc_status == "missing" and not frame.record.flags & Flag.CUT:
        yield "no check character"
    if message.crc_status == "bad":
        yield "bad CRC"
    if message.hcs_status == "bad":
        yield "bad HCS"
    if message.fcs_status == "bad":
        yield "bad FCS"


TIMES: Final = ("a", "ad", "d", "e", "r")
"""Time formats, named as in tshark's -t: a time of day, ad with date (both local), d since the previous record, e
seconds since 1970, r seconds since the first record."""


class Printer:
    """Formats the dissections of one trace as lines of text, in order.

    ``time`` is one of :data:`TIMES`; ``full`` shortens nothing; ``colour`` adds terminal colours. ``links`` names the
    taps' links by tap number; set it as soon as the names are known, and leave it empty for a single link. A link
    without a name is shown by its number unless that is 0.
    """

    def __init__(self, time: str = "r", *, full: bool = False, colour: bool = False) -> None:
        self._time = time
        self._full = full
        self._colour = colour
        self._first_ns: int | None = None
        self._before_ns: int | None = None
        self.links: Sequence[str] = ()

    def skip(self, dissection: Dissection) -> None:
        """Counts a hidden record as the first or the previous one."""
        self._stamp(dissection.record.time)

    def line(self, dissection: Dissection) -> str:
        """Returns the line: number, time, link, sender and summary."""
        record = dissection.record
        mark = "~" if record.flags & Flag.SYNTHETIC else ""
        sender = (_INFERRED if record.inferred else ARROWS)[record.sender]
        head = f"{dissection.number:5} {self._stamp(record.time)}{mark} {self._link(record)}"
        said, notes = f"{sender} {_statement(dissection, self._full)}", _notes(dissection)
        if self._colour:
            said = _painted(said, _FAINT if record.kind is Kind.EVENT else _COLOURS[record.sender])
            notes = [_painted(note, _RED) for note in notes]
        return head + " ".join((said, *notes))

    def _link(self, record: Record) -> str:
        if record.tap < len(self.links) and self.links[record.tap]:
            return f"{_words(self.links[record.tap]):{max(map(len, self.links))}} "
        return f"{record.link} " if record.link else ""

    def _stamp(self, time_ns: int) -> str:
        first_ns = time_ns if self._first_ns is None else self._first_ns
        before_ns = time_ns if self._before_ns is None else self._before_ns
        self._first_ns, self._before_ns = first_ns, time_ns
        if self._time in ("a", "ad"):
            try:
                moment = datetime.fromtimestamp(time_ns // 1_000_000_000)
            except (ValueError, OverflowError, OSError):  # No calendar has it: the trace is damaged, or invented.
                return epoch(time_ns)
            return f"{moment:{'%Y-%m-%d ' if self._time == 'ad' else ''}%H:%M:%S}.{time_ns % 1_000_000_000 // 1000:06d}"
        since_ns = {"d": time_ns - before_ns, "e": time_ns, "r": time_ns - first_ns}[self._time]
        return f"{epoch(since_ns)[:-3]:>12}"


def without_names(dissection: Dissection) -> Dissection:
    """Removes the profile's names for registers and values, and the manufacturer's name."""
    if not isinstance(dissection, Frame):
        return dissection
    bare = replace(dissection.meaning, register_name=(), value_decoded=(), id_manufacturer_name=None)
    return replace(dissection, meaning=bare)


def _painted(text: str, colour: int) -> str:
    return f"\x1b[{colour}m{text}\x1b[0m"


def hex_dump(octets: bytes) -> str:
    """Formats octets as lines of sixteen: position, hexadecimal, characters."""
    return "".join(
        f"      {at:04x}  {octets[at : at + 16].hex(' '):48} "
        f"{''.join(chr(octet) if 0x20 <= octet < 0x7F else '.' for octet in octets[at : at + 16])}\n"
        for at in range(0, len(octets), 16)
    )
