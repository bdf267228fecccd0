"""The simulated payment meter.

The meter is a server of the default profile (IEC 62055-52: sign-on, reads, writes and break at a fixed speed). It also
serves clients of IEC 62056-21: option select with its change of speed, data readout, password, and mode B if its
identification announces it. Of mode E (HDLC) it opens and closes a connection. It only answers requests.
:mod:`vtctap.sniffer.simulated.machine` has the interface that drives it.

The registers are those of the default profile.
"""

from collections.abc import Callable, Mapping
from random import Random
from typing import Final

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
    data,
    hdlc,
    is_checked,
)
from vtctap.sniffer.simulated.tokens import TokenRegister

IDENTIFICATION: Final = "ZZz5vtctap-demo"
"""The identification without its slash. No manufacturer of prepayment meters has these FLAG letters. The small third
letter announces a reaction time of at least 20 ms (IEC 62056-21 clause 6.3.2), and 5 is 9600 bit/s in mode C."""
METER_NUMBER: Final = "00123456782"

VERSION, METER_STATUS, METER_NUMBER_REGISTER, KEY_REVISION_AND_TYPE = "2000", "2002", "2006", "200A"
AVAILABLE_CREDIT, CONSUMPTION, TAMPER_STATUS, SUPPLY_GROUP_CODE = "2010", "2011", "2014", "2016"
TOKEN_STATUS, TOKEN_DATA = "FFFE", "FFFF"

_FIXED_VALUES: Final = {
    VERSION: "01",
    METER_STATUS: "00",
    METER_NUMBER_REGISTER: METER_NUMBER,
    KEY_REVISION_AND_TYPE: "12",
    AVAILABLE_CREDIT: "000004D2",
    CONSUMPTION: "0001E240",
    TAMPER_STATUS: "0000",
    SUPPLY_GROUP_CODE: "01E240",
}
READABLE: Final = tuple(sorted((*_FIXED_VALUES, TOKEN_STATUS)))
"""The registers that can be read. Only TOKEN_DATA can be written."""

SHORTEST_REACTION_NS: Final = 20 * MS
LONGEST_REACTION_NS: Final = 300 * MS
CHARACTER_TIMEOUT_NS: Final = 1_500 * MS
"""A longer pause inside a message ends it (IEC 62056-21 clause 6.5.3; derived)."""
SESSION_TIMEOUT_NS: Final = 120_000 * MS
"""The time without octets after which the meter ends the session."""
SHORTEST_PROCESSING_NS: Final = 900 * MS
LONGEST_PROCESSING_NS: Final = 1_100 * MS
_HDLC_SHORTEST: Final = len(hdlc(1, 1, UA))
_MAX_MESSAGE: Final = 160
"""Most octets of a message to the meter: a data set is a register, a value of 128 characters and two brackets."""


class MeterMachine:
    """A meter. ``random`` draws its reaction times; sessions begin at ``speed`` (bit/s).

    ``patience_ns`` is an extra delay before the meter sends at a new speed, for clients that are slow to change theirs,
    such as those that reopen their port. ``registers`` replace the default profile's readable registers.
    """

    def __init__(
        self,
        random: Random,
        *,
        speed: int = 9600,
        identification: str = IDENTIFICATION,
        patience_ns: int = 0,
        registers: Mapping[str, str] | None = None,
    ) -> None:
        self._random = random
        self._opening_speed = self._speed = speed
        self._identification = f"/{identification}\r\n".encode("ascii")
        self._patience_ns = patience_ns
        self._values = _FIXED_VALUES if registers is None else registers
        self._readable = READABLE if registers is None else tuple(registers)
        self._tokens = TokenRegister()
        self._frame = bytearray()
        self._heard = 0
        self._signed_on = self._binary = False
        self._afterwards: Callable[[], list[Action]] = list
        self._last = b""

    def feed(self, octet: int, now: int) -> list[Action]:
        """See :class:`~vtctap.sniffer.simulated.machine.Machine`."""
        if now - self._heard > CHARACTER_TIMEOUT_NS:
            self._frame.clear()
        self._heard = now
        message = self._collect_hdlc(octet) if self._binary else self._collect(octet)
        if message is None:
            return []
        if self._binary:
            return self._answer_hdlc(message)
        if message[0] == SLASH:
            return self._sign_on(message)
        return self._answer(message, now) if self._signed_on else []

    def sent(self, now: int) -> list[Action]:
        """See :class:`~vtctap.sniffer.simulated.machine.Machine`."""
        self._heard = now
        afterwards, self._afterwards = self._afterwards, list
        return afterwards()

    def wake_at(self) -> int | None:
        """See :class:`~vtctap.sniffer.simulated.machine.Machine`."""
        return self._heard + SESSION_TIMEOUT_NS if self._signed_on else None

    def timeout(self, now: int) -> list[Action]:
        """See :class:`~vtctap.sniffer.simulated.machine.Machine`."""
        return self._leave()

    def _collect(self, octet: int) -> bytes | None:
        """Collects an octet; returns the message that it completes: a request, option select, command with BCC, or
        NAK."""
        frame = self._frame
        if frame and frame[0] == SOH and frame[-1] in (ETX, EOT):
            frame.append(octet)  # The check character may have any code.
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
        if not (message.startswith(b"/?") and message.endswith(b"!\r\n")):
            return []
        if message[2:-3] not in (b"", METER_NUMBER.encode("ascii")):
            return []
        actions = self._leave()
        self._signed_on = True
        if chr(self._identification[4]) in MODE_B:
            self._afterwards = self._read_out_unasked
        return [*actions, self._send(self._identification)]

    def _read_out_unasked(self) -> list[Action]:
        """Sends the readout of mode B at the speed that the identification states, and ends the session."""
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
            return self._select_option(message[1:-2].decode("ascii"))
        if not is_checked(message):
            return [self._send(bytes([NAK]))]
        name = message[1:3].decode("ascii")
        if name == "B0":
            return self._leave()
        register, _, value = message[4:-2].decode("ascii").rstrip(")").partition("(")
        if name in ("R1", "R5"):
            return [self._send(self._read(register, now))]
        if name == "W1":
            return [self._send(self._write(register, value, now))]
        return [self._send(bytes([ACK if name == "P1" else NAK]))]

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
        answer = command("P0", "(00000000)") if option[2] == "1" else self._readout()
        return [changed, self._send(answer, self._patience_ns)]

    def _readout(self) -> bytes:
        lines = (self._data_set(register, self._heard) + "\r\n" for register in self._readable)
        return data("".join(lines) + "!\r\n")

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

    def _data_set(self, register: str, now: int) -> str:
        value = self._values[register] if register in self._values else f"{self._tokens.status(now):02X}"
        return f"{register}({value})"

    def _read(self, register: str, now: int) -> bytes:
        return data(self._data_set(register, now) if register in self._readable else "(ER01)")

    def _write(self, register: str, value: str, now: int) -> bytes:
        if register == TOKEN_DATA:
            processing_ns = self._random.randint(SHORTEST_PROCESSING_NS, LONGEST_PROCESSING_NS)
            self._tokens.enter(value, now, processing_ns)
            return bytes([ACK])
        return bytes([NAK]) if register in self._readable else data("(ER01)")

    def _send(self, octets: bytes, wait_ns: int = 0) -> Send:
        self._last = octets
        return Send(octets, wait_ns + self._random.randint(SHORTEST_REACTION_NS, LONGEST_REACTION_NS))
