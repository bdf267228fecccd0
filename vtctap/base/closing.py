"""The base of what a ``with`` block closes at its end.

A reader, a writer or a port names its own ``close``; :class:`Closing` makes it a context manager. This module imports
nothing of vtctap, so every package may import it.
"""

from abc import ABC, abstractmethod
from typing import Self


class Closing(ABC):
    """A context manager that closes itself, also when the block ends in an error."""

    @abstractmethod
    def close(self) -> None:
        """Gives back what is held. A second call does nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
