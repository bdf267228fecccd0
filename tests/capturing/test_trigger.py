"""``--trigger``: the records that are held back or passed on, and how many are kept in memory."""

from collections.abc import Callable

import pytest

from equipment.outlets import event, frame
from vtctap.capturing.trigger import BEFORE_RECORDS, Trigger
from vtctap.dissector.dissect import Dissector
from vtctap.dissector.filter import FilterError

Dissectors = Callable[[], Dissector]
ON_B = "vtc.tap == 1"


def test_without_an_expression_everything_goes_on(dissector: Dissectors) -> None:
    trigger = Trigger(None, dissector())
    records = [event(1), event(2)]
    assert (trigger.feed(records, 7), trigger.waiting, trigger.before) == (records, False, 0)
    assert trigger.feed(records, 8) == records
    assert trigger.since == 7


def test_a_match_lets_go_what_came_in_the_30_s_before_it(dissector: Dissectors) -> None:
    trigger = Trigger(ON_B, dissector())
    for second in (0, 5, 9, 10, 20):
        assert trigger.feed([frame(second)], second) == ()
    assert trigger.feed((), 39) == ()
    assert trigger.waiting
    released = trigger.feed([event(40, tap=1)], 44.0)
    assert [record.time // 10**9 for record in released] == [10, 20, 40]
    assert (trigger.waiting, trigger.since, trigger.before) == (False, 44.0, 2)
    assert trigger.feed([event(41)], 45) == [event(41)]
    assert trigger.since == 44.0


def test_several_at_once(dissector: Dissectors) -> None:
    trigger = Trigger(ON_B, dissector())
    released = trigger.feed([event(0), frame(1), frame(2, tap=1), frame(3)], 5)
    assert [record.time // 10**9 for record in released] == [0, 1, 2, 3]
    assert trigger.before == 1


def test_what_is_kept_is_bounded(dissector: Dissectors) -> None:
    trigger = Trigger(ON_B, dissector())
    for number in range(BEFORE_RECORDS + 5):
        assert trigger.feed([event(number / 1e9)], 0) == ()
    released = trigger.feed([event((BEFORE_RECORDS + 5) / 1e9, tap=1)], 0)
    assert [record.time for record in released] == list(range(6, BEFORE_RECORDS + 6))


def test_an_expression_that_makes_no_sense(dissector: Dissectors) -> None:
    with pytest.raises(FilterError):
        Trigger("(", dissector())
