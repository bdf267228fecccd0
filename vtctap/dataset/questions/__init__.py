"""The questions that are ready: a .sql file each, whose first line says what it asks."""

from importlib import resources
from typing import Final

__all__ = ["question", "questions", "views"]

_FOLDER: Final = resources.files("vtctap.dataset.questions")
_VIEWS: Final = "views"


def questions() -> dict[str, str]:
    """Returns the ready questions: name, and what it asks."""
    files = sorted(path.name for path in _FOLDER.iterdir() if path.name.endswith(".sql"))
    names = [name.removesuffix(".sql") for name in files]
    return {name: question(name).partition("\n")[0].removeprefix("-- ") for name in names if name != _VIEWS}


def question(name: str) -> str:
    """Returns the SQL of a ready question."""
    return (_FOLDER / f"{name}.sql").read_text("utf-8")


def views() -> str:
    """Returns the SQL of the views that follow from the records."""
    return question(_VIEWS)
