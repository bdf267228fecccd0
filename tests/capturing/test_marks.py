"""Marks: by a key, as words, and by a signal."""

import os
from typing import cast

import pytest

from equipment.outlets import Memory
from vtctap.capturing.keyboard import Keyboard
from vtctap.capturing.marks import LONGEST, Marks, NoteKeys
from vtctap.capturing.screen import Screen
from vtctap.capturing.signals import Signals


@pytest.mark.parametrize(
    ("keys", "marks"),
    [
        ("", []),
        ("m", ["key"]),
        ("xmm", ["key", "key"]),
        ("nmeter opened\r", ["meter opened"]),
        ("nmeter\n", ["meter"]),
        ("m n  mnm \nm", ["key", "mnm", "key"]),
        ("n\r", []),
        ("n   \r", []),
        ("nab\x1bm", ["key"]),
        ("nab\x7f\x08\x08c\x1b[A\r", []),
        ("nab\x7fc\r", ["ac"]),
        ("n\x7fa\r", ["a"]),
        ("nZ\xe4hler\x07\r", ["Z\xe4hler"]),
        ("n" + "x" * (LONGEST + 5) + "\r", ["x" * LONGEST]),
        ("nab", []),
    ],
)
def test_keys_in_every_split(keys: str, marks: list[str]) -> None:
    assert NoteKeys().feed(keys) == marks
    for at in range(len(keys)):
        split = NoteKeys()
        assert split.feed(keys[:at]) + split.feed(keys[at:]) == marks


@pytest.mark.parametrize("call", ["tcgetattr", "tcsetattr"])
def test_a_terminal_that_goes_as_a_capture_begins_has_no_keys(monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    termios, pty = pytest.importorskip("termios"), pytest.importorskip("pty")
    far, near = pty.openpty()

    def gone(*_: object) -> None:
        raise termios.error(5, "Input/output error")

    monkeypatch.setattr("vtctap.capturing.keyboard._terminal", lambda: near)
    monkeypatch.setattr(termios, call, gone)
    keyboard = Keyboard()
    with keyboard.listening():
        assert keyboard.pressed() == ""
    os.close(far)
    os.close(near)


class Keys:
    """A keyboard on which these keys are pressed."""

    def __init__(self) -> None:
        self.waiting = ""

    def pressed(self) -> str:
        pressed, self.waiting = self.waiting, ""
        return pressed


class Source:
    def __init__(self) -> None:
        self.marks: list[str] = []

    def mark(self, note: str) -> None:
        self.marks.append(note)


def test_marks_are_numbered_where_they_have_no_words(memory: Memory, screen: Screen) -> None:
    keys, signals, source = Keys(), Signals(), Source()
    marks = Marks(cast(Keyboard, keys), signals, screen)
    keys.waiting = "m"
    marks.serve(source)
    signals.marks += 2
    keys.waiting = "nmeter op"
    marks.serve(source)
    assert marks.prompt == "note: meter op_"
    keys.waiting = "ened\rm"
    marks.serve(source)
    marks.serve(source)
    assert source.marks == ["key-1", "SIGUSR1-2", "SIGUSR1-3", "meter opened", "key-5"]
    assert (marks.number, marks.prompt) == (5, "")
    assert memory.lines == []  # It is no terminal.
    screen.rewrites = True
    keys.waiting = "m"
    marks.serve(source)
    assert memory.lines == ["vtctap: marked: key-6"]
