"""The result of a job that has none, because the processes that did it were killed."""

from dataclasses import dataclass

__all__ = ["Lost"]


@dataclass(frozen=True, slots=True)
class Lost:
    """The result of a job whose process ended before it, repeatedly: killed, or out of memory."""

    why: str
