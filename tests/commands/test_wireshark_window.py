"""Wireshark's own window on a virtual screen: it opens a trace, lists the interfaces, captures live, draws client and
server, and opens the dissector's windows."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAMS = ("wireshark", "Xvfb", "openbox", "xdotool", "import", "convert", "pngquant")
CLIENT, SERVER = "#dfe9f8", "#e2f2e0"
"""The row colours of the two sides."""


def pixels(picture: Path, colour: str) -> float:
    """Counts the pixels of a picture that have nearly this colour."""
    count = ["-fuzz", "1%", "-fill", "red", "-opaque", colour, "-fill", "black", "+opaque", "red"]
    done = subprocess.run(
        ["convert", picture, "-alpha", "off", *count, "-format", "%[fx:mean.r*w*h]", "info:"],
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


def take(folder: Path, *names: str) -> None:
    """Takes pictures."""
    script = [sys.executable, ROOT / "docs/screenshots.py", "-o", folder, *names]
    # Wireshark as users run it; the tests' tshark has a home directory of its own.
    plain = os.environ | {"PATH": os.defpath + os.pathsep + "/usr/sbin:/usr/local/bin"}
    done = subprocess.run(script, capture_output=True, text=True, check=False, timeout=180, env=plain)
    assert (done.returncode, done.stderr) == (0, "")


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not all(map(shutil.which, PROGRAMS)), reason=f"needs {', '.join(PROGRAMS)}"),
]


def test_the_window_shows_a_trace_the_interfaces_and_a_live_capture(tmp_path: Path) -> None:
    """If Wireshark's end of a toolbar pipe stayed closed, the window would hang before it shows a packet."""
    take(tmp_path, "trace", "interfaces", "live")
    for name in ("trace", "live"):
        picture = tmp_path / f"wireshark-{name}.png"
        assert picture.stat().st_size < 200_000
        assert pixels(picture, CLIENT) > 10_000
        assert pixels(picture, SERVER) > 10_000
    assert pixels(tmp_path / "wireshark-interfaces.png", CLIENT) < 1000


def test_flow_graph_statistics_and_sessions(tmp_path: Path) -> None:
    """A flow graph without addresses is blank; a window without text has about 100 black pixels, those of its
    buttons."""
    take(tmp_path, "flow", "statistics", "session")
    assert pixels(tmp_path / "wireshark-flow.png", CLIENT) > 5000
    assert pixels(tmp_path / "wireshark-flow.png", SERVER) > 5000
    for name in ("statistics", "session"):
        assert pixels(tmp_path / f"wireshark-{name}.png", "#000000") > 400
