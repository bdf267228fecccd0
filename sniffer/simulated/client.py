"""The simulated client: a hand-held unit that plays a script of steps with a meter.

The client reacts as a real one does. It answers a wrong BCC as its dialect has it, repeats a request that is refused or
not answered, and ends the session where repeating does not help. It changes its speed as IEC 62056-21 demands: after an
option select, after an identification of mode B, and back at the end of a session.
:mod:`vtctap.sniffer.simulated.machine` has the interface that drives it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from random import Random
from typing import Final

from vtctap.sniffer.simulated import speech
from vtctap.sniffer.simulated.dialect import Dialect, Interval
from vtctap.sniffer.simulated.machine import MS, Action, ChangeSpeed, Done, Send
from vtctap.sniffer.simulated.named import KNOWN
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
    hdlc,
    is_checked,
)

FIRST_PAUSE_NS: Final = 1_000 * MS
"""The pause before the first session."""
MAX_POLLS: Final = 50


@dataclass(frozen=True, slots=True)
class SignOn:
    """IDRequest, with or without the number of the meter that is to answer."""

    address: str = ""


@dataclass(frozen=True, slots=True)
class Read:
    """ReadCommand for a register, with a count where the dialect has one. ``refused``: the meter is expected to refuse
    it, so it is not repeated; so with ``Write`` and ``Undefined``."""

    register: str
    count: int = 0
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Write:
    """WriteCommand for one register."""

    register: str
    value: str
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Undefined:
    """A command that no standard defines."""

    refused: bool = True


@dataclass(frozen=True, slots=True)
class Password:
    """PasswordCommand."""

    value: str


@dataclass(frozen=True, slots=True)
class Poll:
    """ReadCommands for one register, repeated while its value is ``busy``."""

    register: str
    busy: str
    count: int = 0


@dataclass(frozen=True, slots=True)
class Break:
    """BreakCommand, which ends a session; the meter does not answer."""


@dataclass(frozen=True, slots=True)
class End:
    """The end of a session without a break: nothing is sent."""


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


Step = SignOn | Read | Write | Undefined | Password | Poll | Break | End | SelectOption | Readout | Hdlc

# The first octets of possible answers to each step.
_ANSWERS: Final[dict[type[Step], tuple[int, ...]]] = {
    SignOn: (SLASH, NAK),
    Read: (STX, NAK),
    Write: (ACK, STX, NAK),
    Undefined: (ACK, STX, NAK),
    Password: (ACK, STX, NAK),
    Poll: (STX, NAK),
    Break: (),
    End: (),
    SelectOption: (SOH, STX, NAK),
    Readout: (STX,),
    Hdlc: (FLAG,),
}
_ENDS: Final = (Break, End)
_CLIENT_ADDRESS: Final = 16
_SERVER_ADDRESS: Final = 1


def request(step: Step, dialect: Dialect) -> bytes:
    """The octets that the client sends for a step."""
    match step:
        case SignOn(address):
            return f"/?{address}!\r\n".encode("ascii")
        case Read(register, count) | Poll(register, _, count):
            return speech.read(dialect, register, count)
        case Write(register, value):
            return speech.write(dialect, register, value)
        case Undefined():
            return speech.undefined(dialect)
        case Password(value):
            return speech.request(dialect, "P1", f"({value})")
        case Break():
            return speech.request(dialect, "B0")
        case SelectOption(option):
            return bytes([ACK]) + f"{option}\r\n".encode("ascii")
        case Readout() | End():
            return b""
        case Hdlc(control):
            return hdlc(_SERVER_ADDRESS, _CLIENT_ADDRESS, control)


class ClientMachine:
    """A client of ``dialect`` that plays ``steps``, one session after the other. ``random`` draws its pauses; it signs
    on at ``speed`` (bit/s), if that is not the dialect's."""

    def __init__(
        self, steps: Iterable[Step], random: Random, *, dialect: Dialect = KNOWN, speed: int | None = None
    ) -> None:
        self._steps = iter(steps)
        self._random = random
        self._dialect = dialect
        self._times = dialect.timing
        self._opening_speed = self._speed = speed or dialect.wiring.opening_speed
        self._binary = False
        self._step: Step = End()
        self._frame = bytearray()
        self._repeats = 0
        self._polls = 0
        self._first = True
        self._deadline: int | None = 0

    def feed(self, octet: int, now: int) -> list[Action]:
        """See :class:`~vtctap.sniffer.simulated.machine.Machine`."""
        if self._deadline is None:
            return []
        frame = self._frame
        if not frame and octet not in _ANSWERS[type(self._step)]:
            return []
        self._deadline = now + self._times.response_timeout * MS
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
            self._deadline = now + self._times.response_timeout * MS
            return changed
        self._deadline = now + self._times.response_timeout * MS
        return []

    def wake_at(self) -> int | None:
        """See :class:`~vtctap.sniffer.simulated.machine.Machine`."""
        return self._deadline

    def timeout(self, now: int) -> list[Action]:
        """See :class:`~vtctap.sniffer.simulated.machine.Machine`."""
        self._deadline = None
        self._frame.clear()
        return self._proceed(now) if isinstance(self._step, End) else self._retry(now)

    def _take(self, answer: bytes, now: int) -> list[Action]:
        if answer[0] == NAK:
            return self._retry(now)
        if answer[0] in (SOH, STX) and not is_checked(answer, self._dialect.syntax.check):
            repeats = self._dialect.refusals.bad_answer == "repeat"
            return self._repeat(self._request() if repeats else bytes([NAK]), now)
        speed = self._speed
        if isinstance(self._step, SignOn):
            speed = MODE_B.get(answer[4:5].decode("latin-1"), speed)
        elif self._is_over(answer):
            speed = self._opening_speed
        changed = self._change_speed(speed, binary=isinstance(self._step, Hdlc) and not self._is_over(answer))
        if isinstance(self._step, Poll) and b"(" + self._step.busy.encode("ascii") + b")" in answer:
            self._polls += 1
            self._repeats = 0
            if self._polls < MAX_POLLS:
                return [self._send(self._request(), self._drawn(self._times.poll))]
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

    def _request(self) -> bytes:
        return request(self._step, self._dialect)

    def _retry(self, now: int) -> list[Action]:
        """Repeats a request that was refused or not answered, unless that was expected."""
        if isinstance(self._step, Read | Write | Undefined) and self._step.refused:
            return self._proceed(now)
        return self._repeat(self._request(), now)

    def _repeat(self, octets: bytes, now: int) -> list[Action]:
        self._repeats += 1
        if self._repeats <= self._times.repeats:
            return [self._send(octets, self._pause())]
        for step in self._steps:
            if isinstance(step, _ENDS):
                return self._begin(step, now)
        return [Done()]

    def _proceed(self, now: int) -> list[Action]:
        step = next(self._steps, None)
        return self._begin(step, now) if step else [Done()]

    def _begin(self, step: Step, now: int) -> list[Action]:
        opens = isinstance(self._step, _ENDS)
        self._step = step
        self._repeats = self._polls = 0
        if isinstance(step, End):
            return self._proceed(now)
        if isinstance(step, Readout):
            self._deadline = now + self._times.response_timeout * MS
            return []
        return [self._send(self._request(), self._before_session() if opens else self._pause())]

    def _before_session(self) -> int:
        pause = FIRST_PAUSE_NS if self._first else self._times.session_pause * MS
        self._first = False
        return pause

    def _send(self, octets: bytes, delay_ns: int) -> Send:
        return Send(octets, delay_ns, self._times.client_gap * MS)

    def _pause(self) -> int:
        return self._drawn(self._times.pause)

    def _drawn(self, interval: Interval) -> int:
        return self._random.randint(interval[0] * MS, interval[1] * MS)


def _is_whole(frame: bytearray) -> bool:
    """Whether an answer is complete."""
    if frame[0] == SLASH:
        return frame[-1] == LF
    if frame[0] == FLAG:
        return len(frame) > 2 and frame[-1] == FLAG
    return frame[0] not in (SOH, STX) or (len(frame) > 2 and frame[-2] in (ETX, EOT))
