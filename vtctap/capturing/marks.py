"""Marks that an operator sets while a capture runs: with a key, with a note or with a signal.

The key ``m`` sets a mark at once. The key ``n`` begins a note: type the text, then Enter writes it and Escape discards
it. Marks from the key and from the signal have no text, so they are numbered. (Wireshark's toolbar has a text field.)
"""

from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from vtctap.capturing.keyboard import Keyboard
    from vtctap.capturing.screen import Screen
    from vtctap.capturing.signals import Signals

MARK: Final = "m"
NOTE: Final = "n"
_ENTER: Final = "\r\n"
_LEAVE: Final = "\x1b"
_ERASE: Final = "\x08\x7f"
LONGEST: Final = 200
"""Most characters of a note; further ones are ignored."""


class Markable(Protocol):
    """A capture that can write marks: :class:`vtctap.sniffer.capture.Capture`."""

    def mark(self, note: str) -> None:
        """Writes an operator's mark with this text into the trace."""


class NoteKeys:
    """Turns keys into marks."""

    def __init__(self) -> None:
        self.typed: str | None = None
        """The text of the note that is being typed; None if there is none."""

    def feed(self, keys: str) -> list[str]:
        """Returns the marks that these keys complete: ``key`` for the key ``m``, or the text of a note."""
        return [mark for key in keys if (mark := self._press(key))]

    def _press(self, key: str) -> str:
        if self.typed is None:
            self.typed = "" if key == NOTE else None
            return "key" if key == MARK else ""
        if key in _ENTER:
            words, self.typed = self.typed.strip(), None
            return words
        if key == _LEAVE:
            self.typed = None
        elif key in _ERASE:
            self.typed = self.typed[:-1]
        elif key.isprintable() and len(self.typed) < LONGEST:
            self.typed += key
        return ""


class Marks:
    """Sets marks in a capture for keys and signals; ``number`` counts them."""

    def __init__(self, keyboard: "Keyboard", signals: "Signals", screen: "Screen") -> None:
        self._keyboard = keyboard
        self._signals = signals
        self._screen = screen
        self._keys = NoteKeys()
        self._signalled = 0
        self.number = 0

    @property
    def prompt(self) -> str:
        """The note that is being typed, for the status line; empty if there is none."""
        return "" if self._keys.typed is None else f"note: {self._keys.typed}_"

    def serve(self, source: Markable) -> None:
        """Sets a mark for each key and each signal that came since the last call."""
        signalled, self._signalled = self._signalled, self._signals.marks
        for mark in ["SIGUSR1"] * (self._signalled - signalled) + self._keys.feed(self._keyboard.pressed()):
            self.number += 1
            note = f"{mark}-{self.number}" if mark in ("SIGUSR1", "key") else mark
            source.mark(note)
            if self._screen.rewrites:
                self._screen.say(f"marked: {note}")
