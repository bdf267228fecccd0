"""Evidence: verdicts follow by elimination, merging is adding, and memory is bounded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vtctap.dissector.learning import evidence
from vtctap.dissector.learning.evidence import Notes, RecordPlace, Tally, judge, weigh

NAMES = ("a", "b", "c")


def verdict(*seen: tuple[tuple[str, ...], int], candidates: tuple[str, ...] = ()) -> tuple[str, str]:
    """Returns the verdict on readings, from how often each group of them explained an observation."""
    return judge(weigh({explaining: Tally(count) for explaining, count in seen}, candidates))


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        ((), ("not seen", "")),
        (((("a",), 2),), ("shown", "a")),
        (((("a",), 1),), ("open", "")),  # Once may be damage.
        (((("a", "b"), 100),), ("open", "")),  # Both explain everything.
        (((("a", "b"), 100), (("a",), 1)), ("open", "")),  # b failed once only.
        (((("a", "b"), 100), (("a",), 2)), ("shown", "a")),
        (((("a",), 10), (("b",), 10)), ("mixed", "")),
        (((("a",), 50), (("b",), 1)), ("shown", "a")),  # b is damage.
        (((("a",), 49), (("b",), 1)), ("mixed", "")),
        (((("a",), 999), (("b",), 2)), ("mixed", "")),
        (((("a",), 1000), (("b",), 2)), ("shown", "a")),
        ((((), 3),), ("mixed", "")),  # Nothing that was tried explains it.
        (((("a",), 1500), ((), 3)), ("shown", "a")),
    ],
)
def test_a_verdict_follows_from_what_the_readings_explained(
    seen: tuple[tuple[tuple[str, ...], int], ...], said: tuple[str, str]
) -> None:
    assert verdict(*seen) == said


def test_a_candidate_counts_without_support() -> None:
    assert verdict((("a",), 1), candidates=NAMES) == ("open", "")
    assert verdict((("a",), 2), candidates=NAMES) == ("shown", "a")
    readings = weigh({("a",): Tally(2)}, NAMES)
    assert [(each.name, each.verdict) for each in readings] == [
        ("a", "shown"),
        ("b", "contradicted"),
        ("c", "contradicted"),
    ]


OBSERVED = st.lists(
    st.tuples(
        st.integers(1, 3),
        st.integers(1, 50),
        st.sets(st.sampled_from(NAMES)).map(lambda names: tuple(sorted(names))),
        st.sampled_from(("", "x", "y")),
        st.none() | st.integers(-5, 5),
    ),
    max_size=30,
).map(sorted)


def noted(observed: list[tuple[int, int, tuple[str, ...], str, int | None]]) -> Notes:
    notes = Notes()
    for trace, record, explaining, subject, measure in observed:
        notes.feed(RecordPlace(trace, record), explaining, subject, measure=measure)
    return notes


def contents(notes: Notes) -> set[tuple[object, ...]]:
    return {
        (subject, explaining, tally.count, tally.places, tally.low, tally.high) for subject, explaining, tally in notes
    }


@given(OBSERVED, st.integers(0, 30), st.integers(0, 30))
def test_merging_parts_is_as_noting_all(
    observed: list[tuple[int, int, tuple[str, ...], str, int | None]], one: int, other: int
) -> None:
    """Notes on three parts, merged in another grouping or order, equal the notes on the whole."""
    first, second = sorted((one, other))
    parts = noted(observed[:first]), noted(observed[first:second]), noted(observed[second:])
    whole = contents(noted(observed))
    assert contents(parts[0] + parts[1] + parts[2]) == whole
    assert contents(parts[0] + (parts[1] + parts[2])) == whole
    assert contents(parts[2] + parts[0] + parts[1]) == whole


def test_counts_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "MAX_KEYS", 3)
    notes = Notes()
    for number in range(1000):
        notes.feed(RecordPlace(1, number), (str(number % 10),), "x" * 49 if number % 10 == 9 else "")
    assert (len(list(notes)), notes.left_out) == (3, 700)
    tally = next(tally for _, _, tally in notes)
    assert (tally.count, len(tally.places)) == (100, evidence.MAX_PLACES)
    assert len(list(notes + noted([(1, 1, ("q",), "", None)]))) == 3


@pytest.mark.parametrize(
    ("places", "count", "text"),
    [
        ((), 0, "seen 0 times"),
        (((1, 4),), 1, "seen once, record 4"),
        (((1, 4), (2, 17)), 2, "seen 2 times, records 4, 2:17"),
        (((1, 4), (1, 9)), 7, "seen 7 times, records 4, 9, ..."),
    ],
)
def test_evidence_in_words(places: tuple[tuple[int, int], ...], count: int, text: str) -> None:
    assert str(Tally(count, tuple(RecordPlace(*place) for place in places))) == text
