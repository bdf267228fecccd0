"""Token flows, compared with stories written by hand."""

from functools import reduce
from operator import xor

import pytest

from vtctap.dissector.analysis.flows import OUTCOMES, TokenFlow, token_flows
from vtctap.pcap import Flag, Kind, Record, Sender

MS = 1_000_000
TOKEN = "01062065899601840219"
OTHER = "01062065899601840220"


def checked(text: bytes) -> bytes:
    return text + bytes([reduce(xor, text[1:])])


def write(token: str) -> tuple[str, bytes]:
    return "C", checked(b"\x01W1\x02FFFF(%s)\x03" % token.encode())


def poll(status: int) -> list[tuple[str, bytes]]:
    return [("C", checked(b"\x01R1\x02FFFE()\x03")), ("S", checked(b"\x02FFFE(%02X)\x03" % status))]


ACK, NAK = ("S", b"\x06"), ("S", b"\x15")
MISSED = ("E", b"")


def flows(*said: tuple[str, bytes], flags: int = 0) -> list[TokenFlow]:
    return list(
        token_flows(
            Record(
                1_700_000_000_000_000_000 + 40 * MS * number,
                octets,
                Kind.EVENT if side == "E" else Kind.FRAME,
                {"C": Sender.CLIENT, "S": Sender.SERVER}.get(side, Sender.UNKNOWN),
                flags=flags,
                duration=10 * MS,
                event="missed octets=9" if side == "E" else "",
            )
            for number, (side, octets) in enumerate(said)
        )
    )


@pytest.mark.parametrize("unreadable", [[], [("C", checked(b"\x01W1\x02FFFF(zz)\x03")), ACK]])
def test_no_token_is_accepted_across_an_outage(unreadable: list[tuple[str, bytes]]) -> None:
    """Another token may have been written meanwhile; a write that holds no token is no reason to forget this."""
    (flow,) = flows(write(TOKEN), ACK, *unreadable, MISSED, *poll(1))
    assert (flow.token, flow.outcome) == (TOKEN, "unknown")


def test_written_and_answered_as_a_token() -> None:
    """The profile does not know the register: the answer shows that it takes tokens, and without an answer nothing is
    reported."""
    unknown = ("C", checked(b"\x01W1\x027777(%s)\x03" % TOKEN.encode()))
    hexadecimal = ("C", checked(b"\x01W1\x027777(%017X)\x03" % int(TOKEN)))
    for written in (unknown, hexadecimal):
        (flow,) = flows(written, ACK, *poll(16), *poll(1))
        assert (flow.token, flow.outcome, flow.recognised) == (TOKEN, "accepted", False)
        assert flows(written, ACK) == []
        assert flows(written, NAK) == []
    assert flows(("C", checked(b"\x01W1\x027777(1234)\x03")), ACK, *poll(1)) == []
    (flow,) = flows(write(TOKEN), ACK, *poll(1))
    assert flow.recognised


@pytest.mark.parametrize(
    ("said", "outcome", "polls"),
    [
        ([ACK, *poll(16), *poll(16), *poll(1)], "accepted", 3),
        ([ACK, *poll(4)], "rejected", 1),
        ([ACK, *poll(14)], "rejected", 1),
        ([ACK, *poll(15)], "locked out", 1),
        ([ACK, *poll(16)], "pending", 1),
        ([ACK], "unknown", 0),
        ([NAK], "refused", 0),
        ([], "unanswered", 0),
    ],
)
def test_what_became_of_it(said: list[tuple[str, bytes]], outcome: str, polls: int) -> None:
    (flow,) = flows(write(TOKEN), *said)
    assert (flow.token, flow.outcome, len(flow.polls)) == (TOKEN, outcome, polls)
    assert flow.outcome in OUTCOMES


def test_duration_is_from_the_write_to_the_verdict() -> None:
    said = write(TOKEN), ACK, *poll(16), *poll(1)
    assert flows(*said)[0].duration == pytest.approx(0.190)  # Record 5 starts at 200 ms; the write ended at 10 ms.
    assert flows(*said, flags=Flag.SYNTHETIC)[0].duration is None
    assert flows(*said[:4])[0].duration is None


def test_another_token_ends_the_one_before() -> None:
    found = flows(write(TOKEN), ACK, *poll(16), write(OTHER), ACK, *poll(1))
    assert [(flow.token, flow.outcome) for flow in found] == [(TOKEN, "pending"), (OTHER, "accepted")]


def test_a_repeated_write_is_one_flow() -> None:
    assert [flow.outcome for flow in flows(write(TOKEN), NAK, write(TOKEN), ACK, *poll(1))] == ["accepted"]


def test_a_damaged_status_is_no_verdict() -> None:
    request, (side, answer) = poll(1)
    (flow,) = flows(write(TOKEN), ACK, request, (side, answer[:-1] + b"\x05"))
    assert (flow.outcome, flow.polls) == ("unknown", ())
    for flag in (Flag.PARITY, Flag.FRAMING, Flag.CUT):
        (flow,) = flows(write(TOKEN), ACK, *poll(1), flags=flag)
        assert (flow.outcome, flow.polls) == ("unknown", ())
