"""Statistics, compared with counts made by hand and with other ways to count."""

import statistics as stdlib
from collections import Counter
from functools import reduce
from operator import xor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vtctap.dissector.analysis.exchanges import exchanges
from vtctap.dissector.analysis.statistics import Distribution, statistics
from vtctap.dissector.dissect import Dissector, Frame
from vtctap.dissector.profiles.files import load
from vtctap.pcap import Flag, Kind, Line, Record, Sender
from vtctap.sniffer import virtual
from vtctap.sniffer.simulated.named import GUESS
from vtctap.sniffer.simulated.session import EPOCH, play

LINE = Line(7, "E", 1)
MS = 1_000_000
READ, DATA = b"\x01R1\x02FFFE()\x03`", b"\x02FFFE(05)\x03\x04"


@given(st.lists(st.integers(1_000, 10**13), min_size=1), st.sampled_from((0.01, 0.5, 0.95, 1.0)))
def test_quantiles_are_good_to_one_per_cent(times: list[int], share: float) -> None:
    distribution = Distribution()
    for time in times:
        distribution.feed(time)
    exact = sorted(times)[max(0, -(-int(share * 1000) * len(times) // 1000) - 1)]
    assert distribution.quantile(share) == pytest.approx(exact, rel=0.0101)
    assert (distribution.least_ns, distribution.most_ns, distribution.count) == (min(times), max(times), len(times))
    assert distribution.as_json()["mean"] == pytest.approx(stdlib.mean(times) / 1e9, rel=1e-6, abs=1e-9)


def test_an_empty_distribution() -> None:
    assert Distribution().as_json() == {"count": 0, "min": 0, "median": 0, "p95": 0, "max": 0, "mean": 0}


def test_by_hand() -> None:
    line = {"line": Line(7, "E", 1), "speed": 9600}
    records = [
        Record(EPOCH, b"", Kind.EVENT, event="opened"),
        Record(EPOCH, READ, sender=Sender.CLIENT, duration=10 * MS, **line),
        Record(EPOCH + 110 * MS, DATA[:-1] + b"!", sender=Sender.SERVER, duration=90 * MS, pauses_us=((3, 50_000),),
               **line),
        Record(EPOCH + 300 * MS, b"ab", Kind.NOISE, Sender.CLIENT, **line),
        Record(EPOCH + 400 * MS, READ, sender=Sender.CLIENT, duration=10 * MS, **line),
        Record(EPOCH + 480 * MS, b"\x15", sender=Sender.SERVER, duration=10 * MS, **line),
        Record(EPOCH + 500 * MS, READ, sender=Sender.CLIENT, link=3, flags=Flag.BREAK | Flag.FRAMING, **line),
        Record(EPOCH + 990 * MS, READ, sender=Sender.CLIENT, duration=10 * MS, **line),
    ]  # fmt: skip
    figures = statistics(map(Dissector(load()).dissect, records)).as_json()
    first, second = figures["links"]
    assert (first["link"], second["link"]) == (0, 3)
    assert first["seconds"] == 1.0
    assert first["records"] == {"event": 1, "frame": 5, "noise": 1}
    assert first["messages"] == {"client": {"ReadCommand": 3}, "server": {"Data": 1, "NAK": 1}}
    assert first["errors"] == {"client": {"noise": 1}, "server": {"check character": 1}}
    assert second["errors"] == {"client": {"break": 1}}
    assert first["octets"] == {"client": 3 * len(READ) + 2, "server": len(DATA) + 1}
    assert first["line_use"] == {"client": 0.03, "server": 0.05}
    times = first["response_times"]["ReadCommand"]
    assert (times["count"], times["min"], times["max"], times["mean"]) == (2, 0.07, 0.1, 0.085)
    register = first["registers"]["FFFE"]
    assert (register["name"], register["reads"], register["writes"], register["refused"]) == ("tokenStatus", 3, 0, 1)
    answers = register["response_time"]
    assert (answers["count"], answers["min"], answers["max"]) == (2, 0.07, 0.1)
    session = first["sessions"][0]
    assert {name: session[name] for name in ("frames", "requests", "unanswered", "repeats", "errors")} == {
        "frames": 5, "requests": 3, "unanswered": 1, "repeats": 2, "errors": 1,
    }  # fmt: skip
    assert session["token_verdicts"] == ["KeyTypeError"]


def test_the_demonstration() -> None:
    """Sums over the demo, counted a second time in another way."""
    playing = play(2, faults=("no-response", "cut", "parity"), sessions=4, dialect=GUESS)
    records = list(
        virtual.capture(playing, start=EPOCH, speed=9600, line=LINE, gap_limit_ns=1_500 * MS, profile="demo")
    )
    dissections = list(map(Dissector(load()).dissect, records))
    frames = [dissection for dissection in dissections if isinstance(dissection, Frame)]
    figures = statistics(dissections).as_json()["links"][0]
    shown = Counter(frame.name for frame in frames)
    assert Counter(figures["messages"]["client"]) + Counter(figures["messages"]["server"]) == shown
    assert sum(figures["octets"].values()) == sum(len(record.octets) for record in records)
    assert len(figures["sessions"]) == 4
    times = [exchange.response_time for exchange in exchanges(dissections) if exchange.response_time is not None]
    assert sum(entry["count"] for entry in figures["response_times"].values()) == len(times)
    assert max(entry["max"] for entry in figures["response_times"].values()) == pytest.approx(max(times))
    assert sum(session["unanswered"] for session in figures["sessions"]) == 4
    assert sum(session["repeats"] for session in figures["sessions"]) == sum(
        bool(frame.place.repeat_of and frame.record.sender is Sender.CLIENT) for frame in frames
    )


def test_registers_and_sessions_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit, registers and sessions are only counted, and everything else continues."""
    monkeypatch.setattr("vtctap.dissector.analysis.statistics.MAX_REGISTERS", 3)
    monkeypatch.setattr("vtctap.dissector.analysis.statistics.MAX_SESSIONS", 2)
    records = []
    for number in range(5):
        at = EPOCH + number * 3600 * 1000 * MS
        request = b"\x01R1\x02%04X()\x03" % number
        records.append(Record(at, request, Kind.FRAME, Sender.CLIENT))
        records.append(Record(at + 100 * MS, DATA, Kind.FRAME, Sender.SERVER))
    (link,) = statistics(iter(records), load()).as_json()["links"]
    assert list(link["registers"]) == ["0000", "0001", "0002"]
    assert [session["frames"] for session in link["sessions"]] == [2, 2]
    assert link["left_out"] == {"sessions": 3, "uses of registers": 2}
    assert link["records"] == {"frame": 10}


def test_verdicts_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each change of the verdict counts, up to the limit."""
    monkeypatch.setattr("vtctap.dissector.analysis.statistics.MAX_VERDICTS", 3)
    records = []
    for number, status in enumerate((1, 1, 5, 1, 5, 1)):
        answer = b"\x02FFFE(0%d)\x03" % status
        at = EPOCH + number * 1000 * MS
        records.append(Record(at, READ, Kind.FRAME, Sender.CLIENT))
        records.append(Record(at + 100 * MS, answer + bytes([reduce(xor, answer[1:])]), Kind.FRAME, Sender.SERVER))
    (link,) = statistics(iter(records), load()).as_json()["links"]
    (session,) = link["sessions"]
    assert session["token_verdicts"] == ["Accept", "KeyTypeError", "Accept"]
