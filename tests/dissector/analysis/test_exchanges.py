"""Exchanges and sessions, compared with stories written by hand and with the places that they are built from."""

from collections.abc import Sequence

import pytest

from vtctap.dissector.analysis.exchanges import Exchange, exchanges, sessions
from vtctap.dissector.dissect import Dissection, Dissector, Frame
from vtctap.dissector.profiles.files import load
from vtctap.pcap import Flag, Kind, Line, Record, Sender
from vtctap.sniffer import virtual
from vtctap.sniffer.simulated.named import GUESS
from vtctap.sniffer.simulated.session import EPOCH, play

LINE = Line(7, "E", 1)
MS = 1_000_000
CALL, IDENT, READ, DATA = b"/?!\r\n", b"/LGZ5vtc\r\n", b"\x01R1\x020004()\x03g", b"\x020004(1)\x037"
BREAK, NAK, NULS = b"\x01B0\x03q", b"\x15", bytes(9)


def dissections(story: str, *octets: bytes, link: Sequence[int] = ()) -> list[Dissection]:
    """Returns a story's frames: ``C`` client, ``S`` server, ``E`` the client's echo on the server's tap, ``N``
    noise."""
    dissector = Dissector(load())
    found = []
    for number, (side, text) in enumerate(zip(story, octets, strict=True)):
        record = Record(
            EPOCH + 40 * MS * number,
            text,
            Kind.NOISE if side == "N" else Kind.FRAME,
            Sender.CLIENT if side == "C" else Sender.SERVER,
            flags=Flag.ECHO if side == "E" else 0,
            link=link[number] if link else 0,
            duration=10 * MS,
        )
        found.append(dissector.dissect(record))
    return found


def shape(found: Sequence[Exchange]) -> list[tuple[int | None, list[int]]]:
    return [
        (exchange.request.number if exchange.request else None, [response.number for response in exchange.responses])
        for exchange in found
    ]


@pytest.mark.parametrize(
    ("story", "octets", "expected"),
    [
        ("CSCSC", (CALL, IDENT, READ, DATA, BREAK), [(1, [2]), (3, [4]), (5, [])]),
        ("CSS", (CALL, IDENT, DATA), [(1, [2, 3])]),
        ("SCS", (DATA, READ, DATA), [(None, [1]), (2, [3])]),
        ("SSS", (DATA, DATA, b"0012!\r\n"), [(None, [1]), (None, [2, 3])]),
        ("CCS", (READ, READ, DATA), [(1, []), (2, [3])]),
        ("CENS", (READ, READ, b"x", DATA), [(1, [4])]),
        ("CSCS", (READ, DATA, NAK, DATA), [(1, [2]), (3, [4])]),
        ("CCCS", (NULS, CALL, b"0012!\r\n", IDENT), [(1, []), (2, [4])]),
        ("CCS", (b"5)\x03a", READ, DATA), [(2, [3])]),  # The first is the later record of a request.
        ("", (), []),
    ],
)
def test_exchanges(story: str, octets: tuple[bytes, ...], expected: object) -> None:
    assert shape(list(exchanges(dissections(story, *octets)))) == expected


def test_what_an_exchange_says() -> None:
    first, second = exchanges(dissections("CCS", READ, READ, DATA))
    assert (first.response, first.response_time, first.repeat_of) == (None, None, None)
    assert second.response is second.responses[0]
    assert (second.response_time, second.repeat_of) == (0.03, 1)


def test_links_do_not_mix() -> None:
    found = list(exchanges(dissections("CCSS", READ, READ, DATA, DATA, link=(0, 1, 1, 0))))
    assert sorted((exchange.link, *shape([exchange])) for exchange in found) == [(0, (1, [4])), (1, (2, [3]))]


def test_sessions() -> None:
    found = list(sessions(dissections("CSCCSCS", CALL, IDENT, BREAK, CALL, IDENT, READ, DATA)))
    assert [(session.number, shape(session.exchanges)) for session in found] == [
        (1, [(1, [2]), (3, [])]),
        (2, [(4, [5]), (6, [7])]),
    ]


def test_the_demonstration() -> None:
    """Every frame is in exactly one exchange, in its own session, and answers its request."""
    playing = play(5, faults=("no-response", "bcc-bad", "noise"), sessions=3, dialect=GUESS)
    dissector = Dissector(load())
    records = virtual.capture(
        playing, start=EPOCH, speed=9600, line=Line(7, "E", 1), gap_limit_ns=1_500 * MS, profile="demo"
    )
    frames = [frame for frame in map(dissector.dissect, records) if isinstance(frame, Frame)]
    found = list(sessions(frames))
    assert len(found) == 3
    assert [frame.number for session in found for frame in session.frames] == [frame.number for frame in frames]
    for session in found:
        assert all(frame.place.session == session.number for frame in session.frames)
        for exchange in session.exchanges:
            for response in exchange.responses:
                assert exchange.request
                assert response.place.request_in == exchange.request.number
    assert sum(exchange.response is None for session in found for exchange in session.exchanges) == 3 + 3


def test_records_are_dissected_on_the_way() -> None:
    records = [dissection.record for dissection in dissections("CSC", CALL, IDENT, BREAK)]
    assert shape(list(exchanges(iter(records)))) == [(1, [2]), (3, [])]
    assert [session.number for session in sessions(records, load("iec62056-21"))] == [1]


def test_a_server_that_goes_on_for_ever_is_not_held() -> None:
    """The server sends without a request, as a P1 meter does, or after one."""
    for story in ("", "C"):
        found = exchanges(dissections(story + "S" * 2500, *[READ] * len(story), *[DATA] * 2500))
        assert max(len(exchange.responses) for exchange in found) == (1000 if story else 1)
