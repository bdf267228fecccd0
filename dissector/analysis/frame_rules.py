"""The rules for single records: damage, pauses and form, regardless of other records."""

import re
from collections.abc import Iterator
from typing import Final

from vtctap.dissector.analysis.findings import Finding, finding
from vtctap.dissector.dissect import Dissection, Frame
from vtctap.dissector.profiles.model import Profile
from vtctap.dissector.protocol.characters import received
from vtctap.dissector.protocol.foreign import HINTS, look
from vtctap.dissector.protocol.messages import Message, decode
from vtctap.dissector.protocol.rules import MessageName
from vtctap.dissector.protocol.speeds import MODE_B, MODE_C
from vtctap.pcap.record import Flag, Kind, Record

ADDRESS, IDENTIFICATION, REGISTER, UNIT, VALUE = 32, 16, 16, 16, 128
"""The longest fields, in characters (IEC 62056-21; derived). A readout allows values of only 32, but looks like any
other answer, so the 128 of programming mode apply to all."""

_SPEEDS: Final = frozenset((*MODE_B, *MODE_C, "Z"))
_SHOWN: Final = 24
_LINE_END: Final = re.compile(rb"[\r\n]")


def check_record(dissection: Dissection, profile: Profile) -> Iterator[Finding]:
    """Returns the findings of one record by itself."""
    record, number = dissection.record, (dissection.number,)
    if record.kind is Kind.EVENT:
        return
    if record.kind is Kind.NOISE:
        yield from _noise(record, number)
        return
    yield from _damage(record, number)
    yield from _pauses(record, profile, number)
    if isinstance(dissection, Frame) and dissection.name and not record.flags & Flag.ECHO:
        yield from _message(dissection, number)


def _noise(record: Record, number: tuple[int]) -> Iterator[Finding]:
    """Finds octets that belong to no message. Parity and framing errors are no damage in another protocol or on an
    inverted line."""
    seems = look(received(record))
    if not seems:
        yield from _damage(record, number)
    if seems or not record.flags & Flag.BREAK:
        count = len(record.octets)
        what = f"{count} octets that belong" if count > 1 else "an octet that belongs"
        yield finding("noise", number, f"{what} to no message" + (f": {HINTS[seems]}" if seems else ""))


def _message(frame: Frame, number: tuple[int]) -> Iterator[Finding]:
    record, message, name = frame.record, frame.message, frame.name
    if record.flags & Flag.CUT:
        yield finding("cut", number, f"{name} does not reach its end")
        return
    if "bad" in (message.bcc_status, message.crc_status):
        yield finding("bcc-bad", number, _wrong_check(frame) + _where_line_ends_are_lost(frame))
    bad = [word for word, status in (("HCS", message.hcs_status), ("FCS", message.fcs_status)) if status == "bad"]
    if bad:
        yield finding("fcs-bad", number, f"{name}: {' and '.join(bad)} {'are' if len(bad) > 1 else 'is'} wrong")
    if name == MessageName.UndefinedCommand:
        yield finding("undefined-command", number, f"command {message.cmd or 'without letters'} is not defined")
    if message.bcc_status != "bad" and not record.parity_errors:
        yield from _form(message, number)


def _wrong_check(frame: Frame) -> str:
    message = frame.message
    if message.crc_status == "bad":
        return f"{frame.name}: CRC {message.crc:04X}h is wrong"
    return f"{frame.name}: check character {message.bcc:02X}h, where {message.bcc_expected:02X}h is right"


def _where_line_ends_are_lost(frame: Frame) -> str:
    """Returns a remark for a wrong check character that is right with CR LF line ends: many logs keep only one of the
    two."""
    octets = frame.record.octets
    restored = decode(_LINE_END.sub(b"\r\n", octets[:-1]) + octets[-1:])
    if b"\r\n" in octets or "good" not in (restored.bcc_status, restored.crc_status):
        return ""
    return "; it is right once line ends are CR LF: the recording lost them"


def _damage(record: Record, number: tuple[int]) -> Iterator[Finding]:
    broken = bool(record.flags & Flag.BREAK)
    if record.flags & Flag.OVERRUN:
        yield finding("overrun", number, "octets were lost before the tap could read them")
    if broken:
        yield finding("break", number, "a break was on the line")
    if record.framing_errors and not broken:
        yield finding("framing-error", number, f"no stop bit at {_positions(record.framing_errors)}")
    if record.parity_errors:
        yield finding("parity", number, f"wrong parity at {_positions(record.parity_errors)}")


def _positions(positions: tuple[int, ...]) -> str:
    shown = ", ".join(map(str, positions[:_SHOWN]))
    return f"octet{'s' if len(positions) > 1 else ''} {shown}" + (" ..." if len(positions) > _SHOWN else "")


def _pauses(record: Record, profile: Profile, number: tuple[int]) -> Iterator[Finding]:
    """Finds the pauses that are too long even if the timestamps of two octets are wrong by their full uncertainty."""
    if record.flags & Flag.SYNTHETIC or record.uncertainty is None:
        return
    limit = profile.timing.gap_limit_ns
    late = [(at, pause_us) for at, pause_us in record.pauses_us if pause_us * 1000 - 2 * record.uncertainty > limit]
    if late:
        at, pause_us = max(late, key=lambda entry: entry[1])
        where = f"before octet {at}" + (f" (the longest of {len(late)})" if len(late) > 1 else "")
        yield finding("char-gap", number, f"a pause of {pause_us / 1e6:.3f} s {where}; {limit / 1e9:g} s is allowed")


def _form(message: Message, number: tuple[int]) -> Iterator[Finding]:
    name = message.message
    if name in (MessageName.IDResponse, MessageName.Telegram):
        letters = message.id_manufacturer or ""
        if not (len(letters) == 3 and letters.isascii() and letters.isalpha()):
            yield finding("syntax", number, f"manufacturer {letters!r} is not three letters")
        elif letters[:2] != letters[:2].upper():
            yield finding("syntax", number, f"manufacturer {letters!r} is not in capital letters", severity="note")
        if "/" in (message.id_text or ""):
            yield finding("syntax", number, "the identification's text has a slash, which is not allowed")
        if name == MessageName.IDResponse and (message.id_speed or "") not in _SPEEDS:
            yield finding("syntax", number, f"speed {message.id_speed!r} is none of the standard's", severity="note")
    option = (message.option_protocol, message.option_speed, message.option_mode)
    if name == MessageName.OptionSelect and not all(sign and sign.isalnum() for sign in option):
        yield finding("syntax", number, "an option select lacks one of its three characters")
    yield from _widths(message, number)


def _widths(message: Message, number: tuple[int]) -> Iterator[Finding]:
    for what, texts, most in (
        ("address", (message.address or "",), ADDRESS),
        ("identification", (message.id_text or "",), IDENTIFICATION),
        ("register", message.register, REGISTER),
        ("value", message.value, VALUE),
        ("unit", message.unit, UNIT),
    ):
        longest = max(texts, key=len, default="")
        if len(longest) > most:
            yield finding("field-width", number, f"{what} of {len(longest)} characters; {most} are allowed")
