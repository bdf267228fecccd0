"""Questions about the form of messages: type digits, brackets, counts, ids in answers, and check characters."""

from typing import Final

from vtctap.dissector.dissect import Frame
from vtctap.dissector.learning.evidence import Explaining, Notes
from vtctap.dissector.learning.question import Question
from vtctap.dissector.learning.turns import Fate, Turn, count_of, sides
from vtctap.dissector.protocol.characters import SEVEN_BITS, SOH, STX
from vtctap.dissector.protocol.checksums import bcc_sum, bcc_xor
from vtctap.dissector.protocol.messages import block_end
from vtctap.dissector.protocol.rules import READOUT, MessageName
from vtctap.pcap.record import Flag

_COMMANDS: Final = frozenset((MessageName.ReadCommand, MessageName.WriteCommand))


def _type_digit(turn: Turn, notes: Notes) -> None:
    if turn.is_new and turn.asked in _COMMANDS and turn.asks and turn.asks.cmd:
        notes.feed(turn.place, (turn.asks.cmd,), turn.asked)


def _brackets(turn: Turn, notes: Notes) -> None:
    if turn.is_new and turn.asked == MessageName.ReadCommand and turn.asks and turn.asks.register:
        notes.feed(turn.place, ("no",) if turn.asks.count is not None else ("yes",))


def _count(turn: Turn, notes: Notes) -> None:
    if turn.is_new and turn.asked == MessageName.ReadCommand and turn.asks and turn.asks.register:
        notes.feed(turn.place, ("no",) if count_of(turn.asks) is None else ("yes",))


OCTETS, REGISTERS = "octets", "registers"


def _counts(turn: Turn, notes: Notes) -> None:
    """Notes what a count explains: ``octets`` have two digits each, ``registers`` are data sets."""
    if turn.asked != MessageName.ReadCommand or turn.fate is not Fate.ANSWERED:
        return
    if not turn.asks or turn.answer is None or len(turn.asks.register) != 1:
        return
    count, answer = count_of(turn.asks), turn.answer.message
    if not count or answer.message not in READOUT or not answer.value:
        return
    explaining = []
    if len(answer.value) == 1 and len(answer.value[0]) == 2 * count:
        explaining.append(OCTETS)
    if len(answer.value) == count:
        explaining.append(REGISTERS)
    notes.feed(turn.place, tuple(explaining))


def _ids(turn: Turn, notes: Notes) -> None:
    if turn.asked != MessageName.ReadCommand or not turn.asks or turn.answer is None or turn.fate is Fate.DOUBTFUL:
        return
    asked, answer = turn.asks.register, turn.answer.message
    if answer.message not in READOUT or not answer.register or not asked:
        return
    if not any(answer.register):
        notes.feed(turn.place, ("no",))
    elif answer.register[0] == asked[0]:
        notes.feed(turn.place, ("yes",))
    else:
        notes.feed(turn.place, ("another",))


NONE: Final = "none"


def _check(turn: Turn, notes: Notes) -> None:
    for side, frame in sides(turn.exchange):
        explaining = check_rules(frame)
        if explaining is not None:
            notes.feed(turn.at(frame), explaining, side)


def check_rules(frame: Frame) -> Explaining | None:
    """Returns the rules that explain a frame's check character; None if its octets are damaged."""
    message, record = frame.message, frame.record
    structure = record.octets.translate(SEVEN_BITS)
    if structure[:1] not in (SOH.to_bytes(), STX.to_bytes()) or record.parity_errors:
        return None
    if record.flags & (Flag.CUT | Flag.PARITY | Flag.FRAMING | Flag.OVERRUN):
        return None
    if message.bcc_status == "missing" or message.bcc is None:
        return (NONE,)
    region = structure[1 : block_end(structure) + 1]
    rules = (("xor", bcc_xor(region)), ("sum", bcc_sum(region)))
    return tuple(name for name, value in rules if value == message.bcc)


QUESTIONS: Final = (
    Question(
        "type digit", "Which letter, and which digit after it, has a command?", _type_digit, "more reads and writes"
    ),
    Question("brackets", "Has a read brackets after its register?", _brackets, "a capture with reads"),
    Question("count", "Has a read a count?", _count, "a capture with reads"),
    Question(
        "count of",
        "What does the count of a read count?",
        _counts,
        "reads of one register with several counts, and with a count that is not half of the answer's digits",
        candidates=(OCTETS, REGISTERS),
        read=False,
    ),
    Question("ids", "Has an answer the register's id before its value?", _ids, "a capture with answered reads"),
    Question(
        "check rule",
        "By which rule is the check character made?",
        _check,
        "a message whose exclusive or differs from its sum",
        damage=5,
    ),
)
