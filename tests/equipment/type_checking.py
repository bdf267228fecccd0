"""mypy in a test."""

import shutil
from pathlib import Path

ROOT = Path(__file__).parents[2]


def cache(folder: Path) -> Path:
    """Returns a cache in a folder, with what `make check` found out about the libraries: half of the work."""
    made, known = folder / "cache", ROOT / ".mypy_cache"
    if known.is_dir():
        shutil.copytree(known, made)
    return made
