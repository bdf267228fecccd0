"""Makes records without their secrets.

A :class:`Redactor` reads a trace twice. The first time it collects the secrets: all that the rules do not let stay. The
second time it makes the records, and replaces a secret also where it stands inside something that would stay. Every
record is built anew from its parts: times, flags, line settings, and octets in which each piece is kept by a rule or
replaced.

Check characters, CRCs and check sequences keep their error: good ones are computed again, bad ones stay bad by the same
bits. Positions of errors and pauses stay, because lengths do.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Final

from vtctap.dissector.framing.framed import message_of
from vtctap.dissector.profiles.model import Profile
from vtctap.dissector.protocol import hdlc
from vtctap.dissector.protocol.characters import EVEN, carries_even_parity, odd_count
from vtctap.dissector.protocol.checksums import bcc_sum, bcc_xor, crc16, fcs16
from vtctap.dissector.protocol.messages import TELEGRAM_END, Message, block_end, only_rule, readings
from vtctap.dissector.protocol.rules import MessageName
from vtctap.dissector.redaction import rules
from vtctap.dissector.redaction.pieces import EIGHT_BITS, FramePiece, PieceKind, pieces
from vtctap.dissector.redaction.runs import NumberRuns, texts
from vtctap.dissector.redaction.standins import StandIns, can_change
from vtctap.pcap.events import event_words
from vtctap.pcap.record import Kind, Record, Sender

SHORTEST: Final = 6
"""Shorter secrets stand anywhere by chance: they are replaced in their place and not searched for elsewhere."""


class Redactor:
    """Redacts the records of one trace. Call :meth:`learn` with every record, then :meth:`redact` with every record.
    Where records cannot be read twice, call both with one record after the other.

    ``values`` replaces every value. ``profiles`` are the names of profiles that may stay.
    """

    def __init__(
        self, profile: Profile, standins: StandIns, *, values: bool = False, profiles: tuple[str, ...] = ()
    ) -> None:
        self._profile = profile
        self._standins = standins
        self._values = values
        self._profiles = profiles
        self.secrets: set[bytes] = set()
        """The secrets of at least :data:`SHORTEST` characters, as seven-bit text; or payloads. None is forgotten, since
        any may recur: memory grows with each different one."""
        self.short: set[bytes] = set()
        """The shorter secrets."""
        self._lengths: set[int] = set()
        self._runs = NumberRuns()
        self._short_noises = 0
        self._rules: dict[tuple[int, Sender], str] = {}
        """The rule of each side's last check character that only one rule makes right."""
        standins.forbidden = self._holds_secret

    def learn(self, record: Record) -> None:
        """Collects the secrets of a record."""
        for octets in chain(self._secret_texts(record), self._runs.feed(record)):
            self._learn(octets)

    def learn_ahead(self, records: Iterable[Record]) -> None:
        """Collects the secrets of records of which each is learned again before it is redacted."""
        for record in records:
            self.learn(record)
        self._learn_unended()
        self._runs = NumberRuns()  # The first record does not continue the last one's number.

    def _learn_unended(self) -> None:
        for number in self._runs.unended():
            self._learn(number)

    def _learn(self, octets: bytes) -> None:
        if len(set(octets)) == 1 or not can_change(octets):
            return
        if len(octets) < SHORTEST:
            self.short.add(octets)
        else:
            self.secrets.add(octets)
            self._lengths.add(len(octets))

    def _secret_texts(self, record: Record) -> Iterator[bytes]:
        if record.kind is not Kind.FRAME:
            yield from texts(record.octets)
            yield from texts(_note(record.event).encode(errors="replace"))
            return
        message = message_of(record)
        if rule := only_rule(message, record.octets):
            self._rules.setdefault((record.link, record.sender), rule)
        for piece, octets in _texts(record.octets):
            if not self._stays(piece, octets, message.message):
                yield from texts(octets) if piece.kind is PieceKind.PAYLOAD else (octets,)

    def redact(self, record: Record) -> Record:
        """Returns the record without its secrets."""
        self._learn_unended()
        octets, event = record.octets, ""
        if record.kind is Kind.EVENT:
            event = self._event(record.event)
        if record.kind is Kind.FRAME:
            octets = self._frame(record)
        elif octets:  # An event has none, unless its kind is damage.
            octets = self._noise(octets)
        return Record(
            record.time,
            octets,
            record.kind,
            record.sender,
            record.inferred,
            record.link,
            record.tap,
            record.line,
            record.flags,
            record.speed,
            record.uncertainty,
            record.duration,
            record.parity_errors,
            record.framing_errors,
            record.pauses_us,
            event,
        )

    def _noise(self, octets: bytes) -> bytes:
        """Returns the stand-in for noise. Equal parts of a few octets get different ones: else a text that comes octet
        by octet would be a substitution cipher, which can be solved."""
        if len(octets) >= SHORTEST:
            return self._standins.noise(octets)
        self._short_noises += 1
        return self._standins.noise(octets, self._short_noises)

    def _event(self, event: str) -> str:
        """Returns the text of an event with the words that may stay; that of a mark keeps its form."""
        name, words = event_words(event)
        allowed = rules.EVENTS.get(name)
        if allowed is None:
            return "redacted"
        kept = [f"{key}={value}" for key, value in words.items() if key in allowed and allowed[key].fullmatch(value)]
        if name == "opened":
            profile = words.get("profile")
            stated = [f"profile={profile}"] if profile in self._profiles else []
            kept = [*stated, *kept, "redacted=yes"]
        if name == "mark":
            note = self._standins.text(_note(event).encode("ascii", "replace"))
            kept = [f"note={note.decode()}"] if note else []
        return " ".join([name, *kept])

    def _stays(self, piece: FramePiece, octets: bytes, name: MessageName | None) -> bool:
        """Whether the rules let a piece with this text stay."""
        text = octets.decode("latin-1")
        match piece.kind:
            case PieceKind.REGISTER:
                return rules.register_stays(text, self._profile)
            case PieceKind.UNIT:
                return text in rules.UNITS
            case PieceKind.IDENTIFICATION:
                return rules.identification_stays(text)
            case PieceKind.HDLC_ADDRESS:
                return rules.hdlc_address_stays(octets)
            case PieceKind.VALUE if rules.is_test_token(text):
                return True  # The stand-ins replace it if they are asked to.
            case PieceKind.VALUE:
                stays = rules.value_stays(name, piece.register, text, piece.unit, self._profile)
                return stays and not (self._values and name != MessageName.Error)
        return False

    def _holds_secret(self, octets: bytes) -> bool:
        """Whether a text holds any secret."""
        return any(
            octets[at : at + length] in self.secrets
            for length in self._lengths
            if length <= len(octets)
            for at in range(len(octets) - length + 1)
        )

    def _frame(self, record: Record) -> bytes:
        octets = record.octets
        message = message_of(record)
        result = bytearray(octets)
        for piece, old in _texts(octets):
            test_token = piece.kind is PieceKind.VALUE and rules.is_test_token(old.decode("latin-1"))
            stays = not test_token and self._stays(piece, old, message.message)
            if stays and not self._holds_secret(old):
                continue
            result[piece.start : piece.end] = self._standin(piece, old, octets, message)
        _keep_checks(message, octets, result, self._rule(record, message))
        return bytes(result)

    def _rule(self, record: Record, message: Message) -> str:
        """Returns the rule of a frame's check character: where both make it right, that which its side keeps to. By the
        other one the result would show a change of rule, which would blame the device."""
        side = record.link, record.sender
        if rule := only_rule(message, record.octets):
            self._rules[side] = rule
            return rule
        return self._rules.get(side, "xor") if message.bcc_status == "good" else "xor"

    def _standin(self, piece: FramePiece, old: bytes, octets: bytes, message: Message) -> bytes:
        """Returns the octets in the place of a piece, with bit 7 as the frame uses it."""
        if piece.kind is PieceKind.PAYLOAD:
            return self._standins.payload(old)
        if piece.kind is PieceKind.HDLC_ADDRESS:
            return self._standins.hdlc_address(old)
        known = self._profile.register(piece.register)
        if message.message is None:
            return self._noise(octets[piece.start : piece.end])
        is_token = piece.kind is PieceKind.VALUE and known is not None and bool(known.token_encodings)
        made = (self._standins.token if is_token else self._standins.text)(old)
        return _with_high_bits(made, octets[piece.start : piece.end], parity=_carries_parity(octets))


def _note(event: str) -> str:
    """Returns the text of a mark, or of an event that the rules do not know; empty for other events."""
    name, _, rest = event.partition(" ")
    return rest.removeprefix("note=") if name == "mark" or name not in rules.EVENTS else ""


def _texts(octets: bytes) -> Iterator[tuple[FramePiece, bytes]]:
    """Yields the pieces of a frame that are not structure, each with its text: of seven bits, or eight of data."""
    structure, _ = readings(octets)
    for piece in pieces(octets):
        text = octets if piece.kind in EIGHT_BITS else structure
        yield piece, text[piece.start : piece.end]


def _carries_parity(octets: bytes) -> bool:
    """Whether bit 7 of a frame's octets is clearly an even or an odd parity bit, and no constant."""
    odd = not octets.isascii() and min(octets) < 0x80 and odd_count(octets) * 8 >= len(octets) * 7
    return odd or carries_even_parity(octets)


def _with_high_bits(made: bytes, old: bytes, *, parity: bool) -> bytes:
    """Gives seven-bit characters the bit 7 that the old ones had: their parity, right or wrong, or the same bit."""
    if old.isascii() and not parity:
        return made
    return bytes(
        new | (0x80 if (EVEN[octet] != EVEN[new] if parity else octet >= 0x80) else 0)
        for new, octet in zip(made, old, strict=True)
    )


def _keep_checks(message: Message, old: bytes, new: bytearray, rule: str) -> None:
    """Gives a changed frame the checks that keep the old ones' error: the same bits are wrong, or none. A check
    character is made by ``rule``."""
    if message.message == MessageName.HDLC:
        at, end = hdlc.places(old)
        for place in (at, end - 2 if end is not None else None):
            if place is not None and place + 2 <= len(old):
                error = int.from_bytes(old[place : place + 2], "little") ^ fcs16(old[1:place])
                new[place : place + 2] = (fcs16(bytes(new[1:place])) ^ error).to_bytes(2, "little")
    elif message.crc is not None:
        last = TELEGRAM_END.search(readings(old)[0])
        assert last
        at, end = last.span(1)
        error = message.crc ^ crc16(readings(old)[1][:at])
        text = f"{crc16(readings(bytes(new))[1][:at]) ^ error:0{end - at}X}"[-(end - at) :]
        lower = any(octet in b"abcdef" for octet in readings(old)[0][at:end])
        made = (text.lower() if lower else text).encode()
        new[at:end] = _with_high_bits(made, old[at:end], parity=_carries_parity(old))
    elif message.bcc is not None:
        _keep_bcc(message, old, new, bcc_sum if rule == "sum" else bcc_xor)


def _keep_bcc(message: Message, old: bytes, new: bytearray, rule: Callable[[bytes], int]) -> None:
    structure, changed = readings(old)[0], bytes(octet & 0x7F for octet in new)
    end = block_end(structure)
    error = (message.bcc or 0) ^ rule(structure[1 : end + 1])
    checked = changed[1 : end + 1]
    made = rule(checked) ^ error
    while error and made in (bcc_xor(checked), bcc_sum(checked)):
        made = made + 1 & 0x7F
    new[end + 1 : end + 2] = _with_high_bits(bytes([made]), old[end + 1 : end + 2], parity=_carries_parity(old))
