"""A claim that is tried at many sizes, seeds or recordings: ``make test`` tries a sample, ``make test-whole`` all."""

from collections.abc import Iterable
from typing import Any

import pytest

sizes = pytest.mark.parametrize("whole", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["quick", "whole"])
"""Runs a test twice: quickly, and whole where slow tests run."""


def sampled(cases: Iterable[Any], step: int) -> list[Any]:
    """Returns the cases of a parameter; all but the first of every `step` are slow."""
    return [case if at % step == 0 else pytest.param(case, marks=pytest.mark.slow) for at, case in enumerate(cases)]


def turns(cases: Iterable[Any], ways: Iterable[Any]) -> list[Any]:
    """Returns each case with each way, for two parameters; each case has one way that is not slow, in turns."""
    ways = list(ways)
    return [
        pytest.param(case, way, marks=[] if at % len(ways) == turn else pytest.mark.slow)
        for at, case in enumerate(cases)
        for turn, way in enumerate(ways)
    ]
