"""The examples in ``examples/scripts`` run on the demo traces, and say what those hold."""

import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[1] / "examples"


def test_tokens() -> None:
    """The session's listing (session.txt) shows the first token written, polled twice not ready, and accepted."""
    script, trace = EXAMPLES / "scripts" / "tokens.py", EXAMPLES / "session.pcapng"
    done = subprocess.run([sys.executable, script, trace], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[0].startswith("01062065899601840219 accepted after 1.2")
