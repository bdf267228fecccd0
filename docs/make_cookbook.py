"""Makes docs/cookbook.md from the scripts in examples/scripts and their output (``make pages``)."""

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
SCRIPTS: Final = ROOT / "examples" / "scripts"

RECIPES: Final = (
    ("Every register that was read, and its last value", "registers.py", ("session.pcapng",)),
    ("Response times by register", "response_times.py", ("session.pcapng",)),
    ("Every token, and what became of it", "tokens.py", ("session.pcapng",)),
    ("What two hand-held units do differently with the same meter", "compare.py", ("session.pcapng", "faults.pcapng")),
    ("A session as a regression test for a meter's firmware", "regression.py", ("session.pcapng",)),
    ("A live alarm on bad check characters", "alarm.py", ("PORT",)),
)
"""The title of each recipe, its script, and the script's arguments."""

MAX_LINES: Final = 24
"""Most lines of output that a recipe shows."""

WRONG: Final = b"\x020021(00128.4*kWh)\x03\x55"
"""An answer with a bad check character, which sets off the alarm script."""

_HEAD: Final = """# Cookbook

Made from `examples/scripts` by `make pages`; do not edit. Run the scripts as printed, here in the folder `examples`;
the tests run them, too.

`vtctap.open` opens a trace and yields its records. `vtctap.exchanges` groups records by request and answers,
`vtctap.sessions` by session, `vtctap.token_flows` by token, and `vtctap.check` finds errors. Each reads records one by
one, in constant memory, and uses the profile that the trace states. `vtctap.open(path).follow()` waits for new records
while a trace grows, and `vtctap.tap` yields the records of a live link.
The [reference](reference/index.rst) has the whole API.
"""


def run(script: str, arguments: tuple[str, ...]) -> str:
    """Runs a script and returns its output."""
    command = [sys.executable, str(SCRIPTS / script)]
    if arguments == ("PORT",):
        return _run_live(command)
    folder = ROOT / "examples"
    return subprocess.run([*command, *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout


def _run_live(command: list[str]) -> str:
    """Runs a script that taps a pseudo-terminal, sends it a damaged answer, and returns the first line of output."""
    import functools
    import pty
    import signal

    from vtctap.pcap.record import Line
    from vtctap.sniffer.simulated.wire import received

    master, slave = pty.openpty()
    try:
        # A shell starts background jobs with SIGINT ignored, and the script would inherit that.
        heard = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
        with subprocess.Popen(
            [*command, os.ttyname(slave)], stdout=subprocess.PIPE, text=True, preexec_fn=heard
        ) as process:
            assert process.stdout is not None
            deadline = time.monotonic() + 30
            os.set_blocking(process.stdout.fileno(), False)
            line = ""
            while not line and time.monotonic() < deadline:
                os.write(master, bytes(received(octet, Line(7, "E", 1)) for octet in WRONG))
                time.sleep(0.5)
                line = process.stdout.readline()
            process.send_signal(signal.SIGINT)
            os.set_blocking(process.stdout.fileno(), True)
            process.stdout.read()
        return line
    finally:
        os.close(master)
        os.close(slave)


def cookbook() -> str:
    """Returns the text of docs/cookbook.md."""
    parts = [_HEAD]
    for title, script, arguments in RECIPES:
        shown = run(script, arguments).replace("\a", "").splitlines()
        if len(shown) > MAX_LINES:
            shown = [*shown[:MAX_LINES], f"... {len(shown) - MAX_LINES} more lines"]
        output = "\n".join(line.rstrip() for line in shown)
        code = (SCRIPTS / script).read_text("utf-8").rstrip()
        call = f"$ python scripts/{script} {' '.join(arguments)}"
        parts.append(f"## {title}\n\n```python\n{code}\n```\n\n```console\n{call}\n{output}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault("MPLCONFIGDIR", folder)
        text = cookbook()
    assert not re.search(r"/tmp/|Traceback", text)
    (ROOT / "docs" / "cookbook.md").write_text(text, "utf-8")
