"""Frozen dataclasses that are created fast: :func:`fast_init` gives one an ``__init__`` that costs a fifth.

A frozen dataclass refuses assignment, so the ``__init__`` that :mod:`dataclasses` writes calls ``object.__setattr__``
once per field. One record, one message and one meaning are created per packet, with 17, 25 and 11 fields: that was
most of the time that reading and decoding took.

Here the new object belongs to a twin class for the duration of ``__init__``. The twin is a subclass without fields of
its own, so both have the same layout, and Python lets an object change from one to the other. It does not refuse
assignment, so each field is one plain, specialised store. The last line makes the object a frozen one again. What the
class does is the same as before: ``isinstance``, ``==``, ``hash``, ``repr``, ``dataclasses.replace``, ``pickle``, and
FrozenInstanceError.

Limits: the class has ``slots=True``, no ``__post_init__`` and no ``default_factory``. An object of a subclass is
created as :mod:`dataclasses` does it, unless the subclass is decorated, too.
"""

from dataclasses import MISSING, fields
from typing import Any, TypeVar

Class = TypeVar("Class")


def fast_init(frozen: type[Class]) -> type[Class]:
    """Replaces the ``__init__`` of a frozen dataclass by a fast one with the same signature; returns the class.

    Raises TypeError for a class outside of the limits.
    """
    each = fields(frozen)  # type: ignore[arg-type]
    if hasattr(frozen, "__post_init__") or "__slots__" not in vars(frozen):
        raise TypeError(f"{frozen.__name__} has a __post_init__ or no slots")
    if any(field.default_factory is not MISSING or not field.init for field in each):
        raise TypeError(f"{frozen.__name__} has a field that __init__ does not take as it is")
    stated = vars(frozen)["__init__"]
    names: dict[str, Any] = {
        "frozen": frozen,
        "stated": stated,
        "twin": _unfrozen(frozen),
        "set_class": vars(object)["__setattr__"],
    }
    exec(_source([f.name for f in each if not f.kw_only], [f.name for f in each if f.kw_only]), names)
    made = names["__init__"]
    for attribute in ("__defaults__", "__kwdefaults__", "__annotations__", "__qualname__", "__module__", "__doc__"):
        setattr(made, attribute, getattr(stated, attribute))
    frozen.__init__ = made  # type: ignore[method-assign]
    return frozen


def _unfrozen(frozen: type) -> type:
    """Returns the twin: the class with assignment as ``object`` has it."""
    own = {"__slots__": (), "__setattr__": object.__setattr__, "__delattr__": object.__delattr__}
    return type(frozen.__name__, (frozen,), {**own, "__module__": frozen.__module__, "__doc__": frozen.__doc__})


def _source(positional: list[str], keywords: list[str]) -> str:
    """Returns the text of an ``__init__`` with these parameters."""
    parameters = ", ".join(["self", *positional, *(["*", *keywords] if keywords else [])])
    arguments = ", ".join(["self", *positional, *(f"{name}={name}" for name in keywords)])
    return "\n    ".join(
        (
            f"def __init__({parameters}):",
            "if self.__class__ is not frozen:",
            f"    return stated({arguments})",
            "set_class(self, '__class__', twin)",
            *(f"self.{name} = {name}" for name in (*positional, *keywords)),
            "self.__class__ = frozen",
        )
    )
