"""Makes the example traces and their expected decodings. The result is the same each time."""

import contextlib
import io
from pathlib import Path

from vtctap.__main__ import main

HERE = Path(__file__).parent

SOURCES = {
    "session": ["demo", "--fast"],
    "faults": ["demo", "--fast", "--faults", "--seed", "2"],
    "readout": ["import", "{here}/readout.exchange", "--speed", "300"],
    "programming": ["import", "{here}/programming.exchange", "--speed", "9600"],
    "telegram": ["import", "{here}/telegram.exchange", "--speed", "2400"],
}


def make(folder: Path) -> None:
    """Makes all examples in a folder."""
    for name, command in SOURCES.items():
        trace = str(folder / f"{name}.pcapng")
        words = [word.format(here=HERE) for word in command]
        with contextlib.redirect_stderr(io.StringIO()) as said:
            if main([*words, "-w", trace, "--force"]):
                raise SystemExit(said.getvalue())
        with contextlib.redirect_stdout(io.StringIO()) as text:
            main(["read", "-t", "e", trace])
        (folder / f"{name}.txt").write_text(text.getvalue())


if __name__ == "__main__":
    make(HERE)
