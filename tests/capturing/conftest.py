"""Fixtures of the tests of a capture's parts."""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import StringIO

import pytest

from equipment.outlets import Memory
from vtctap.capturing.screen import Screen
from vtctap.dissector.dissect import Dissector
from vtctap.dissector.profiles.files import load


@pytest.fixture
def memory() -> Memory:
    return Memory()


@pytest.fixture
def screen(memory: Memory) -> Screen:
    """A screen on standard error that is no terminal."""
    return Screen(StringIO(), memory)


@pytest.fixture
def dissector() -> Callable[[], Dissector]:
    profile = load()
    return lambda: Dissector(profile)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """The two descriptors of a pipe, for reading and for writing."""
    ends = os.pipe()
    yield ends
    for end in ends:
        with suppress(OSError):  # A test has closed it.
            os.close(end)
