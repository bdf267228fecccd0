"""Marks that an operator sets while a capture runs: with a key, in words, or with a signal.

The key ``m`` marks at once. The key ``n`` begins a note: its words are typed, Enter writes it, Escape leaves it. A
signal has no words, so it is numbered as the key is. (Wireshark's toolbar has a field for words.)
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
"""Characters of a note; more is not taken."""


class Markable(Protocol):
    """What takes marks: :class:`vtctap.sniffer.capture.Capture`."""

    def mark(self, note: str) -> None:
        """Writes an operator's mark into the trace."""


class NoteKeys:
    """Makes marks of keys."""

    def __init__(self) -> None:
        self.typed: str | None = None
        """The words of the note that is being typed; None where none is."""

    def feed(self, keys: str) -> list[str]:
        """The marks that are complete: ``key`` for the key alone, or the words of a note."""
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
    """Gives a capture the marks for keys and signals. ``number`` counts them."""

    def __init__(self, keyboard: "Keyboard", signals: "Signals", screen: "Screen") -> None:
        self._keyboard = keyboard
        self._signals = signals
        self._screen = screen
        self._keys = NoteKeys()
        self._signalled = 0
        self.number = 0

    @property
    def prompt(self) -> str:
        """The note that is being typed, for the status line; empty where none is."""
        return "" if self._keys.typed is None else f"note: {self._keys.typed}_"

    def serve(self, source: Markable) -> None:
        """Marks for the keys that were pressed and the signals that came since the last time."""
        signalled, self._signalled = self._signalled, self._signals.marks
        for mark in ["SIGUSR1"] * (self._signalled - signalled) + self._keys.feed(self._keyboard.pressed()):
            self.number += 1
            note = f"{mark}-{self.number}" if mark in ("SIGUSR1", "key") else mark
            source.mark(note)
            if self._screen.rewrites:
                self._screen.say(f"marked: {note}")
