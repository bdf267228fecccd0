"""Configures all tests: the same Hypothesis examples in each run, a tshark that loads Lua scripts for every user,
programs that heed signals, and one line that counts the skipped tests."""

import os
import shutil
import signal
import stat
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from equipment.wheel import built_wheel

# A test run shows what the code does, not chance or a slow machine: the examples are the same each time, have no
# deadline, and nothing of earlier runs is kept. To search further: python -m pytest --hypothesis-profile=search
TOO_SLOW = [HealthCheck.too_slow]
settings.register_profile("whole", deadline=None, suppress_health_check=TOO_SLOW, database=None, derandomize=True)
settings.register_profile("same", settings.get_profile("whole"), max_examples=50)
settings.register_profile("search", deadline=None, suppress_health_check=TOO_SLOW)
settings.load_profile("same")

if os.name == "posix":
    # A shell's background jobs ignore SIGINT, and nohup's programs SIGHUP. Whatever is ignored stays ignored in every
    # program that the tests start; a handler, even one that does nothing, becomes the default action there.
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, lambda *_: None)

AS_NOBODY = (
    "setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=+dac_override --ambient-caps=+dac_override "
    'env HOME="${TSHARK_HOME:-/nonexistent}"'
)
"""A tshark that runs as nobody, because Wireshark 4.4 and later load no Lua script for root. The capability lets it
read root's files. A test that installs something for Wireshark names the home directory in TSHARK_HOME."""


@pytest.fixture(scope="session", autouse=True)
def tshark_as_nobody(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    found = {name: real for name in ("tshark", "sharkd") if (real := shutil.which(name))}
    if os.geteuid() != 0 or not found:
        yield
        return
    folder = tmp_path_factory.mktemp("bin")
    for name, real in found.items():
        wrapper = folder / name
        wrapper.write_text(f'#!/bin/sh\nexec {AS_NOBODY} {real} "$@"\n')
        wrapper.chmod(wrapper.stat().st_mode | stat.S_IXUSR)
    before = os.environ["PATH"]
    os.environ["PATH"] = f"{folder}{os.pathsep}{before}"
    yield
    os.environ["PATH"] = before


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this source tree, built once for all processes of a run."""
    import fcntl

    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    with (folder / "wheel.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return next(folder.glob("wheel/*.whl"), None) or built_wheel(folder / "wheel")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Adds one line on the tests that were skipped, and the reasons."""
    reasons: Counter[str] = Counter()
    for report in terminalreporter.stats.get("skipped", []):
        # The report of a test has a path, a line and a reason; that of a module has an exception.
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        reasons[reason.removeprefix("Skipped: ")] += 1
    if reasons:
        counted = ", ".join(f"{count} ({reason})" for reason, count in reasons.most_common())
        terminalreporter.write_line(f"skipped: {counted}")
