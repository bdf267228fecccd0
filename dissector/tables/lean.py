"""Starts NumPy and pyarrow without what only copies of columns never use: threads for linear algebra, and pandas.

pyarrow imports pandas, where it is installed, with its first array: that takes a quarter of a second, as long as all
else that an export imports. Once it could not, pyarrow tries again only where a function needs pandas, as ``to_pandas``
does. So this is for processes of vtctap alone, not for a process of others that uses vtctap.
"""

import os
import sys
from collections.abc import Sequence
from functools import cache
from importlib.abc import MetaPathFinder
from types import ModuleType

from vtctap.base.extras import extra

__all__ = ["start_lean"]


@cache
def start_lean() -> None:
    """Imports pyarrow, and NumPy with it. Raises MissingExtra."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    hidden = _Hidden("pandas")
    sys.meta_path.insert(0, hidden)
    try:
        with extra("parquet", "Parquet"):
            import pyarrow

        pyarrow.array([])
    finally:
        sys.meta_path.remove(hidden)


class _Hidden(MetaPathFinder):
    """Finds all modules elsewhere, but for one: that cannot be imported."""

    def __init__(self, name: str) -> None:
        self._name = name

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        """Raises ModuleNotFoundError for the hidden module."""
        if name == self._name:
            raise ModuleNotFoundError(name=name)
