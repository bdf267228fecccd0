"""Ring files: names, ends, and which are kept. All files together hold what one file would hold."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vtctap.pcap.capture_file import Interface, TraceError, TraceExists
from vtctap.pcap.record import Record
from vtctap.pcap.ring import RingLimits, RingWriter, file_after
from vtctap.pcap.trace import create_trace, open_trace

SECOND = 1_000_000_000
NOON = 1_767_268_800 * SECOND
"""2026-01-01 12:00:00 UTC."""
TAPS = [Interface(147, "a", speed=9600), Interface(147, "b")]
with_taps = partial(create_trace, taps=TAPS)


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def at(second: float, octets: bytes = b"x", tap: int = 0) -> Record:
    return Record(NOON + round(second * SECOND), octets, tap=tap)


def contents(folder: Path) -> dict[str, list[Record]]:
    """Returns the records of each file. Every file must be complete and describe all taps."""
    found = {}
    for path in sorted(folder.iterdir()):
        with open_trace(path) as reader:
            found[path.name] = list(reader)
            assert reader.cut is None
            if path.suffix == ".pcapng":
                assert [tap.name for tap in reader.interfaces] == ["a", "b"]
    return found


def together(found: dict[str, list[Record]]) -> list[Record]:
    return [record for held in found.values() for record in held]


def write(folder: Path, limits: RingLimits, records: list[Record], suffix: str = ".pcapng") -> RingWriter:
    with RingWriter(folder / f"t{suffix}", limits, with_taps) as writer:
        for record in records:
            writer.write(record)
    return writer


@pytest.mark.parametrize("suffix", [".pcapng", ".pcap"])
def test_names_and_numbers_of_records(tmp_path: Path, suffix: str) -> None:
    """dumpcap names its files in this way: a number of five digits, and local time."""
    records = [at(second) for second in (0, 1, 2, 3600, 86_399)]
    writer = write(tmp_path, RingLimits(records=2), records, suffix)
    assert contents(tmp_path) == {
        f"t_00001_20260101120000{suffix}": records[:2],
        f"t_00002_20260101120002{suffix}": records[2:4],
        f"t_00003_20260102115959{suffix}": records[4:],
    }
    assert (writer.done, [Path(name).name for name in writer.kept]) == (3, sorted(contents(tmp_path)))


def test_the_oldest_goes_first(tmp_path: Path) -> None:
    records = [at(second) for second in range(7)]
    for kept in (1, 2, 3):
        folder = tmp_path / str(kept)
        folder.mkdir()
        counts = []
        with RingWriter(folder / "t.pcapng", RingLimits(records=2, files=kept), with_taps) as writer:
            for record in records:
                writer.write(record)
                counts.append(len(list(folder.iterdir())))
        assert max(counts) == kept
        assert [name[:7] for name in contents(folder)] == [f"t_{number:05}" for number in range(5 - kept, 5)]
        assert together(contents(folder)) == records[8 - 2 * kept :]


def test_a_file_that_somebody_took_away(tmp_path: Path) -> None:
    with RingWriter(tmp_path / "t.pcapng", RingLimits(records=1, files=2), with_taps) as writer:
        for second in range(3):
            writer.write(at(second))
            for path in tmp_path.iterdir():
                path.unlink()
        writer.write(at(9))
    assert list(contents(tmp_path)) == ["t_00004_20260101120009.pcapng"]


@pytest.mark.parametrize("size", range(1300, 1500, 12))
def test_a_file_ends_with_the_record_that_reaches_the_size(tmp_path: Path, size: int) -> None:
    records = [at(second, bytes(100 * (second % 3)), second % 2) for second in range(30)]
    writer = write(tmp_path, RingLimits(size=size), records)
    found = contents(tmp_path)
    assert together(found) == records
    assert writer.size == sum(path.stat().st_size for path in tmp_path.iterdir())
    for held in list(found.values())[:-1]:
        for count, reached in ((len(held), True), (len(held) - 1, False)):
            with create_trace(tmp_path / "one.pcapng", taps=TAPS, force=True) as one:
                for record in held[:count]:
                    one.write(record)
                assert (one.size >= size) is reached


def test_duration_counts_from_the_first_record_of_a_file(tmp_path: Path) -> None:
    records = [at(second) for second in (0, 9.999, 10, 19.9, 100, 109, 111)]
    write(tmp_path, RingLimits(duration_ns=10 * SECOND), records)
    assert list(contents(tmp_path).values()) == [records[:2], records[2:4], records[4:6], records[6:]]


def test_time_that_passes_completes_a_file(tmp_path: Path) -> None:
    with RingWriter(tmp_path / "t.pcapng", RingLimits(duration_ns=10 * SECOND), with_taps) as writer:
        writer.advance(NOON)
        writer.write(at(0))
        writer.advance(NOON + 10 * SECOND - 1)
        assert writer.done == 0
        writer.advance(NOON + 10 * SECOND)
        assert writer.done == 1
        (path,) = tmp_path.iterdir()
        size = path.stat().st_size
        writer.advance(NOON + 100 * SECOND)
        assert (writer.done, writer.size) == (1, size)
        writer.write(at(100))
        assert list(contents(tmp_path)) == [path.name, "t_00002_20260101120140.pcapng"]


def test_no_records_no_file(tmp_path: Path) -> None:
    assert write(tmp_path, RingLimits(records=1), []).done == 0
    assert list(tmp_path.iterdir()) == []


def test_after_the_last_number_comes_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vtctap.pcap.ring.NUMBERS", 3)
    write(tmp_path, RingLimits(records=1), [at(second) for second in range(5)])
    assert sorted(path.name[:8] for path in tmp_path.iterdir()) == [
        "t_00000_", "t_00001_", "t_00001_", "t_00002_", "t_00002_",
    ]  # fmt: skip


def test_what_cannot_be_made(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="must end in"):
        RingWriter(tmp_path / "t.txt", RingLimits(records=1))
    with RingWriter(tmp_path / "nowhere" / "t.pcap", RingLimits(records=1)) as writer, pytest.raises(FileNotFoundError):
        writer.write(at(0))
    (tmp_path / "t_00001_20260101120000.pcapng").write_bytes(b"mine")
    with RingWriter(tmp_path / "t.pcapng", RingLimits(records=1)) as writer, pytest.raises(TraceExists):
        writer.write(at(0))
    with RingWriter(tmp_path / "t.pcapng", RingLimits(records=1), partial(with_taps, force=True)) as writer:
        writer.write(at(0))
    assert len(contents(tmp_path)) == 1


@settings(max_examples=40)
@given(
    records=st.lists(st.builds(at, st.integers(0, 300), st.binary(max_size=200), st.integers(0, 1)), max_size=40),
    limits=st.builds(
        RingLimits,
        size=st.sampled_from([0, 600, 2000]),
        records=st.integers(0, 5),
        duration_ns=st.integers(0, 50 * SECOND),
    ),
)
def test_together_they_hold_what_one_file_would(
    tmp_path_factory: pytest.TempPathFactory, records: list[Record], limits: RingLimits
) -> None:
    folder = tmp_path_factory.mktemp("ring")
    write(folder, limits, records)
    found = contents(folder)
    assert all(found.values())
    assert together(found) == records
    if limits.records:
        assert max(map(len, found.values()), default=0) <= limits.records


def test_the_last_file_stays_open(tmp_path: Path) -> None:
    records = [at(second) for second in range(6)]
    with RingWriter(tmp_path / "t.pcapng", RingLimits(records=2, total=2), with_taps) as writer:
        for record in records[:3]:
            writer.write(record)
        assert (writer.done, writer.full) == (1, False)
        writer.write(records[3])
        assert (writer.done, writer.full) == (1, True)
        for record in records[4:]:
            writer.write(record)
    assert list(contents(tmp_path).values()) == [records[:2], records[2:]]


@pytest.mark.parametrize(
    ("others", "after"),
    [
        ([], None),
        (["t_00003_20260101120001.pcapng"], ("t_00003_20260101120001.pcapng", 0)),
        (["t_00003_20260101120000.pcapng"], ("t_00003_20260101120000.pcapng", 0)),
        (["t_00006_20260101120001.pcapng", "t_00005_20260101120001.pcapng"], ("t_00005_20260101120001.pcapng", 2)),
        (["t_00001_20260101120001.pcapng", "t_00003_20251231235959.pcapng"], None),
        (["u_00003_20260101120001.pcapng", "t_00003_20260101120001.pcap", "t_00003.pcapng", "t_3_1.pcapng"], None),
    ],
)
def test_the_file_after_another(tmp_path: Path, others: list[str], after: tuple[str, int] | None) -> None:
    own = "t_00002_20260101120000.pcapng"
    for name in [own, *others]:
        (tmp_path / name).touch()
    wanted = after and (str(tmp_path / after[0]), after[1])
    assert file_after(tmp_path / own) == wanted


@pytest.mark.parametrize(("ahead", "found"), [(1, True), (49_999, True), (50_000, False), (99_999, False)])
def test_a_file_half_a_round_ahead_is_one_of_before(ahead: int, found: bool, tmp_path: Path) -> None:
    """Numbers begin again after 99999."""
    own = "t_60000_20260101000000.pcapng"
    other = f"t_{(60_000 + ahead) % 100_000:05}_20260101000000.pcapng"
    for name in (own, other):
        (tmp_path / name).touch()
    assert file_after(tmp_path / own) == ((str(tmp_path / other), ahead - 1) if found else None)


def test_the_file_after_the_last_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "t_00000_20260101120001.pcapng").touch()
    monkeypatch.chdir(tmp_path)
    assert file_after("t_99999_20260101120000.pcapng") == ("t_00000_20260101120001.pcapng", 0)
    assert file_after("t.pcapng") is None
    assert file_after("missing/t_99999_20260101120000.pcapng") is None


def test_the_files_of_a_ring_follow_each_other_when_the_clocks_are_put_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Local times from two to three o'clock come twice. An earlier hour does not, nor what is no time."""
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    change = datetime(2026, 10, 25, 1, tzinfo=UTC).timestamp() - NOON // SECOND
    ring = write(tmp_path, RingLimits(records=1), [at(change + second) for second in (-70, -10, 10, 3590, 3610)])
    assert "_20261025020010." in ring.kept[2]
    (tmp_path / "t_00006_20261025015959.pcapng").touch()
    (tmp_path / "t_00007_20261025029999.pcapng").touch()
    assert [file_after(name) for name in ring.kept] == [*((name, 0) for name in list(ring.kept)[1:]), None]


def test_the_files_of_a_ring_follow_each_other(tmp_path: Path) -> None:
    ring = write(tmp_path, RingLimits(records=2), [at(second) for second in range(9)])
    assert [file_after(name) for name in ring.kept] == [*((name, 0) for name in list(ring.kept)[1:]), None]
