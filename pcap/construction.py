"""Frozen dataclasses that are created fast: :func:`fast_init` gives one an ``__init__`` that costs a fifth,
:func:`maker` a function that costs less than that, and :func:`variants` one for objects that differ in a few fields.

A frozen dataclass refuses assignment, so the ``__init__`` that :mod:`dataclasses` writes calls ``object.__setattr__``
once per field. One record, one message and one meaning are created per packet, with 17, 25 and 11 fields: that was
most of the time that reading and decoding took.

Here the new object belongs to a twin class for the duration of ``__init__``. The twin is a subclass without fields of
its own, so both have the same layout, and Python lets an object change from one to the other. It does not refuse
assignment, so each field is one plain, specialised store. The last line makes the object a frozen one again. What the
class does is the same as before: ``isinstance``, ``==``, ``hash``, ``repr``, ``dataclasses.replace``, ``pickle``, and
FrozenInstanceError. A maker is a function, which Python calls faster than a class; one that is given the few fields
that vary spares the time to pass the others.

Limits: the class has ``slots=True``, no ``__post_init__`` and no ``default_factory``. An object of a subclass is
created as :mod:`dataclasses` does it, unless the subclass is decorated, too.
"""

from collections.abc import Callable
from dataclasses import MISSING, fields
from operator import attrgetter
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
    lines = (
        "def __init__(self, {parameters}):",
        " if self.__class__ is not frozen:",
        "  return stated(self, {arguments})",
        " set_class(self, '__class__', twin)",
        "{stores}",
        " self.__class__ = frozen",
    )
    frozen.__init__ = _function(frozen, "__init__", lines)  # type: ignore[method-assign]
    return frozen


def maker(frozen: type[Class]) -> type[Class]:
    """Returns a function that creates objects of a class with a fast ``__init__``, for where many are created. It is
    typed as the class, because it has its parameters."""
    lines = ("def make({parameters}):", " self = twin()", "{stores}", " self.__class__ = frozen", " return self")
    made: type[Class] = _function(frozen, "make", lines)
    return made


def variants(frozen: type[Class], *varying: str) -> tuple[Callable[..., Class], Callable[[Class], tuple[Any, ...]]]:
    """Returns two functions for the creation of many objects that differ only in the fields ``varying``. The first one
    takes the values of the other fields (two or more) in one tuple, then those of ``varying``. The second one takes an
    example, and returns that tuple."""
    same = [field.name for field in fields(frozen) if field.name not in varying]  # type: ignore[arg-type]
    lines = (
        f"def make(same, {', '.join(varying)}):",
        "self = twin()",
        f"{', '.join(f'self.{field}' for field in same)} = same",
        *(f"self.{field} = {field}" for field in varying),
        "self.__class__ = frozen",
        "return self",
    )
    names: dict[str, Any] = {"frozen": frozen, "twin": _unfrozen(frozen)}
    exec("\n ".join(lines), names)
    return names["make"], attrgetter(*same)


def _function(frozen: type, name: str, lines: tuple[str, ...]) -> Any:
    """Makes a function with the parameters of a class of which ``lines`` say what it does, also with its name."""
    stated = vars(frozen)["__init__"]
    each = fields(frozen)
    positional, keywords = [f.name for f in each if not f.kw_only], [f.name for f in each if f.kw_only]
    text = "\n".join(lines).format(
        parameters=", ".join([*positional, *(["*", *keywords] if keywords else [])]),
        arguments=", ".join([*positional, *(f"{keyword}={keyword}" for keyword in keywords)]),
        stores="\n".join(f" self.{field} = {field}" for field in (*positional, *keywords)),
    )
    names: dict[str, Any] = {
        "frozen": frozen,
        "twin": _unfrozen(frozen),
        "stated": stated,
        "set_class": vars(object)["__setattr__"],
    }
    exec(text, names)
    made = names[name]
    for attribute in ("__defaults__", "__kwdefaults__", "__annotations__", "__qualname__", "__module__", "__doc__"):
        setattr(made, attribute, getattr(stated, attribute))
    return made


def _unfrozen(frozen: type) -> type:
    """Returns the twin: the class with construction and assignment as ``object`` has them."""
    own = {name: getattr(object, name) for name in ("__init__", "__setattr__", "__delattr__")}
    about = {"__slots__": (), "__module__": frozen.__module__, "__doc__": frozen.__doc__}
    return type(frozen.__name__, (frozen,), own | about)
