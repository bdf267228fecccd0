"""The senders of messages on a wire that carries both directions."""

import pytest

from vtctap.dissector.framing.assembler import Assembler, Tap
from vtctap.dissector.framing.pieces import Octet
from vtctap.dissector.framing.senders import Senders
from vtctap.dissector.protocol.messages import decode
from vtctap.pcap.record import Flag, Kind, Line, Sender
from vtctap.sniffer.simulated.faults import FAULTS
from vtctap.sniffer.simulated.named import GUESS
from vtctap.sniffer.simulated.session import MODES, play

CLIENT, SERVER, UNKNOWN = Sender.CLIENT, Sender.SERVER, Sender.UNKNOWN
LINE = Line(7, "E", 1)
SELECT = b"\x06252\r\n"


def hdlc(addresses: str, control: int) -> bytes:
    body = bytes.fromhex(addresses) + bytes([control])
    return bytes([0x7E, 0xA0, len(body) + 4]) + body + b"\x12\x34\x7e"


def inferred(frames: list[bytes]) -> list[Sender]:
    senders = Senders()
    return [senders.infer(octets, decode(octets), later=False) for octets in frames]


SESSION = [
    (hdlc("0321", 0x93), CLIENT), (hdlc("2103", 0x73), SERVER), (hdlc("0321", 0x10), CLIENT),
    (hdlc("2103", 0x30), SERVER), (hdlc("2103", 0x32), SERVER), (hdlc("0321", 0x51), CLIENT),
    (hdlc("0321", 0x51), CLIENT), (hdlc("0321", 0x53), CLIENT), (hdlc("2103", 0x1F), SERVER),
]  # fmt: skip


@pytest.mark.parametrize("server", ["03", "0223", "00020023"])
@pytest.mark.parametrize("confirmed", [False, True])
def test_hdlc(server: str, confirmed: bool) -> None:
    """Addresses have one, two or four octets; one side sends several frames in a row; the confirmation is there or
    not."""
    opening = [b"/?!\r\n", b"/ISK5\\2x\r\n", SELECT, *[SELECT] * confirmed]
    frames, expected = [], []
    for octets, sender in SESSION:
        addresses = server + "21" if sender is CLIENT else "21" + server
        frames.append(hdlc(addresses, octets[-4]))
        expected.append(sender)
    assert inferred([*opening, *frames])[len(opening) :] == expected
    # Without the opening, and without messages that only one side sends, nothing is known.
    assert inferred(frames[2:6]) == [UNKNOWN] * 4


@pytest.mark.parametrize("control", [0x83, 0x93, 0x43, 0x53, 0x63, 0x73, 0x0F, 0x1F, 0x87, 0x97])
def test_control_octets_that_one_side_sends(control: int) -> None:
    sender = CLIENT if control & ~0x10 in (0x83, 0x43) else SERVER
    assert inferred([hdlc("0321", control)]) == [sender]


def test_hdlc_that_is_cut() -> None:
    """No beginning of a frame raises an error, and the sender is known from the control octet on."""
    whole = hdlc("00020023" + "21", 0x93)
    for length in range(1, len(whole) + 1):
        assert inferred([whole[:length]]) == [CLIENT if length > 8 else UNKNOWN]


def test_a_sender_that_the_wiring_tells_counts() -> None:
    senders = Senders()
    senders.tell(CLIENT)
    assert senders.infer(b"\x06", decode(b"\x06"), later=False) is SERVER


def test_an_address_from_before_the_sign_on_says_nothing() -> None:
    frames = [hdlc("0321", 0x93), b"/?!\r\n", b"/ISK5\\2x\r\n", SELECT, SELECT, hdlc("0321", 0x10)]
    assert inferred(frames)[-1] is CLIENT


@pytest.mark.parametrize("mode", ["", *MODES])
@pytest.mark.parametrize("faults", [(), FAULTS], ids=["clean", "faults"])
def test_simulated_sessions(mode: str, faults: frozenset[str]) -> None:
    """The sender of every frame is found, at both speeds of a session, with all faults."""
    truth: dict[int, Sender] = {}
    speeds = {LINE.character_time_ns(speed): speed for speed in (300, 2400, 9600)}
    tap = Tap(0, UNKNOWN, LINE, 300)
    assembler = Assembler(0, [tap], gap_limit_ns=1_500_000_000)
    records = []
    for octet in sorted(
        play(1, speed=300, faults=faults, sessions=2, mode=mode, dialect=GUESS), key=lambda octet: octet.start
    ):
        truth[octet.start] = CLIENT if octet.side == "client" else SERVER
        tap.speed = speeds.get(octet.end - octet.start, tap.speed)
        flags = Flag.BREAK | Flag.FRAMING if octet.is_break else 0
        records += assembler.feed(0, [Octet(octet.octet, octet.start, 0, flags)])
    frames = [record for record in records + assembler.close() if record.kind is Kind.FRAME]
    assert len(frames) >= 6
    assert [(record.time, record.sender) for record in frames] == [(r.time, truth[r.time]) for r in frames]


def test_a_command_that_is_not_defined_is_the_clients() -> None:
    """Repeated commands count as well: each frame that begins with SOH is a command."""
    undefined = b"\x01Q0\x02()\x03\x61"
    assert inferred([undefined, undefined, b"\x15", undefined]) == [CLIENT, CLIENT, SERVER, CLIENT]
