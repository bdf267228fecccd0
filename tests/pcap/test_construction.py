"""A class with a fast ``__init__`` does everything that a frozen dataclass does; a plain twin is the oracle."""

import copy
import inspect
import pickle
from collections.abc import Callable
from dataclasses import FrozenInstanceError, dataclass, field, fields, replace

import pytest

from vtctap.pcap.construction import fast_init, maker, variants


@dataclass(frozen=True, slots=True)
class Plain:
    """A class with all kinds of fields that are allowed."""

    time: int
    octets: bytes = b""
    pauses: tuple[int, ...] = ()
    chain: bytes = field(default=b"", compare=False)
    hidden: int = field(default=3, kw_only=True, repr=False)

    @property
    def end(self) -> int:
        """A property, which is no field."""
        return self.time + 1


@fast_init
@dataclass(frozen=True, slots=True)
class Fast:
    """The same class with a fast ``__init__``."""

    time: int
    octets: bytes = b""
    pauses: tuple[int, ...] = ()
    chain: bytes = field(default=b"", compare=False)
    hidden: int = field(default=3, kw_only=True, repr=False)

    @property
    def end(self) -> int:
        """A property, which is no field."""
        return self.time + 1


@fast_init
@dataclass(frozen=True, slots=True)
class FastBelow(Fast):
    """A subclass with a field of its own, which is decorated as well."""

    more: int = 0


@dataclass(frozen=True, slots=True)
class PlainBelow(Fast):
    """A subclass that is not decorated."""

    more: int = 0


class Loose(Fast):
    """A subclass without slots that is no dataclass."""


def test_it_is_the_dataclass_that_it_was() -> None:
    plain, fast = Plain(1, b"a", hidden=5), Fast(1, b"a", hidden=5)
    assert type(fast) is Fast
    assert repr(fast) == repr(plain).replace("Plain", "Fast")
    assert [getattr(fast, each.name) for each in fields(fast)] == [getattr(plain, each.name) for each in fields(plain)]
    assert fast.end == 2
    assert fast == Fast(1, b"a", (), b"chain", hidden=5) != Fast(2, b"a", hidden=5)
    assert hash(fast) == hash(plain)
    assert inspect.signature(Fast) == inspect.signature(Plain)
    assert Fast.__match_args__ == Plain.__match_args__


@pytest.mark.parametrize("kind", [Fast, FastBelow])
def test_a_maker_makes_the_same(kind: type[Fast]) -> None:
    made, again = maker(kind)(1, b"a", chain=b"c", hidden=5), kind(1, b"a", chain=b"c", hidden=5)
    assert type(made) is kind
    assert [getattr(made, each.name) for each in fields(made)] == [getattr(again, each.name) for each in fields(again)]
    assert inspect.signature(maker(kind)) == inspect.signature(kind)
    with pytest.raises(TypeError):
        maker(kind)()  # type: ignore[call-arg]


@pytest.mark.parametrize("kind", [Fast, FastBelow])
@pytest.mark.parametrize("varying", [("time",), ("hidden", "octets"), ("chain", "octets", "pauses")])
def test_variants_differ_in_some_fields(kind: type[Fast], varying: tuple[str, ...]) -> None:
    make, same = variants(kind, *varying)
    example, changes = (
        kind(1, b"a", (2,), b"c", hidden=5),
        {"time": 7, "octets": b"g", "pauses": (9,), "chain": b"h", "hidden": 8},
    )
    made = make(same(example), *(changes[name] for name in varying))
    again = replace(example, **{name: changes[name] for name in varying})
    assert type(made) is kind
    assert [getattr(made, each.name) for each in fields(made)] == [getattr(again, each.name) for each in fields(again)]
    with pytest.raises(FrozenInstanceError):
        made.time = 2  # type: ignore[misc]


@pytest.mark.parametrize("make", [Fast, maker(Fast)])
def test_it_is_frozen(make: Callable[[int], Fast]) -> None:
    fast = make(1)
    with pytest.raises(FrozenInstanceError):
        fast.time = 2  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        del fast.octets
    with pytest.raises((FrozenInstanceError, TypeError)):
        fast.other = 2  # type: ignore[attr-defined]


@pytest.mark.parametrize("change", [copy.copy, copy.deepcopy, lambda each: pickle.loads(pickle.dumps(each)), replace])
@pytest.mark.parametrize("kind", [Fast, FastBelow, PlainBelow, Loose])
def test_it_is_copied(change: Callable[[Fast], Fast], kind: type[Fast]) -> None:
    fast = kind(1, b"a", (2,), b"c", hidden=5)
    again = change(fast)
    assert type(again) is type(fast) is kind
    assert again == fast
    assert again is not fast
    assert (again.chain, again.hidden) == (b"c", 5)


def test_it_is_replaced() -> None:
    assert replace(Fast(1, b"a"), time=2) == Fast(2, b"a")


@pytest.mark.parametrize("kind", [FastBelow, PlainBelow, Loose])
def test_subclasses_stay_what_they_are(kind: type[Fast]) -> None:
    assert type(kind(1)) is kind
    with pytest.raises(FrozenInstanceError):
        kind(1).time = 2  # type: ignore[misc]
    assert FastBelow(1, more=4).more == PlainBelow(1, more=4).more == 4


@pytest.mark.parametrize("arguments", [(), (1, b"", (), b"", 5), (1, b"", (), b"", 5, 6)])
def test_wrong_arguments_are_refused(arguments: tuple[object, ...]) -> None:
    with pytest.raises(TypeError) as plain:
        Plain(*arguments)  # type: ignore[arg-type]
    with pytest.raises(TypeError) as fast:
        Fast(*arguments)  # type: ignore[arg-type]
    assert str(fast.value) == str(plain.value).replace("Plain", "Fast")


def test_classes_beyond_the_limits_are_refused() -> None:
    @dataclass(frozen=True, slots=True)
    class Checked:
        time: int

        def __post_init__(self) -> None:
            raise AssertionError

    @dataclass(frozen=True)
    class Open:
        time: int

    @dataclass(frozen=True, slots=True)
    class Made:
        times: list[int] = field(default_factory=list)

    for kind in (Checked, Open, Made):
        with pytest.raises(TypeError):
            fast_init(kind)
