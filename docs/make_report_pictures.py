"""Makes the pictures of docs/report.md: Chromium shows the report on the demo's trace (``make report-pictures``).

It needs chromium and pngquant.
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

PICTURES: Final = Path(__file__).with_name("pictures")
SHOTS: Final = (
    ("report-desktop", 1200, 1500, False),
    ("report-dark", 1200, 1500, True),
    ("report-phone", 500, 1500, False),
)
"""The name of each picture, its width and height in pixels, and whether it shows the dark style."""


def main() -> None:
    """Makes all pictures."""
    with tempfile.TemporaryDirectory() as folder:
        vtctap = [sys.executable, "-m", "vtctap"]
        trace, report = f"{folder}/demo.pcapng", f"{folder}/report.html"
        subprocess.run([*vtctap, "demo", "--fast", "--faults", "-q", "-w", trace], check=True)
        subprocess.run([*vtctap, "report", trace, "-q", "-o", report], check=True)
        for name, width, height, dark in SHOTS:
            picture = PICTURES / f"{name}.png"
            command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                       "--virtual-time-budget=4000", f"--window-size={width},{height}", f"--screenshot={picture}",
                       f"--user-data-dir={folder}/{name}", Path(report).as_uri()]  # fmt: skip
            command += ["--blink-settings=preferredColorScheme=0"] if dark else []
            subprocess.run(command, check=True, capture_output=True)
            subprocess.run(["pngquant", "--force", "--strip", "--output", str(picture), "64", str(picture)], check=True)


if __name__ == "__main__":
    main()
