"""The simulated client: a hand-held unit that plays a script of steps with a meter.

The client reacts as a real one does. It answers a wrong BCC with NAK and reads the retransmission, repeats a request
that is refused or not answered, and ends the session where repeating does not help. It changes its speed as IEC
62056-21 demands: after an option select, after an identification of mode B, and back at the end of a session.
:mod:`vtctap.sniffer.simulated.machine` has the interface that drives it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from random import Random
from typing import Final

from vtctap.sniffer.simulated.machine import MS, Action, ChangeSpeed, Done, Send
from vtctap.sniffer.simulated.octets import (
    ACK,
    DISC,
    EOT,
    ETX,
    FLAG,
    LF,
    MODE_B,
    MODE_C,
    NAK,
    SLASH,
    SOH,
    STX,
    command,
    hdlc,
    is_checked,
)

SHORTEST_PAUSE_NS: Final = 20 * MS
LONGEST_PAUSE_NS: Final = 300 * MS
"""The limits of the pause between an answer and the next request; IEC 62056-21 clause 6.5 allows 20 ms (where
announced) or 200 ms to 1500 ms."""
SHORTEST_POLL_PAUSE_NS: Final = 200 * MS
SESSION_PAUSE_NS: Final = 1_000 * MS
"""The pause before a sign-on."""
RESPONSE_TIMEOUT_NS: Final = 2_500 * MS
"""The longest wait for an answer to begin or to go on. The meter's limit is 1500 ms; the client waits longer, so that a
late answer is not also repeated."""
MAX_REPEATS: Final = 3
MAX_POLLS: Final = 50


@dataclass(frozen=True, slots=True)
class SignOn:
    """IDRequest, with or without the number of the meter that is to answer."""

    address: str = ""


@dataclass(frozen=True, slots=True)
class Read:
    """ReadCommand for one register."""

    register: str


@dataclass(frozen=True, slots=True)
class Write:
    """WriteCommand for one register."""

    register: str
    value: str


@dataclass(frozen=True, slots=True)
class Poll:
    """ReadCommands for one register, repeated while its value is ``busy``."""

    register: str
    busy: str


@dataclass(frozen=True, slots=True)
class Break:
    """BreakCommand; the meter does not answer."""


@dataclass(frozen=True, slots=True)
class SelectOption:
    """Option select: protocol, speed and mode, such as ``051``. The meter answers with its readout in mode 0, with P0
    in mode 1, and not at all in mode 2."""

    option: str

    @property
    def binary(self) -> bool:
        """Whether HDLC follows (mode E)."""
        return self.option[0] == "2" and self.option[2] == "2"


@dataclass(frozen=True, slots=True)
class Readout:
    """The readout that a meter of mode B sends without a request."""


@dataclass(frozen=True, slots=True)
class Hdlc:
    """An HDLC frame without information, which the meter answers with another."""

    control: int


Step = SignOn | Read | Write | Poll | Break | SelectOption | Readout | Hdlc

# The first octets of possible answers to each step.
_ANSWERS: Final[dict[type[Step], tuple[int, ...]]] = {
    SignOn: (SLASH, NAK),
    Read: (STX, NAK),
    Write: (ACK, STX, NAK),
    Poll: (STX, NAK),
    Break: (),
    SelectOption: (SOH, STX, NAK),
    Readout: (STX,),
    Hdlc: (FLAG,),
}
_CLIENT_ADDRESS: Final = 16
_SERVER_ADDRESS: Final = 1


def request(step: Step) -> bytes:
    """Returns the octets that the client sends for a step."""
    match step:
        case SignOn(address):
            return f"/?{address}!\r\n".encode("ascii")
        case Read(register) | Poll(register):
            return command("R1", f"{register}()")
        case Write(register, value):
            return command("W1", f"{register}({value})")
        case Break():
            return command("B0")
        case SelectOption(option):
            return bytes([ACK]) + f"{option}\r\n".encode("ascii")
        case Readout():
            return b""
        case Hdlc(control):
            return hdlc(_SERVER_ADDRESS, _CLIENT_ADDRESS, control)


class ClientMachine:
    """A client that plays ``steps``, one session after the other. ``random`` draws its pauses; it signs on at ``speed``
    (bit/s)."""

    def __init__(self, steps: Iterable[Step], random: Random, *, speed: int = 9600) -> None:
        self._steps = iter(steps)
        self._random = random
        self._opening_speed = self._speed = speed
        self._binary = False
        self._step: Step = Break()
        self._frame = bytearray()
        self._repeats = 0
        self._polls = 0
        self._deadline: int | None = 0

    def feed(self, octet: int, now: int) -> list[Action]:
        """See :class:`~vtctap.sniffer.simulated.machine.Machine`."""
        if self._deadline is None:
            return []
        frame = self._frame
        if not frame and octet not in _ANSWERS[type(self._step)]:
            return []
        self._deadline = now + RESPONSE_TIMEOUT_NS
        frame.append(octet)
        if not _is_whole(frame):
            return []
        answer = bytes(frame)
        frame.clear()
        self._deadline = None
        return self._take(answer, now)

    def sent(self, now: int) -> list[Action]:
        """See :class:`~vtctap.sniffer.simulated.machine.Machine`."""
        if isinstance(self._step, Break):
            return [*self._change_speed(self._opening_speed), *self._proceed(now)]
        if isinstance(self._step, SelectOption):
            changed = self._change_speed(MODE_C[self._step.option[1]], binary=self._step.binary)
            if self._step.binary:
                return [*changed, *self._proceed(now)]
            self._deadline = now + RESPONSE_TIMEOUT_NS
            return changed
        self._deadline = now + RESPONSE_TIMEOUT_NS
        return []

    def wake_at(self) -> int | None:
        """See :class:`~vtctap.sniffer.simulated.machine.Machine`."""
        return self._deadline

    def timeout(self, now: int) -> list[Action]:
        """See :class:`~vtctap.sniffer.simulated.machine.Machine`."""
        self._deadline = None
        self._frame.clear()
        if isinstance(self._step, Break):
            return self._proceed(now)
        return self._repeat(request(self._step))

    def _take(self, answer: bytes, now: int) -> list[Action]:
        if answer[0] == NAK:
            return self._repeat(request(self._step))
        if answer[0] in (SOH, STX) and not is_checked(answer):
            return self._repeat(bytes([NAK]))
        speed = self._speed
        if isinstance(self._step, SignOn):
            speed = MODE_B.get(chr(answer[4]), speed)
        elif self._is_over(answer):
            speed = self._opening_speed
        changed = self._change_speed(speed, binary=isinstance(self._step, Hdlc) and not self._is_over(answer))
        if isinstance(self._step, Poll) and b"(" + self._step.busy.encode("ascii") + b")" in answer:
            self._polls += 1
            self._repeats = 0
            if self._polls < MAX_POLLS:
                return [Send(request(self._step), self._random.randint(SHORTEST_POLL_PAUSE_NS, LONGEST_PAUSE_NS))]
        return [*changed, *self._proceed(now)]

    def _is_over(self, answer: bytes) -> bool:
        """Whether this answer ends a session: a readout, or the confirmation of a disconnect."""
        step = self._step
        return isinstance(step, Readout) or (isinstance(step, SelectOption) and answer[0] == STX) or step == Hdlc(DISC)

    def _change_speed(self, speed: int, *, binary: bool = False) -> list[Action]:
        if (speed, binary) == (self._speed, self._binary):
            return []
        self._speed, self._binary = speed, binary
        return [ChangeSpeed(speed, binary)]

    def _repeat(self, octets: bytes) -> list[Action]:
        self._repeats += 1
        if self._repeats <= MAX_REPEATS:
            return [Send(octets, self._pause())]
        for step in self._steps:
            if isinstance(step, Break):
                return self._begin(step)
        return [Done()]

    def _proceed(self, now: int) -> list[Action]:
        step = next(self._steps, None)
        if isinstance(step, Readout):
            self._deadline = now + RESPONSE_TIMEOUT_NS
        return self._begin(step) if step else [Done()]

    def _begin(self, step: Step) -> list[Action]:
        self._step = step
        self._repeats = self._polls = 0
        if isinstance(step, Readout):
            return []
        return [Send(request(step), SESSION_PAUSE_NS if isinstance(step, SignOn) else self._pause())]

    def _pause(self) -> int:
        return self._random.randint(SHORTEST_PAUSE_NS, LONGEST_PAUSE_NS)


def _is_whole(frame: bytearray) -> bool:
    """Whether an answer is complete."""
    if frame[0] == SLASH:
        return frame[-1] == LF
    if frame[0] == FLAG:
        return len(frame) > 2 and frame[-1] == FLAG
    return frame[0] not in (SOH, STX) or (len(frame) > 2 and frame[-2] in (ETX, EOT))
