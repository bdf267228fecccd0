"""The documentation site builds without a warning, and a browser shows all its pages without the network."""

import functools
import json
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

pytest.importorskip("sphinx", reason="Sphinx is not here: make test-docs")

ROOT = Path(__file__).parents[1]
BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
WIDTHS = (360, 1200)

PROBE = """<!DOCTYPE html><html><body><script>
const PAGES = @PAGES@, seen = [];
function load(url, width) {
    return new Promise(done => {
        const frame = document.createElement("iframe");
        frame.width = width; frame.height = 900; frame.src = url;
        frame.onload = () => done(frame);
        document.body.append(frame);
    });
}
function pause(ms) { return new Promise(done => setTimeout(done, ms)); }
async function look() {
    for (const [url, width] of PAGES) {
        const frame = await load(url, width), shown = frame.contentDocument;
        await pause(100);
        seen.push({ url: url, width: width, title: shown.title,
            overflow: shown.documentElement.scrollWidth - frame.contentWindow.innerWidth,
            broken: [...shown.images].filter(image => image.complete && !image.naturalWidth).map(image => image.src) });
        frame.remove();
    }
    const frame = await load("search.html?q=parity", 1200);
    for (let wait = 0; wait < 50 && !frame.contentDocument.querySelector("#search-results li a"); wait++)
        await pause(100);
    await pause(5000);  // results come one by one
    const found = [...frame.contentDocument.querySelectorAll("#search-results li a")].map(link => link.href);
    document.title = JSON.stringify({ seen: seen, found: found });
}
look();
</script></body></html>"""
"""Opens each page in a frame, and then searches for a word."""


class Handler(SimpleHTTPRequestHandler):
    """Serves the site, and makes the browser report everything that a page requests from elsewhere."""

    def end_headers(self) -> None:
        self.send_header("Content-Security-Policy", "default-src 'self' 'unsafe-inline' data:")
        super().end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", "-d", str(folder / "trees")]
    done = subprocess.run([*command, str(ROOT / "docs"), str(folder / "html")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder / "html"


@pytest.fixture
def browse(site: Path, tmp_path: Path) -> Iterator[Callable[[str], tuple[str, list[str]]]]:
    """Shows a page in a browser without a network, from the site's root. Returns its title and the reports."""
    if BROWSER is None:
        pytest.skip("no Chromium is here")
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def browsed(name: str) -> tuple[str, list[str]]:
        command = [str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--window-size=1400,1000",
                   "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--virtual-time-budget=120000",
                   "--enable-logging=stderr", f"--user-data-dir={tmp_path / 'browser'}", "--dump-dom",
                   f"http://127.0.0.1:{server.server_port}/{name}"]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
        title = re.search(r"<title>(.*?)</title>", done.stdout, re.DOTALL)
        assert title, done.stderr
        text = title[1].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
        return text, [line for line in done.stderr.splitlines() if "CONSOLE" in line]

    yield browsed
    server.shutdown()
    server.server_close()


@pytest.mark.slow
def test_every_page_shows_without_the_network(site: Path, browse: Callable[[str], tuple[str, list[str]]]) -> None:
    names = sorted(str(path.relative_to(site)) for path in site.rglob("*.html"))
    assert {"index.html", "cookbook.html", "reference/index.html", "search.html"} < set(names)
    pages = [(name, width) for name in names for width in WIDTHS]
    (site / "probe.html").write_text(PROBE.replace("@PAGES@", json.dumps(pages)))
    title, complaints = browse("probe.html")
    assert complaints == []
    result = json.loads(title)
    assert [(page["url"], page["width"]) for page in result["seen"]] == pages
    assert [page for page in result["seen"] if page["overflow"] > 0 or page["broken"] or not page["title"]] == []
    assert any("/wiring.html" in link for link in result["found"]), result["found"]


@pytest.mark.slow
def test_a_page_that_needs_the_network_is_noticed(site: Path, browse: Callable[[str], tuple[str, list[str]]]) -> None:
    page = '<title>x</title><script src="https://cdn.example/x.js"></script><img src="http://img.example/x.png">'
    (site / "control.html").write_text(page)
    _, complaints = browse("control.html")
    assert [re.findall(r"\w+\.example", complaint)[:1] for complaint in complaints] == [
        ["cdn.example"],
        ["img.example"],
    ]
