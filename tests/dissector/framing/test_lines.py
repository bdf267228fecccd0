"""Lines with habits and echoes, from imported octets to records with their senders.

The octets are made up from reports of users; check characters are recomputed.
"""

import pytest

from vtctap.dissector.framing.reframe import assemble
from vtctap.dissector.protocol.messages import decode
from vtctap.pcap.burst import Burst
from vtctap.pcap.exchange import parse
from vtctap.pcap.record import Flag, Kind, Record, Sender

SPEED, GAP = 300, 1_500_000_000
CLIENT, SERVER, UNKNOWN = Sender.CLIENT, Sender.SERVER, Sender.UNKNOWN

READ = b"\x01R1\x022006()\x03"
WRITE = b"\x01W1\x022006(12)\x03"
DATA = b"\x02(1234)\x03\x06"
"""Its check character has the code of an ACK."""


def framed(bursts: list[Burst]) -> list[Record]:
    records = list(assemble(bursts, speed=SPEED, gap_limit_ns=GAP))
    for sender in {burst.sender for burst in bursts}:
        sent = b"".join(burst.octets for burst in bursts if burst.sender is sender)
        side = [record for record in records if sender is UNKNOWN or record.sender is sender]
        assert b"".join(record.octets for record in side) == sent
    return records


def said(bursts: list[Burst]) -> list[tuple[Sender, str | None, str]]:
    """Returns the senders and octets, with ``echo`` and ``cut``, and the status of check characters that are not
    good."""
    found = []
    for record in framed(bursts):
        message = decode(record.octets) if record.kind is Kind.FRAME else None
        words = [word for flag, word in ((Flag.ECHO, "echo"), (Flag.CUT, "cut")) if record.flags & flag]
        if message and message.bcc_status in ("bad", "missing"):
            words.append(message.bcc_status)
        found.append((record.sender, message.message if message else None, " ".join(words)))
    return found


def exchange(text: str) -> list[Burst]:
    return list(parse(text, "x"))


# Clients that never send check characters.

EXCHANGES = [
    (CLIENT, "ReadCommand", "missing"), (SERVER, "Data", ""), (CLIENT, "WriteCommand", "missing"), (SERVER, "ACK", ""),
    (CLIENT, "ReadCommand", "missing"), (SERVER, "Data", ""),
]  # fmt: skip
SPOKEN = [(CLIENT, READ), (SERVER, DATA), (CLIENT, WRITE), (SERVER, b"\x06"), (CLIENT, READ), (SERVER, DATA)]


@pytest.mark.parametrize("timed", [True, False])
@pytest.mark.parametrize("wired", [True, False])
def test_the_clients_habit_decides(timed: bool, wired: bool) -> None:
    """The answer may begin with an octet that could be a check character."""
    bursts = [
        Burst(octets, sender if wired else UNKNOWN, 10**18 + at * 10**9 if timed else None)
        for at, (sender, octets) in enumerate(SPOKEN)
    ]
    assert said(bursts) == EXCHANGES


@pytest.mark.parametrize("timed", [True, False])
def test_the_habit_decides_on_an_echo(timed: bool) -> None:
    """On the meter's wire, the answer follows the echo, which has no check character either."""
    bursts, expected = [], []
    for at, (sender, octets) in enumerate(SPOKEN):
        time = 10**18 + at * 10**9 if timed else None
        bursts.append(Burst(octets, sender, time))
        expected.append(EXCHANGES[at])
        if sender is CLIENT:
            bursts.append(Burst(octets, SERVER, time and time + 100_000))
            expected.append((SERVER, EXCHANGES[at][1], "echo missing"))
    assert said(bursts) == expected


def test_a_habit_is_what_always_was() -> None:
    """A right check character is one, whatever its code. A client that has sent one does not omit them by habit."""
    good = READ + b"\x67"
    assert said([Burst(READ + DATA + good + DATA + WRITE + b"\x06" + READ + b"\x66")])[-3:] == [
        (SERVER, "Data", ""), (CLIENT, "WriteCommand", "bad"), (CLIENT, "ReadCommand", "bad"),
    ]  # fmt: skip


# Echoes.


def test_an_echo_without_times() -> None:
    """Octets that either side may send are echoes if the tap has echoed everything before."""
    text = (
        "C> 01 52 31 02 29 03 7b\nM> 01 52 31 02 29 03 7b\nM> 02 28 31 29 03 33\nC> 15\nM> 15\nM> 02 28 31 29 03 33\n"
    )
    assert said(exchange(text)) == [
        (CLIENT, "ReadCommand", "bad"), (SERVER, "ReadCommand", "echo bad"), (SERVER, "Data", ""),
        (CLIENT, "NAK", ""), (SERVER, "NAK", "echo"), (SERVER, "Data", ""),
    ]  # fmt: skip
    # A meter that refuses a NAK, where nothing was an echo.
    silent = text.replace("M> 01 52 31 02 29 03 7b\n", "")
    assert [words for _, name, words in said(exchange(silent)) if name == "NAK"] == ["", ""]


def test_a_pair_that_both_taps_hear() -> None:
    """If both taps receive an ACK at the same time, its sender is the side that did not send last."""
    time, bursts = 10**18, []
    write = WRITE + b"\x61"
    for sender, octets in ((CLIENT, READ + b"\x67"), (SERVER, DATA), (CLIENT, write), (SERVER, b"\x06")):
        time += 10**9
        bursts += [Burst(octets, sender, time), Burst(octets, sender.other, time)]
    found = said(bursts)
    assert [(sender, name) for sender, name, words in found if not words][:3] == [
        (CLIENT, "ReadCommand"), (SERVER, "Data"), (CLIENT, "WriteCommand"),
    ]  # fmt: skip
    assert len([name for _, name, words in found if name == "ACK" and words == "echo"]) == 1
    assert found[-2:] == [(SERVER, "ACK", ""), (CLIENT, "ACK", "echo")]


HEARD = "7e a0 20 20 41 27 93 0c 0c 81 80 13 05 01 80 06 02 02 00 07 04 00 00 00 01 08 04 00 00 00 01"


@pytest.mark.parametrize("echo", [f"{HEARD[:20]} 93{HEARD[20:]} b4", f"{HEARD[:29]}", HEARD[:50]])
def test_a_lossy_echo_of_hdlc_is_no_answer(echo: str) -> None:
    """A frame on the meter's wire with the client's control octet."""
    text = f"C> 06 32 35 32 0d 0a\nM> 06 32 35 32 0d 0a\nC> {HEARD} b4 f9 7e\nM> {echo}\n"
    assert said(exchange(text))[2:] == [(CLIENT, "HDLC", ""), (SERVER, "HDLC", "echo cut")]
