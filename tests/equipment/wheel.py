"""The wheel of this source tree, as users install it."""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def built_wheel(folder: Path) -> Path:
    """Builds the wheel into a folder. Skips the test if the build tools are missing."""
    if importlib.util.find_spec("build") is None:
        pytest.skip("build is not installed")
    source = folder / "source"
    shutil.copytree(
        ROOT, source, ignore=shutil.ignore_patterns("__pycache__", ".*", "build", "tests", "bench", "*.egg-info")
    )
    built = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", folder, source],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    if built.returncode and "No matching distribution found for setuptools" in built.stdout + built.stderr:
        pytest.skip("setuptools cannot be fetched")
    assert built.returncode == 0, built.stdout + built.stderr
    (wheel,) = folder.glob("*.whl")
    return wheel
