"""The examples of the pages and the cookbook pass ``mypy --strict`` as a user's files, with the installed wheel."""

import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from equipment.type_checking import cache

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", *sorted(path for path in (ROOT / "docs").glob("*.md") if path.stem != "cookbook"))
"""The pages with examples. The cookbook is left out, because it is made from the scripts."""
OTHERS = "site-packages-of-the-others.pth"
CONFIGURATION = """[mypy]
[mypy-duckdb.*,pandas.*,polars.*]
ignore_missing_imports = true
"""
"""Libraries that not every developer installs; mypy ignores them."""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Path:
    """The interpreter of an environment with the installed wheel, followed by all packages that are installed here."""
    pytest.importorskip("mypy")
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder / "venv", with_pip=False)
    site = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder / "venv")}))
    shutil.unpack_archive(wheel, site, "zip")
    (site / OTHERS).write_text(sysconfig.get_path("purelib") + "\n")
    return Path(sysconfig.get_path("scripts", "venv", {"base": str(folder / "venv")})) / "python"


def test_examples_are_typed(python: Path, tmp_path: Path) -> None:
    """mypy finds a planted mistake, so it sees the types; the examples have no mistakes."""
    names = []
    for page in PAGES:
        for number, block in enumerate(re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.M | re.S)):
            names.append(f"{page.stem}_{number}.py".replace("-", "_"))
            (tmp_path / names[-1]).write_text(block)
    for script in (ROOT / "examples" / "scripts").glob("*.py"):
        names.append(script.name)
        shutil.copy(script, tmp_path)
    (tmp_path / "planted.py").write_text("import vtctap\n\nvtctap.load_profile(1).speed.nothing\n")
    (tmp_path / "mypy.ini").write_text(CONFIGURATION)
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(cache(tmp_path))]
    command += ["--python-executable", str(python)]
    done = subprocess.run([*command, *names, "planted.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    *found, _ = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (1, "")
    assert [line for line in found if not line.startswith("planted.py:")] == []
    assert "[arg-type]" in done.stdout
    assert '"int" has no attribute "nothing"' in done.stdout
