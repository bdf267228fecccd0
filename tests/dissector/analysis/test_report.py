"""The report: the page shows what the trace holds, its size is bounded, and nothing in a trace can become code."""

import json
import re
import shutil
import subprocess
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from equipment.conversation import data, read, records
from vtctap.dissector.analysis.check import check
from vtctap.dissector.analysis.report import collect as collecting
from vtctap.dissector.analysis.report.collect import collect
from vtctap.dissector.analysis.statistics import statistics
from vtctap.dissector.dissect import Frame, dissections
from vtctap.dissector.profiles.files import load
from vtctap.pcap import Line, Record, Sender
from vtctap.sniffer import virtual
from vtctap.sniffer.simulated.named import GUESS
from vtctap.sniffer.simulated.session import EPOCH, play

pages = pytest.importorskip("vtctap.dissector.analysis.report.page", reason="plotly is not here")

PROFILE = load()
LINE = Line(7, "E", 1)
BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
HOSTILE = "</script><script>alert(1)</script>@PLOTLY@@DATA@<img src=x onerror=alert(2)>&amp;\"'"


def demonstration(sessions: int = 2) -> list[Record]:
    faults = ("bcc-bad", "no-response", "cut", "noise", "response-late")
    playing = play(4, sessions=sessions, faults=faults, dialect=GUESS)
    return list(
        virtual.capture(playing, start=EPOCH, speed=9600, line=LINE, gap_limit_ns=1_500_000_000, profile="demo")
    )


def page_of(records: list[Record], trace: str = "demo.pcapng") -> str:
    return str(pages.page(collect(records, PROFILE), PROFILE, trace=trace, application="vtctap test"))


def data_of(page: str) -> Any:
    (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    return json.loads(data)


def test_the_page_holds_what_the_trace_holds() -> None:
    records = demonstration()
    data = data_of(page_of(records))
    frames = [frame for frame in dissections(records) if isinstance(frame, Frame)]
    assert data["records"] == len(records)
    assert data["statistics"] == statistics(records).as_json()
    shown = [step["frame"] for ladder in data["ladders"] for step in ladder["steps"]]
    assert shown == [frame.number for frame in frames]
    octets = [bytes.fromhex(step["octets"]) for ladder in data["ladders"] for step in ladder["steps"]]
    assert octets == [frame.record.octets for frame in frames]
    found = list(check(records, PROFILE))
    assert [(entry["code"], entry["frames"]) for entry in data["findings"]] == [
        (finding.code, list(finding.frames)) for finding in found
    ]
    assert [token["outcome"] for token in data["tokens"]] == ["accepted", "rejected", "accepted"] * 2
    times = {point["frame"]: point["y"] for point in data["times"]}
    assert times == {
        frame.number: frame.place.response_time_ns / 1e9 for frame in frames if frame.place.response_time_ns is not None
    }
    assert data["left_out"] == {}
    assert "assumed" in data["profile"]["entries"]


def test_a_trace_that_begins_in_1970() -> None:
    """A trace without times begins in 1970; its first record counts as the start all the same."""
    records = [replace(record, time=record.time - EPOCH) for record in demonstration(1)]
    assert records[0].time == 0
    data = data_of(page_of(records))
    shown = {step["frame"]: step["t"] for ladder in data["ladders"] for step in ladder["steps"]}
    assert shown == {frame: records[frame - 1].time / 1e9 for frame in shown}
    assert data["findings"]
    assert all(finding["t"] == records[min(finding["frames"]) - 1].time / 1e9 for finding in data["findings"])


def test_long_traces_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, most in (("MAX_SESSIONS", 2), ("MAX_FRAMES", 5), ("MAX_POINTS", 7), ("MAX_FINDINGS", 3)):
        monkeypatch.setattr(collecting, name, most)
    records = demonstration(4)
    data = data_of(page_of(records))
    assert [len(ladder["steps"]) for ladder in data["ladders"]] == [5, 5]
    messages = Counter(found.place.session for found in dissections(records) if isinstance(found, Frame))
    assert [ladder["messages"] for ladder in data["ladders"]] == [messages[1], messages[2]]
    assert (len(data["times"]), len(data["gaps"]), len(data["findings"]), len(data["tokens"])) == (7, 7, 3, 7)
    assert data["left_out"].keys() >= {"sessions", "frames of long sessions", "findings", "gaps", "response times"}
    assert data["left_out"]["sessions"] == 2
    assert data["records"] == len(records)


def test_thousands_of_registers_are_no_large_page() -> None:
    """A page is the plotting library and, of these registers, at most half as much again."""
    frames = [turn for number in range(5000) for turn in (read(f"{number:04X}"), data(f"{number:04X}(1)"))]
    assert len(page_of(records(frames))) < 1.5 * len(page_of([]))


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_nothing_in_a_trace_becomes_code() -> None:
    hostile = HOSTILE.encode()
    records = [
        Record(EPOCH, b"\x022011(" + hostile + b")\x03\x11", sender=Sender.SERVER, line=LINE),
        Record(EPOCH + 10**9, hostile, sender=Sender.CLIENT),
        Record(EPOCH + 2 * 10**9, b"/" + hostile + b"\r\n", sender=Sender.SERVER),
    ]
    clean, dirty = Tags(), Tags()
    clean.feed(page_of(demonstration()))
    page = page_of(records, HOSTILE)
    dirty.feed(page)
    assert [tag for tag, _ in dirty.found] == [tag for tag, _ in clean.found]
    assert "alert(1)" in json.dumps(data_of(page))
    assert data_of(page)["trace"] == HOSTILE


def test_the_page_asks_for_nothing() -> None:
    tags = Tags()
    tags.feed(page_of(demonstration()))
    assert not [tag for tag, attributes in tags.found if {"src", "href"} & attributes.keys()]


def test_an_empty_trace() -> None:
    data = data_of(page_of([]))
    assert (data["records"], data["ladders"], data["findings"]) == (0, [], [])


PART = r"Messages (\d+) to (\d+) of (\d+): ([\d.]+) to ([\d.]+) s of the trace's [\d.]+ s\."
# Checks the page as it is drawn: elements that are too wide, labels that overlap or are cut off by their plot, the
# buttons of the plots, and the text of the ladder.
PROBE = """<script>
window.addEventListener("load", () => setTimeout(() => {
  const frame = document.getElementById("page").contentWindow, page = frame.document;
  const all = (rule) => [...page.querySelectorAll(rule)];
  const rect = (element) => element.getBoundingClientRect();
  const groups = [all(".step b, .step time, .silence"), ...["times", "gaps"].map((id) =>
    all("#" + id + " .xtick text, #" + id + " .ytick text, #" + id + " .xtitle, #" + id + " .ytitle"))];
  const shared = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 &&
    Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 1;
  const overlaps = [], cut = [];
  groups.forEach((group) => group.forEach((one, at) => group.slice(at + 1).forEach((other) => {
    if (shared(rect(one), rect(other))) overlaps.push([one.textContent, other.textContent]); })));
  groups.slice(1).flat().forEach((label) => { const plot = rect(label.closest(".plot")), own = rect(label);
    if (own.left < plot.left - 1 || own.right > plot.right + 1) cut.push(label.textContent); });
  all(".scroll, #ladder, table, td, .step b, .card").forEach((element) => {
    if (element.scrollWidth > element.clientWidth + 1 || rect(element).right > frame.innerWidth + 1)
      cut.push(element.tagName + " " + element.id + " " + element.textContent.slice(0, 30)); });
  const seen = { overlaps, "cut off": cut, labels: groups.flat().length, part: page.getElementById("part").textContent,
    buttons: all(".modebar-btn").map((button) => button.getAttribute("data-title")) };
  page.getElementById("ladder").scrollTop = 1e6;
  // In virtual time the event does not always come by itself.
  page.getElementById("ladder").dispatchEvent(new Event("scroll"));
  setTimeout(() => {
    seen["part after scrolling"] = page.getElementById("part").textContent;
    frame.show(4);
    setTimeout(() => { document.title = JSON.stringify({ ...seen,
      overflow: page.documentElement.scrollWidth - frame.innerWidth,
      plots: new Set(all(".main-svg").map((svg) => svg.closest(".plot").id)).size,
      detail: page.getElementById("detail").textContent,
      rows: all("#findings tr").length,
      paper: frame.getComputedStyle(page.body).backgroundColor }); }, 500);
  }, 100);
}, 1500));</script>"""


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no Chromium here")
@pytest.mark.parametrize("width", [360, 1200])
@pytest.mark.parametrize("dark", [False, True])
def test_in_a_browser(width: int, dark: bool, tmp_path: Path) -> None:
    """The page is drawn without an error, light and dark. No element is too wide and no labels overlap. The ladder
    states which part it shows, a click shows a message's octets, and no button sends a chart to a server."""
    records = demonstration()
    page = page_of(records)
    (tmp_path / "page.html").write_text(page, "utf-8")
    frame = f'<iframe id="page" src="page.html" width="{width}" height="900" style="border:0"></iframe>'
    (tmp_path / "probe.html").write_text(f"<!DOCTYPE html><html><body>{frame}{PROBE}</body></html>", "utf-8")
    command = [str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files",
               "--window-size=1400,1000", "--virtual-time-budget=12000", "--enable-logging=stderr",
               f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", (tmp_path / "probe.html").as_uri()]  # fmt: skip
    command += ["--blink-settings=preferredColorScheme=0"] if dark else []
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert not [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    title = re.search(r"<title>(.*?)</title>", done.stdout, re.DOTALL)
    assert title
    seen = json.loads(title[1].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
    assert seen["overflow"] <= 0
    assert seen["cut off"] == []
    assert seen["labels"] > 60
    assert seen["overlaps"] == []
    assert seen["plots"] >= 2
    assert seen["buttons"]
    assert not [title for title in seen["buttons"] if re.search("share|cloud|send|edit", title, re.IGNORECASE)]
    frames = [found for found in dissections(records) if isinstance(found, Frame) and found.place.session == 1]
    first, second = (re.fullmatch(PART, seen[name]) for name in ("part", "part after scrolling"))
    assert first
    assert second
    assert (first[1], first[3], second[2], second[3]) == ("1", str(len(frames)), str(len(frames)), str(len(frames)))
    assert 5 < int(first[2]) < int(second[1])
    assert float(first[4]) == round((frames[0].record.time - EPOCH) / 1e9, 3)
    assert float(second[5]) == round((frames[-1].record.end - EPOCH) / 1e9, 3)
    assert seen["detail"].startswith("Record 4, ")
    assert seen["detail"].endswith(records[3].octets.hex(" "))
    assert seen["rows"] == len(list(check(records, PROFILE))) + 1
    assert (seen["paper"] == "rgb(20, 23, 28)") == dark


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no Chromium here")
def test_the_drawn_page_leads_nowhere(tmp_path: Path) -> None:
    """Registers named like Plotly's tags are shown as text. The page has no link, form or address of another site."""
    register = b'<b>x</b><a href="https://example.org">y</a>'
    command, answer = b"\x01R1\x02" + register + b"()\x03", b"\x02" + register + b"(1)\x03"
    records = []
    for number in range(4):
        for at, (sender, octets) in enumerate(((Sender.CLIENT, command), (Sender.SERVER, answer))):
            check = 0
            for octet in octets[1:]:
                check ^= octet
            time = EPOCH + (2 * number + at) * 300_000_000
            records.append(Record(time, octets + bytes([check]), sender=sender, tap=at, line=LINE, duration=10**6))
    page = tmp_path / "page.html"
    page.write_text(page_of(records), "utf-8")
    command_line = [str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=8000",
                    f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", page.as_uri()]  # fmt: skip
    done = subprocess.run(command_line, capture_output=True, text=True, check=True, timeout=120)
    drawn = re.sub(r"<script.*?</script>", "", done.stdout, flags=re.DOTALL)
    assert "&lt;b&gt;x&lt;/b&gt;&lt;a href=" in re.search(r'class="ytick".*?</g>', drawn, re.DOTALL)[0]  # type: ignore[index]
    tags = Tags()
    tags.feed(drawn)
    assert not [tag for tag, _ in tags.found if tag in ("a", "form", "iframe", "object", "embed", "link", "base")]
    addresses = [value for _, given in tags.found for name, value in given.items() if name in ("href", "src", "action")]
    assert not [value for value in addresses if value and not value.startswith(("data:", "#"))]
