"""Fuzzes the report in a browser: reports of hostile traces, in headless Chromium, compared with those of good ones.

A hostile trace has seeds of ``seeds/browser``, whole or damaged, in every text that strangers can write: values,
registers and identifications on the wire, noise, marks, the trace's name, names in the profile. A page that shows it
must raise no error, run nothing of it, create no kind of element (its parent and attributes included) that pages of
good traces do not create, and request nothing: the server forbids every request, and the browser logs what it refuses.
"""

import functools
import json
import random
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

from fuzz.damage import damaged
from vtctap.dissector.analysis.report.collect import collect
from vtctap.dissector.analysis.report.page import page
from vtctap.dissector.profiles.files import load
from vtctap.dissector.profiles.model import Profile
from vtctap.dissector.protocol.checksums import bcc_xor
from vtctap.pcap import Kind, Line, Record, Sender
from vtctap.sniffer import virtual
from vtctap.sniffer.simulated.named import GUESS
from vtctap.sniffer.simulated.session import EPOCH, play

BROWSER: Final = shutil.which("chromium") or shutil.which("google-chrome")
PAGES: Final = 8
"""Hostile pages per batch; each holds the plotting library."""
_LONG: Final = 100_000
_LINE: Final = Line(7, "E", 1)
_SECOND_NS: Final = 1_000_000_000
_GOOD: Final = "plain"
_FORMS: Final = (
    (b"/?@!\r\n", Sender.CLIENT),
    (b"/ISK5@\r\n", Sender.SERVER),
    (b"\x01R1\x02@()\x03", Sender.CLIENT),
    (b"\x02@(@*@)\x03", Sender.SERVER),
    (b"\x01R1\x02FFFE()\x03", Sender.CLIENT),
    (b"\x02FFFE(05) @\x03", Sender.SERVER),
    (b"\x01@\x02@(@)\x03", Sender.CLIENT),
    (b"\x02(ER@)\x03", Sender.SERVER),
    (b"@", Sender.UNKNOWN),
)
"""Messages with their senders; a text replaces each ``@``."""
_MS_PER_PAGE: Final = 6000
_PATIENCE: Final = 300
_NO_FORMULAS: Final = "MathJax is not loaded"
"""The plotting library's message on a dollar sign: formulas need a library that no report has."""

_PROBE: Final = """<!DOCTYPE html><html><body><script>
const PAGES = @PAGES@, seen = [];
window.HIT = [];
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
// The kind of an element: its name, its parent's, and its attributes, with the values that can act.
function kind(element) {
    const acts = /^(on.*|href|xlink:href|src|srcset|action|formaction|srcdoc|target)$/;
    const words = [...element.attributes].map(({ name, value }) => acts.test(name) ? name + "=" + value : name);
    return [element.parentElement?.localName, element.localName, ...new Set(words.sort())].join(" ");
}
async function look(name) {
    const frame = document.createElement("iframe");
    frame.width = 1200; frame.height = 900; frame.src = name;
    const loaded = new Promise((done) => { frame.onload = done; });
    document.body.append(frame);
    await loaded;
    await pause(300);
    const inside = frame.contentWindow, shown = frame.contentDocument, kinds = new Set();
    const collect = () => shown.querySelectorAll("*").forEach((element) => kinds.add(kind(element)));
    collect();
    for (const plot of shown.querySelectorAll(".js-plotly-plot")) {
        for (let curve = 0; curve < (plot.data || []).length; curve++) {
            inside.Plotly.Fx.hover(plot, [{ curveNumber: curve, pointNumber: 0 }]);
            await pause(50);
            collect();
        }
    }
    for (let number = 1; number <= 12; number++) {
        inside.show(number);
        await pause(20);
        collect();
    }
    seen.push({ name, kinds: [...kinds] });
    frame.remove();
}
(async () => {
    for (const name of PAGES) await look(name);
    document.title = JSON.stringify({ seen, hit: window.HIT });
})();
</script></body></html>"""


def batch(texts: Sequence[bytes], seed: int, pages: int = PAGES) -> list[str]:
    """Shows ``pages`` hostile pages in the browser; returns a line for each fault."""
    chance = random.Random(seed)
    return [f"seed {seed}: {fault}" for fault in faults([_report(texts, chance) for _ in range(pages)])]


def faults(hostile: Sequence[str]) -> list[str]:
    """Shows pages and two good ones in the browser; returns a line for each fault."""
    good = [good_page(number) for number in range(2)]
    names = [f"{number}.html" for number in range(len(good) + len(hostile))]
    with tempfile.TemporaryDirectory() as folder:
        for name, html in zip(names, (*good, *hostile), strict=True):
            (Path(folder) / name).write_text(html, "utf-8")
        (Path(folder) / "probe.html").write_text(_PROBE.replace("@PAGES@", json.dumps(names)))
        title, wrong, asked = _browse(Path(folder), len(names))
    wrong += [f"a page asks for {path}" for path in asked if path not in (*names, "probe.html")]
    if not title:
        return [*wrong, "the pages were not shown to the end"]
    result = json.loads(title)
    wrong += [f"text of a trace has run: {hit}" for hit in result["hit"]]
    known = {kind for shown in result["seen"][: len(good)] for kind in shown["kinds"]}
    for shown in result["seen"]:
        wrong += [f"{shown['name']} creates <{kind}>" for kind in sorted(set(shown["kinds"]) - known)]
    return wrong


def good_page(seed: int = 0) -> str:
    """Returns a report with nothing hostile in it."""
    return _report([_GOOD.encode()], random.Random(seed))


def _browse(folder: Path, pages: int) -> tuple[str, list[str], list[str]]:
    """Shows the probe; returns its title, the browser's complaints, and the paths that were requested."""
    asked: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def end_headers(self) -> None:
            asked.append(self.path.lstrip("/"))
            allowed = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:"
            self.send_header("Content-Security-Policy", f"{allowed}; frame-src 'self'")
            super().end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        command = [str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--window-size=1400,1000",
                   "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--enable-logging=stderr",
                   f"--virtual-time-budget={_MS_PER_PAGE * pages}", f"--user-data-dir={folder / 'browser'}",
                   "--dump-dom", f"http://127.0.0.1:{server.server_port}/probe.html"]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_PATIENCE)
    finally:
        server.shutdown()
        server.server_close()
    title = re.search(r"<title>(.*?)</title>", done.stdout, re.DOTALL)
    text = title[1].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&") if title else ""
    complaints = [line for line in done.stderr.splitlines() if "CONSOLE" in line and _NO_FORMULAS not in line]
    return text, complaints, [path for path in asked if path != "favicon.ico"]


def _report(texts: Sequence[bytes], chance: random.Random) -> str:
    """Returns a report of a demonstration with texts wherever strangers can write, in valid UTF-8."""

    def text(most: int = _LONG) -> bytes:
        chosen = chance.choice(texts)
        if len(texts) > 1 and chance.random() < 0.5:
            chosen = damaged(chosen, chance)
        times = _LONG // (len(chosen) + 1) if len(texts) > 1 and chance.random() < 0.05 else 1
        return (chosen * times)[:most]

    def words(most: int = _LONG) -> str:
        return text(most).decode("utf-8", errors="surrogateescape")

    profile = _named(load(), lambda: "".join(filter(str.isprintable, words(2000))) or _GOOD)
    records = [*_demonstration(), *_said(text, words)]
    made = page(collect(records, profile), profile, trace=words(), application=f"vtctap {words(200)}")
    return made.encode("utf-8", "backslashreplace").decode()


def _demonstration() -> list[Record]:
    faults = ("bcc-bad", "no-response", "cut", "noise", "response-late")
    playing = play(4, sessions=1, faults=faults, dialect=GUESS)
    gap_ns = 1_500_000_000
    return list(virtual.capture(playing, start=EPOCH, speed=9600, line=_LINE, gap_limit_ns=gap_ns, profile=_GOOD))


def _named(profile: Profile, name: Callable[[], str]) -> Profile:
    """Returns the profile with hostile names."""
    registers = {id: replace(register, name=name()) for id, register in profile.registers.items()}
    return replace(profile, name=name(), title=name(), registers=registers)


def _said(text: Callable[[int], bytes], words: Callable[[int], str]) -> Iterator[Record]:
    """Yields messages, noise and marks that hold the texts."""
    time_ns = EPOCH + 60 * _SECOND_NS
    for form, sender in _FORMS:
        octets = b"".join(text(60_000 // form.count(b"@")) if part is None else part for part in _parts(form))
        time_ns += _SECOND_NS
        if form.endswith(b"\x03"):
            octets += bytes([bcc_xor(octets[1:])])
        kind = Kind.NOISE if form == b"@" else Kind.FRAME
        yield Record(time_ns, octets[:60_000], kind, sender, line=_LINE, speed=9600, duration=_SECOND_NS // 10)
        mark = f"mark note={words(2000)}".encode("utf-8", "surrogateescape")[:2000].decode("utf-8", "surrogateescape")
        yield Record(time_ns, b"", Kind.EVENT, event=mark)


def _parts(form: bytes) -> Iterator[bytes | None]:
    """Yields the parts of a form, and None for each text."""
    for at, part in enumerate(form.split(b"@")):
        if at:
            yield None
        yield part
