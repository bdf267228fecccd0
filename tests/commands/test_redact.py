"""``vtctap redact`` of traces that change while it reads them twice."""

from collections.abc import Callable
from pathlib import Path

import pytest

from vtctap.__main__ import main
from vtctap.commands import redact
from vtctap.pcap.record import Record
from vtctap.pcap.trace import create_trace, open_trace

FEW = 20


@pytest.fixture
def records(tmp_path: Path) -> list[Record]:
    path = str(tmp_path / "all.pcapng")
    assert main(["demo", "--fast", "-q", "-w", path]) == 0
    with open_trace(path) as reader:
        return list(reader)


@pytest.fixture
def between(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Does something between the two readings."""
    write = redact._write

    def does(change: Callable[[], object]) -> None:
        def changed(*arguments: object) -> None:
            change()
            write(*arguments)  # type: ignore[arg-type]

        monkeypatch.setattr(redact, "_write", changed)

    return does


def test_what_is_appended_after_the_first_reading_is_left_out(
    records: list[Record], between: Callable[[Callable[[], object]], None], tmp_path: Path
) -> None:
    """Its secrets were not learned, so they could stay, and --prove would not know them."""
    trace, shared = str(tmp_path / "t.pcapng"), str(tmp_path / "shared.pcapng")
    with create_trace(trace) as writer:
        for record in records[:FEW]:
            writer.write(record)
        between(lambda: [writer.write(record) for record in records[FEW:]])
        assert main(["redact", trace, "-w", shared, "--prove"]) == 0
    with open_trace(shared) as reader:
        assert [record.time for record in reader] == [record.time for record in records[:FEW]]


@pytest.mark.parametrize("kept", [FEW, FEW - 1])
def test_a_trace_that_is_overwritten_between_the_readings_is_refused(
    records: list[Record],
    between: Callable[[Callable[[], object]], None],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    kept: int,
) -> None:
    trace, shared = str(tmp_path / "t.pcapng"), tmp_path / "shared.pcapng"

    def write(some: list[Record]) -> None:
        with create_trace(trace, force=True) as writer:
            for record in some:
                writer.write(record)

    write(records[:FEW])
    between(lambda: write(records[-kept:]))
    capsys.readouterr()
    assert main(["redact", trace, "-w", str(shared)]) == 2
    assert capsys.readouterr().err == f"vtctap: {trace}: overwritten while redact read it; start again\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["all.pcapng", "t.pcapng"]


def test_what_cannot_be_read_twice_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("-", "/dev/null"):
        assert main(["redact", name, "-w", str(tmp_path / "shared.pcapng")]) == 2
        assert "reads its traces twice" in capsys.readouterr().err
