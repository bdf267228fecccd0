"""The measurements of speed: one command runs them all, and one page has their figures."""

import re
import subprocess
import sys
from pathlib import Path

import measuring
import performance
import pytest

ROOT = Path(__file__).parents[1]
RATE = re.compile(r"[0-9] (records|frames|packets) (a|per) second|[0-9] times (as fast as|faster than)")


def test_every_measurement_is_a_script_that_says_what_it_measures() -> None:
    assert len({each.script for each in performance.MEASUREMENTS}) == len(performance.MEASUREMENTS)
    for measurement in performance.MEASUREMENTS:
        assert (ROOT / "bench" / f"{measurement.script}.py").read_text("utf-8").startswith('"""')
        assert measurement.title
        assert measurement.shows.endswith(".")


def test_the_page_lists_what_was_missed() -> None:
    parts = [
        ("One", "| a |\n|---|\n| 1 |\n\nMissed:\n\n- a is 1, not 2\n- b is 1, not 3\n\n(Load 1.)"),
        ("Two", "| a |\n|---|\n| 2 |\n\nAll targets are met."),
    ]
    text = performance.page(parts, ["tshark"])
    assert "## Targets that are missed\n\n- One: a is 1, not 2\n- One: b is 1, not 3\n\n## One\n" in text
    assert "- not measured" not in text
    assert "## Targets that are missed\n\nNone.\n" in performance.page(parts[1:], [])


def test_the_page_has_every_measurement() -> None:
    text = (ROOT / "docs" / "performance.md").read_text("utf-8")
    titles = re.findall(r"(?m)^## (.*)$", text)
    assert titles == ["Targets that are missed", *(each.title for each in performance.MEASUREMENTS)]
    assert all(f"\n{each.shows}\n" in text for each in performance.MEASUREMENTS)


def test_a_measurement_that_breaks_off_is_missed() -> None:
    broken = performance.Measurement("startup", "Start", "All.", ())
    text = performance.measured(broken, ["no number"], "tshark")
    assert text.startswith("Missed:\n\n- not measured: ValueError")


def test_a_process_is_measured_by_itself() -> None:
    """Its memory is not that of the program that measures."""
    held = bytearray(200 << 20)
    small = measuring.used([sys.executable, "-I", "-S", "-c", "pass"])
    large = measuring.used([sys.executable, "-I", "-S", "-c", "held = bytearray(100 << 20)\nfor n in range(10**6): n"])
    assert len(held) == 200 << 20
    assert small.peak < 60
    assert 100 < large.peak < 160
    assert 0 < small.cpu < large.cpu <= large.wall * 2
    with pytest.raises(SystemExit, match="exit status 3"):
        measuring.used([sys.executable, "-c", "raise SystemExit(3)"])


def test_a_trial_of_one_measurement(tmp_path: Path) -> None:
    command = [sys.executable, ROOT / "bench" / "performance.py", "--quick", "--only", "hash_rate"]
    done = subprocess.run([*command, "-o", tmp_path / "page.md"], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    text = (tmp_path / "page.md").read_text("utf-8")
    assert re.findall(r"(?m)^## (.*)$", text) == ["Targets that are missed", "The hash chain"]
    assert re.search(r"\| [0-9.]+ \| -?[0-9.]+ \| -?[0-9.]+% \|", text)


def test_no_other_page_states_a_rate() -> None:
    """Figures of speed are in docs/performance.md alone, which a run makes."""
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    assert len(pages) > 20
    stated = [page.name for page in pages if page.name != "performance.md" and RATE.search(page.read_text("utf-8"))]
    assert stated == []
