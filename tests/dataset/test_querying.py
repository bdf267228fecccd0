"""``vtctap query``: the views agree with the tables of single traces, and the ready questions have answers."""

import json
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from vtctap.dissector.analysis.exchanges import exchanges, sessions
from vtctap.dissector.analysis.flows import TokenFlow, token_flows
from vtctap.dissector.dissect import Dissector
from vtctap.dissector.profiles.files import load
from vtctap.pcap import Record, Sender, create_trace, open_trace
from vtctap.pcap.record import Line

pytest.importorskip("pyarrow")
pytest.importorskip("duckdb")

from vtctap.dataset.adding import Options, add
from vtctap.dataset.querying import Set
from vtctap.dataset.questions import question, questions
from vtctap.errors import CommandError

EXAMPLES = Path(__file__).parents[2] / "examples"
TRACES = sorted(EXAMPLES.glob("*.pcapng"))
DAY_US = 86_400_000_000
Ask = Callable[[str], list[tuple[Any, ...]]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("sets") / "set"
    for trace in TRACES:
        add((str(trace),), Options(str(made), findings=True))
    return made


@pytest.fixture(scope="module")
def ask(folder: Path) -> Ask:
    opened = Set(folder)
    return lambda sql: list(opened.ask(sql))


def flows() -> list[TokenFlow]:
    found = []
    for trace in TRACES:
        with open_trace(trace) as items:
            found += token_flows(items, load())
    return found


def test_exchanges_are_those_of_the_analysis(ask: Ask) -> None:
    for trace in TRACES:
        with open_trace(trace) as items:
            wanted = [
                (each.request.number, each.response.number if each.response else None, each.response_time)
                for each in exchanges(items, load())
                if each.request
            ]
        found = ask(
            f"select number, answer_number, response_time from exchanges where trace = '{trace}' order by number"
        )
        assert found == wanted, trace


def test_sessions_are_those_of_the_analysis(ask: Ask) -> None:
    for trace in TRACES:
        with open_trace(trace) as items:
            wanted = [(each.number, each.link, each.frames[0].number) for each in sessions(items, load())]
        first = "select min(number) from records where records.trace = sessions.trace and session = sessions.session"
        found = ask(f"select session, link, ({first}) from sessions where trace = '{trace}' order by session")
        assert found == wanted, trace


def test_every_table_of_the_set_is_a_view(ask: Ask) -> None:
    for trace in TRACES:
        with open_trace(trace) as items:
            count = sum(1 for _ in map(Dissector(load()).dissect, items))
        assert ask(f"select count(*) from records where trace = '{trace}'") == [(count,)]
        assert ask(f"select records, skipped from traces where trace = '{trace}'") == [(count, 0)]
    assert ask("select count(*) > 0 from findings") == [(True,)]
    wanted = [(flow.token, flow.outcome, flow.status) for flow in flows()]
    assert sorted(ask("select token, outcome, status_token from tokens")) == sorted(wanted)


def test_a_set_without_findings_and_octets_has_the_same_views(tmp_path: Path) -> None:
    add((str(EXAMPLES / "telegram.pcapng"),), Options(str(tmp_path), octets=False))
    opened = Set(tmp_path)
    assert list(opened.ask("select count(*) > 0, count(octets) from records")) == [(True, 0)]
    assert list(opened.ask("select count(*) from findings")) == [(0,)]
    assert list(opened.ask("select count(token_issued) from tokens")) == [(0,)]


def test_files_without_an_entry_are_not_read(folder: Path, tmp_path: Path) -> None:
    add((str(EXAMPLES / "telegram.pcapng"),), Options(str(tmp_path)))
    before = list(Set(tmp_path).ask("select count(*) from records"))
    other = next(folder.glob("records/day=2026*/*/*.parquet"))
    (tmp_path / "records" / "day=2026-01-01" / "link=0").mkdir(parents=True)
    (tmp_path / "records" / "day=2026-01-01" / "link=0" / other.name).write_bytes(other.read_bytes())
    assert list(Set(tmp_path).ask("select count(*) from records")) == before


# Ready questions.

START = datetime(2026, 1, 1, tzinfo=UTC)


def session(day: int, delay_ms: int, *, read: bytes = b"\x01R1\x022000()\x03") -> list[Record]:
    """A sign-on, a read, and its answer after ``delay_ms``."""
    line, time = Line(7, "E", 1), int((START + timedelta(days=day)).timestamp()) * 10**9
    said = [
        (0, Sender.CLIENT, b"/?!\r\n"),
        (200, Sender.SERVER, b"/ABC5TEST\r\n"),
        (1000, Sender.CLIENT, read),
        (1000 + delay_ms, Sender.SERVER, b"\x02(1)\x03"),
    ]
    return [Record(time + at * 10**6, octets, sender=sender, line=line, speed=9600) for at, sender, octets in said]


def written(path: Path, records: list[Record]) -> Path:
    with create_trace(path, force=True) as writer:
        for record in records:
            writer.write(record)
    return path


def made(folder: Path, records: list[Record]) -> Set:
    written(folder / "t.pcapng", records)
    add((str(folder / "t.pcapng"),), Options(str(folder / "set")))
    return Set(folder / "set")


def answers(opened: Set, name: str) -> list[dict[str, Any]]:
    answer = opened.ask(question(name))
    return [dict(zip(answer.columns, row, strict=True)) for row in answer]


def test_a_trace_begins_and_ends_with_its_records(tmp_path: Path) -> None:
    """Times of all parts of a microsecond are rounded down alike."""
    times = [1_767_358_362_829_599_000 + ns for ns in range(0, 10_000, 499)]
    for number, time in enumerate(times):
        trace = written(tmp_path / f"{number}.pcapng", [replace(session(0, 100)[0], time=time)])
        add((str(trace),), Options(str(tmp_path / "set")))
    found = Set(tmp_path / "set").ask(
        "select time_ns, epoch_us(time_epoch), epoch_us(begins), epoch_us(ends) "
        "from traces join records using (trace_id) order by all"
    )
    assert list(found) == [(time, *[time // 1000] * 3) for time in times]


def test_a_meter_that_drifts(tmp_path: Path) -> None:
    opened = made(tmp_path, [record for day in range(20) for record in session(day, 100 + 3 * day)])
    drift = answers(opened, "reaction-drift")[0]
    # Half of the answers are identifications, whose times do not drift.
    assert (drift["meter"], drift["answers"], round(drift["drift_ms_a_day"], 3)) == ("ABCTEST", 40, 1.5)
    by_month = answers(opened, "response-times")
    assert [(row["make"], row["month"], row["answers"]) for row in by_month] == [("ABC", "2026-01", 40)]
    slowest = answers(opened, "slowest-registers")[0]
    assert (slowest["register"], slowest["answers"], slowest["longest_s"]) == ("2000", 20, 0.157)


def test_the_drift_is_exact(ask: Ask) -> None:
    """The slope of the least squares, in fractions: so many digits are the same in whatever order DuckDB adds."""
    times = ask(
        "select meter, epoch_us(exchanges.time_epoch), response_time "
        "from exchanges join sessions using (trace_id, link, session) where response_time is not null"
    )
    wanted = {}
    for meter in {meter for meter, _, _ in times}:
        points = [(Fraction(at, DAY_US), Fraction(time) * 1000) for each, at, time in times if each == meter]
        if len(points) < 10:
            continue
        day, time_ms = (sum(values) / len(points) for values in zip(*points, strict=True))
        slope = sum((x - day) * (y - time_ms) for x, y in points) / sum((x - day) ** 2 for x, _ in points)
        wanted[meter] = round(float(slope), 6)
    assert {row[0]: row[4] for row in ask(question("reaction-drift"))} == wanted
    assert max(map(abs, wanted.values())) > 100_000


@pytest.mark.parametrize("name", ["reaction-drift", "response-times", "slowest-registers"])
def test_ready_questions_about_times_look_from_the_day_on(tmp_path: Path, name: str) -> None:
    opened = made(tmp_path, [record for day in range(20) for record in session(day, 100)])
    first = answers(opened, name)[0]["answers"]
    opened.since((START + timedelta(days=10)).date())
    assert answers(opened, name)[0]["answers"] == first // 2
    opened.since((START + timedelta(days=20)).date())
    assert not answers(opened, name)


def test_a_session_of_two_meters_is_that_of_the_first(tmp_path: Path) -> None:
    """Whatever file DuckDB reads first: those of a set are no sequence."""
    first = [replace(record, time=record.time - 5 * 10**9) for record in session(1, 100)]
    other = replace(first[1], octets=b"/XYZ5OTHER\r\n", time=first[0].time + 6 * 10**9)  # After midnight.
    made(tmp_path, [*first, other]).close()
    (entry,) = tmp_path.glob("set/traces/*.json")
    content = json.loads(entry.read_text())
    for names in content["files"].values():
        names.reverse()
    entry.write_text(json.dumps(content))
    opened = Set(tmp_path / "set")
    opened.ask("set threads = 1")  # Several begin with any of the files.
    assert list(opened.ask("select make, meter, frames from sessions")) == [("ABC", "ABCTEST", 5)]


def test_a_register_of_two_names_has_the_same_one_in_any_order(tmp_path: Path) -> None:
    profile = (
        '[profile]\nname = "{0}"\ntitle = "{0}"\ninherits = "iec62055-52"\nsource = "test"\nconfidence = "assumed"\n'
    )
    register = '[registers.entries]\n"2000" = {{ name = "{0}", access = "read" }}\n'
    for name in ("one", "two"):
        (tmp_path / f"{name}.toml").write_text((profile + register).format(name))
    found = []
    for number, names in enumerate((("one", "two"), ("two", "one"))):
        for day, name in enumerate(names):
            trace = written(tmp_path / f"{day}.pcapng", session(day, 100))
            add((str(trace),), Options(str(tmp_path / f"set{number}"), profile=str(tmp_path / f"{name}.toml")))
        opened = Set(tmp_path / f"set{number}")
        opened.ask("set threads = 1")
        found.append([(row["register"], row["name"]) for row in answers(opened, "slowest-registers")])
    assert found == [[("2000", "one")]] * 2


def test_a_meter_that_speaks_another_dialect(tmp_path: Path) -> None:
    before = [record for day in range(5) for record in session(day, 100)]
    after = [replace(record, line=Line(8, "N", 1)) for day in range(10, 15) for record in session(day, 100)]
    opened = made(tmp_path, before + after)
    opened.since((START + timedelta(days=7)).date())
    found = {(row["form"].split()[0], row["change"]) for row in answers(opened, "dialect-changes")}
    assert found == {("7E1", "no more"), ("8N1", "new")}
    opened.since((START + timedelta(days=12)).date())
    assert {row["change"] for row in answers(opened, "dialect-changes")} == {"no more"}


def test_refused_tokens_and_why(ask: Ask) -> None:
    found = ask(question("refused-tokens"))
    wanted = [(flow.token, flow.outcome, flow.status_meaning) for flow in flows() if flow.outcome == "rejected"]
    assert wanted
    assert sorted((row[1], row[3], row[4]) for row in found if row[3] == "rejected") == sorted(wanted)


@pytest.mark.parametrize("name", questions())
def test_every_question_is_answered(folder: Path, name: str) -> None:
    answers(Set(folder), name)


def test_what_is_wrong_is_one_line(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"tokn.*tokens") as raised:
        Set(folder).ask("select * from tokn")
    assert "\n" not in str(raised.value)
    with pytest.raises(CommandError, match="is no set of traces"):
        Set(tmp_path)


# The command.

Run = Callable[..., Any]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path) -> Run:
    from vtctap.__main__ import main

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.chdir(tmp_path)
        capsys.readouterr()
        status = main(["query", str(folder), *words])
        return (status, *capsys.readouterr())

    return run


def test_an_answer_is_printed(run: Run) -> None:
    assert run("select 1 as one, [1, null] as two, null as three") == (0, "one  two  three\n1    1,\n", "")
    assert run("--json", "select 1 as one, timestamptz '2026-01-01 00:00:00Z' as two") == (
        0,
        '{"one": 1, "two": "2026-01-01T00:00:00+00:00"}\n',
        "",
    )
    assert len(run("from range(1000)")[1].splitlines()) == 1001


def test_an_object_holds_every_column_and_only_numbers_of_json(run: Run) -> None:
    """A join has equal names of columns; DuckDB tells them apart in files in the same way."""
    sql = "select 1 as a, 2 as a, 3 as a_1, 0.0 / 0 as n, [1.0 / 0, 1.5] as m"

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    answer = json.loads(run("--json", sql)[1], parse_constant=refuse)
    assert answer == {"a": 1, "a_1": 2, "a_1_1": 3, "n": None, "m": [None, 1.5]}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fifos")
def test_a_fifo_gets_the_answer_and_stays(run: Run, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "f.csv")
    reader = os.open(tmp_path / "f.csv", os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert run("select 1 as one", "-o", "f.csv") == (0, "", "vtctap: 1 row in f.csv\n")
        assert (tmp_path / "f.csv").is_fifo()
        assert os.read(reader, 100) == b"one\n1\n"
    finally:
        os.close(reader)


def test_an_answer_is_written_whole(run: Run, tmp_path: Path) -> None:
    count = len(flows())
    for form in ("csv", "jsonl", "parquet"):
        assert run("select * from tokens", "-o", f"t.{form}") == (0, "", f"vtctap: {count} rows in t.{form}\n")
        assert run("select * from tokens", "-o", f"t.{form}")[0] == 2
    assert len((tmp_path / "t.csv").read_text().splitlines()) == count + 1
    assert json.loads((tmp_path / "t.jsonl").read_text().splitlines()[0])["link"] == 0
    assert run("select * from nothing", "-o", "n.csv")[0] == 2
    assert {path.name for path in tmp_path.iterdir()} == {"t.csv", "t.jsonl", "t.parquet"}


def test_a_question_from_a_file(run: Run, tmp_path: Path) -> None:
    (tmp_path / "q.sql").write_text("select count(*) as n from tokens;\n")
    assert run("--file", "q.sql") == (0, f"n\n{len(flows())}\n", "")
    assert run("--file", "q.sql", "-o", "n.csv")[0] == 0
    assert run("--ask", "refused-tokens", "--since", "2026-01-02")[1].count("\n") == 1


@pytest.mark.parametrize("words", [[], ["select 1", "--ask", "refused-tokens"], ["select 1", "--since", "2026-01-01"]])
def test_wrong_use(run: Run, words: list[str]) -> None:
    assert run(*words)[0] == 2
