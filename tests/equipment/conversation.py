"""Conversations: records written by hand, for the tests of learning."""

from collections.abc import Iterable

from vtctap.dissector.dissect import Dissector
from vtctap.dissector.learning.evidence import Answer
from vtctap.dissector.learning.learner import Learner
from vtctap.dissector.profiles.files import load
from vtctap.dissector.protocol.checksums import bcc_sum, bcc_xor
from vtctap.pcap.record import Line, Record, Sender

Frames = Iterable[tuple[str, bytes] | Record | float]
"""Frames with the side that sends them (C or M), complete records, and pauses in seconds."""

SECOND = 10**9
EPOCH = 10**18
ACK, NAK = b"\x06", b"\x15"


def block(body: str, *, rule: str = "xor") -> bytes:
    """Returns a command or an answer with its ETX and check character; ``rule`` may be ``none``."""
    octets = body.encode("latin-1") + b"\x03"
    checks = {"xor": bcc_xor, "sum": bcc_sum}
    return octets + bytes([checks[rule](octets[1:])]) if rule in checks else octets


def read(register: str, *, command: str = "R1", rule: str = "xor") -> tuple[str, bytes]:
    """Returns a client's read with brackets."""
    return "C", block(f"\x01{command}\x02{register}()", rule=rule)


def write(register: str, value: str, *, rule: str = "xor") -> tuple[str, bytes]:
    """Returns a client's write."""
    return "C", block(f"\x01W1\x02{register}({value})", rule=rule)


def data(text: str, *, rule: str = "xor") -> tuple[str, bytes]:
    """Returns a meter's answer with a data set."""
    return "M", block(f"\x02{text}", rule=rule)


CALL, BREAK = ("C", b"/?!\r\n"), ("C", block("\x01B0"))


def identification(text: str = "ABC5meter") -> tuple[str, bytes]:
    """Returns a meter's identification."""
    return "M", f"/{text}\r\n".encode()


def records(frames: Frames, *, uncertainty: int | None = 1000, link: int = 0) -> list[Record]:
    """Returns the records of a conversation at 9600 bit/s in 7E1. Each frame begins 100 ms after the end of the
    previous one."""
    made, now = [], EPOCH
    line = Line(7, "E", 1)
    for frame in frames:
        if isinstance(frame, float | int):
            now += round(frame * SECOND)
        elif isinstance(frame, Record):
            made.append(frame)
        else:
            side, octets = frame
            sender = Sender.CLIENT if side == "C" else Sender.SERVER
            duration = len(octets) * line.character_time_ns(9600)
            made.append(
                Record(
                    now,
                    octets,
                    sender=sender,
                    link=link,
                    line=line,
                    speed=9600,
                    uncertainty=uncertainty,
                    duration=duration,
                )
            )
            now += duration + SECOND // 10
    return made


def learn(*traces: Iterable[Record]) -> Learner:
    """Returns a learner that was fed these traces."""
    learner = Learner()
    for trace in traces:
        learner.begin()
        dissector = Dissector(load())
        for record in trace:
            learner.feed(dissector.dissect(record))
    learner.close()
    return learner


def answers(*traces: Iterable[Record]) -> dict[tuple[str, str], Answer]:
    """Returns the answers that the traces give, by question and subject."""
    return {(answer.question, answer.subject): answer for answer in learn(*traces).answers()}


def said(found: dict[tuple[str, str], Answer], question: str, subject: str = "") -> str:
    """Returns the verdict of an answer and the reading that is shown."""
    answer = found.get((question, subject))
    if answer is None:
        return "nothing"
    return f"{answer.verdict}: {answer.reading}" if answer.reading else answer.verdict
