"""What the examinations of ``vtctap doctor`` find."""

from typing import NamedTuple

__all__ = ["Diagnosis"]


class Diagnosis(NamedTuple):
    """A problem, and the command that fixes it ("": there is none)."""

    code: str
    problem: str
    mend: str = ""
