"""The simulated payment meter.

The meter is a server of a dialect: reads, writes and tokens, with a sign-on and a break where the dialect has them. It
also serves clients of IEC 62056-21: option select with its change of speed, data readout, password, and mode B if its
identification announces it. Of mode E (HDLC) it opens and closes a connection. It only answers requests.
:mod:`vtctap.sniffer.simulated.machine` has the interface that drives it.
"""

from collections.abc import Callable, Mapping
from random import Random
from typing import Final

from vtctap.sniffer.simulated import speech
from vtctap.sniffer.simulated.device import Device
from vtctap.sniffer.simulated.dialect import DialectRegister
from vtctap.sniffer.simulated.machine import MS, Action, ChangeSpeed, Send
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
    SNRM,
    SOH,
    UA,
    command,
    hdlc,
    is_checked,
    with_check,
)
from vtctap.sniffer.simulated.tokens import TokenRegister, decoded

_HDLC_SHORTEST: Final = len(hdlc(1, 1, UA))
_MAX_MESSAGE: Final = 160
"""Most octets of a message to the meter: a data set is a register, a value of 128 characters and two brackets."""


class MeterMachine:
    """A meter: ``device``, or one of the known port. ``random`` draws its reaction times.

    Sessions begin at ``speed`` (bit/s), if that is not the dialect's; ``identification`` and ``registers`` (values by
    id) replace the device's. ``patience_ns`` is an extra delay before the meter sends at a new speed, for clients that
    are slow to change theirs, such as those that reopen their port.
    """

    def __init__(
        self,
        random: Random,
        device: Device | None = None,
        *,
        speed: int | None = None,
        identification: str | None = None,
        patience_ns: int = 0,
        registers: Mapping[str, str] | None = None,
    ) -> None:
        self._random = random
        self._device = device or Device()
        self._dialect = self._device.dialect
        self._times = self._dialect.timing
        self._opening_speed = self._speed = speed or self._dialect.wiring.opening_speed
        self._stated_identification = identification
        self._identification = b""
        self._patience_ns = patience_ns
        self._fixed = registers
        self._registers = {register.id: register for register in self._dialect.registers.entries}
        self._tokens = TokenRegister(self._device)
        self._frame = bytearray()
        self._heard = 0
        self._signed_on = self._binary = False
        self._afterwards: Callable[[], list[Action]] = list
        self._last = b""

    def feed(self, octet: int, now: int) -> list[Action]:
        """See :class:`~vtctap.sniffer.simulated.machine.Machine`."""
        if now - self._heard > self._times.character_timeout * MS:
            self._frame.clear()
        self._heard = now
        message = self._collect_hdlc(octet) if self._binary else self._collect(octet)
        if message is None:
            return []
        if self._binary:
            return self._answer_hdlc(message)
        if message[0] == SLASH:
            return self._sign_on(message)
        return self._answer(message, now) if self._signed_on or not self._dialect.session.required else []

    def sent(self, now: int) -> list[Action]:
        """See :class:`~vtctap.sniffer.simulated.machine.Machine`."""
        self._heard = now
        afterwards, self._afterwards = self._afterwards, list
        return afterwards()

    def wake_at(self) -> int | None:
        """See :class:`~vtctap.sniffer.simulated.machine.Machine`."""
        return self._heard + self._times.session_timeout * MS if self._signed_on else None

    def timeout(self, now: int) -> list[Action]:
        """See :class:`~vtctap.sniffer.simulated.machine.Machine`."""
        return self._leave()

    def _collect(self, octet: int) -> bytes | None:
        """Collects an octet; returns the message that it completes: a request, option select, command with BCC, or
        NAK."""
        frame = self._frame
        if frame and frame[0] == SOH and frame[-1] in (ETX, EOT):
            frame.append(octet)  # The check character may have any code.
        elif frame and frame[0] == SOH and octet in (ETX, EOT) and not self._dialect.syntax.client_check:
            frame.append(octet)
        elif octet == SOH or (octet in (SLASH, ACK, NAK) and not (frame and frame[0] == SOH)):
            frame[:] = (octet,)
            if octet != NAK:
                return None
        elif not frame:
            return None
        else:
            frame.append(octet)
            if frame[0] == SOH or octet != LF:
                if len(frame) > _MAX_MESSAGE:
                    frame.clear()
                return None
        message = bytes(frame)
        frame.clear()
        return message

    def _sign_on(self, message: bytes) -> list[Action]:
        if not (message.startswith(b"/?") and message.endswith(b"!\r\n") and self._dialect.session.sign_on):
            return []
        if message[2:-3] not in (b"", self._device.number.encode("ascii")):
            return []
        actions = self._leave()
        identification = self._stated_identification or self._device.identification()
        self._identification = f"/{identification}\r\n".encode("ascii")
        self._signed_on = True
        if chr(self._identification[4]) in MODE_B:
            self._afterwards = self._read_out_unasked
        return [*actions, self._send(self._identification)]

    def _read_out_unasked(self) -> list[Action]:
        """Mode B: sends the readout at the speed that the identification states, and ends the session."""
        self._speed = MODE_B[chr(self._identification[4])]
        self._afterwards = self._leave
        return [ChangeSpeed(self._speed), self._send(self._readout(), self._patience_ns)]

    def _leave(self) -> list[Action]:
        """Ends the session and restores its first speed."""
        self._signed_on = False
        if self._speed == self._opening_speed and not self._binary:
            return []
        self._binary = False
        self._speed = self._opening_speed
        return [ChangeSpeed(self._speed)]

    def _answer(self, message: bytes, now: int) -> list[Action]:
        if message[0] == NAK:
            return [self._send(self._last)]
        if message[0] == ACK:
            return self._select_option(message[1:-2].decode("latin-1"))
        if not self._dialect.syntax.client_check:
            message += b"\0"
        elif not is_checked(message, self._dialect.syntax.check):
            return self._refuse(self._dialect.refusals.bad_check)
        name, _, body = message[1:-2].decode("latin-1").partition("\x02")
        if name == "B0" and self._dialect.session.sign_on:
            return self._leave()
        if name == self._dialect.syntax.read:
            return self._read(*speech.asked(self._dialect, body), now)
        if name == self._dialect.syntax.write:
            register, _, value = body.removesuffix(")").partition("(")
            return self._write(register, value, now)
        if name == "P1" and self._dialect.session.sign_on:
            return [self._send(bytes([ACK]))]
        return self._refuse(self._dialect.refusals.undefined_command)

    def _refuse(self, how: str) -> list[Action]:
        if how == "silence":
            return []
        error = speech.answer(self._dialect, f"({self._dialect.refusals.error})")
        return [self._send(bytes([NAK]) if how == "nak" else error)]

    def _select_option(self, option: str) -> list[Action]:
        """Answers an option of three characters: protocol, speed and mode. The meter supports readout (0), programming
        (1) and mode E."""
        if len(option) != 3 or option[1] not in MODE_C or option[::2] not in ("00", "01", "22"):
            return []
        self._speed = MODE_C[option[1]]
        self._binary = option[0] == "2"
        changed = ChangeSpeed(self._speed, self._binary)
        if self._binary:
            return [changed]
        challenge = with_check(command("P0", "(00000000)"), self._dialect.syntax.check)
        answer = challenge if option[2] == "1" else self._readout()
        return [changed, self._send(answer, self._patience_ns)]

    def _readout(self) -> bytes:
        lines = (f"{id_}({self._value(id_, self._heard)})\r\n" for id_ in self._readable)
        return speech.answer(self._dialect, "".join(lines) + "!\r\n")

    def _collect_hdlc(self, octet: int) -> bytes | None:
        """Collects an octet; returns the HDLC frame that it completes."""
        frame = self._frame
        if octet == FLAG and len(frame) < _HDLC_SHORTEST - 1:
            frame[:] = (FLAG,)
        elif frame:
            frame.append(octet)
        if len(frame) < _HDLC_SHORTEST or octet != FLAG:
            return None
        message = bytes(frame)
        frame.clear()
        return message

    def _answer_hdlc(self, message: bytes) -> list[Action]:
        server, client, control = message[3] >> 1, message[4] >> 1, message[5]
        if control not in (SNRM, DISC) or message != hdlc(server, client, control):
            return []
        if control == DISC:
            self._afterwards = self._leave
        return [self._send(hdlc(client, server, UA))]

    @property
    def _readable(self) -> list[str]:
        return list(self._fixed) if self._fixed else [each.id for each in self._registers.values() if _reads(each)]

    def _value(self, id_: str, now: int) -> str:
        if self._fixed and id_ in self._fixed:
            return self._fixed[id_]
        register = self._registers[id_]
        return self._tokens.status(now) if register.role == "tokenStatus" else self._device.value(register, now)

    def _read(self, first: str, count: int, now: int) -> list[Action]:
        """Answers a read: of ``count`` registers from the first on, of its first octets, or of all of it."""
        readable = self._readable
        if first not in readable:
            return self._refuse(self._dialect.refusals.unknown_register)
        at, counts = readable.index(first), self._dialect.syntax.count
        ids = readable[at : at + max(count, 1)] if counts == "registers" else [first]
        values = [self._value(id_, now) for id_ in ids]
        if counts == "octets" and count:
            values = [values[0][: 2 * count]]
        sets = (speech.data_set(self._dialect, id_, value) for id_, value in zip(ids, values, strict=True))
        return [self._send(speech.answer(self._dialect, "".join(sets)))]

    def _write(self, id_: str, value: str, now: int) -> list[Action]:
        register = self._registers.get(id_)
        if register and register.role == "tokenData":
            processing_ns = self._random.randint(*(time * MS for time in self._times.processing))
            self._tokens.enter(decoded(value, self._dialect.tokens.encoding), now, processing_ns)
            return [self._send(bytes([ACK]))]
        refusals = self._dialect.refusals
        return self._refuse(refusals.write_refused if id_ in self._readable else refusals.unknown_register)

    def _send(self, octets: bytes, wait_ns: int = 0) -> Send:
        self._last = octets
        delay_ns = self._random.randint(*(time * MS for time in self._times.reaction))
        return Send(octets, wait_ns + delay_ns, self._times.meter_gap * MS)


def _reads(register: DialectRegister) -> bool:
    return register.role != "tokenData"
