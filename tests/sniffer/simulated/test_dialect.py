"""Dialects: named and drawn ones are complete, differ from each other, and can be written and read again."""

import dataclasses
import json
import os
import subprocess
import sys

import pytest

from vtctap.sniffer.simulated.dialect import BEHAVIOURS, COUNTS, OUTCOMES, PIECES, REFUSALS, Dialect, from_json, to_json
from vtctap.sniffer.simulated.drawn import dialect, draw
from vtctap.sniffer.simulated.named import KNOWN, NAMED

DRAWN = [draw(seed) for seed in range(200)]
ALL = [*NAMED.values(), *DRAWN]


@pytest.mark.parametrize("each", [*NAMED.values(), *DRAWN[:20]], ids=lambda each: each.name)
def test_is_the_same_when_read_again(each: Dialect) -> None:
    assert from_json(to_json(each)) == each
    assert set(json.loads(to_json(each))) == {field.name for field in dataclasses.fields(Dialect)}


def test_words_are_those_of_the_tables() -> None:
    for each in ALL:
        assert each.syntax.count in COUNTS
        assert set(each.story.pieces) <= set(PIECES)
        assert list(each.tokens.statuses) == list(OUTCOMES)
        assert {register.role for register in each.registers.entries} <= set(BEHAVIOURS)
        refusals = each.refusals
        used = {refusals.undefined_command, refusals.bad_check, refusals.unknown_register, refusals.write_refused}
        assert used <= set(REFUSALS)


def test_ids_and_statuses_are_each_its_own() -> None:
    for each in ALL:
        ids = [register.id for register in each.registers.entries]
        assert len(set(ids)) == len(ids)
        assert len(set(each.tokens.statuses.values())) == len(OUTCOMES)
        if each.registers.radix:
            assert {len(id_) for id_ in ids} == {each.registers.width}
            assert all(id_.startswith(each.registers.pages) for id_ in ids)
            assert all(int(id_, each.registers.radix) >= 0 for id_ in ids)


def test_every_choice_varies() -> None:
    """A choice that is always the same would test nothing."""
    fixed = {"note", "timing.character_timeout"}
    entries = [flat(json.loads(to_json(each))) for each in DRAWN]
    for key in entries[0]:
        assert (len({json.dumps(entry[key]) for entry in entries}) == 1) == (key in fixed), key


def flat(read: dict[str, object]) -> dict[str, object]:
    entries: dict[str, object] = {}
    for key, value in read.items():
        entries |= (
            {f"{key}.{inner}": each for inner, each in value.items()} if isinstance(value, dict) else {key: value}
        )
    return entries


def test_the_known_port_has_nothing_that_nobody_has_seen() -> None:
    """The dialect has only what two public programs show, written out anew here."""
    assert (KNOWN.wiring.format, KNOWN.wiring.speed) == ("7E1", 2400)
    assert (KNOWN.syntax.read, KNOWN.syntax.write, KNOWN.syntax.brackets) == ("R", "W", False)
    session = KNOWN.session
    assert [session.sign_on, session.option, session.password, session.ends_with_break] == [False, "", "", False]
    assert "undefined command" not in KNOWN.story.pieces
    ids = "2000 2002 2006 2009 200A 200C 200D 2010 2011 2014 2016 FFFE FFFF"
    assert " ".join(register.id for register in KNOWN.registers.entries) == ids
    assert KNOWN.note == ""
    assert NAMED["iec62055-52-sign-on"].note
    assert NAMED["iec62055-52-undefined"].note


def test_a_name_or_a_seed() -> None:
    assert dialect("iec62055-52") is KNOWN
    assert dialect("17") == draw(17) != draw(18)
    with pytest.raises(ValueError, match=r"no such dialect: morse; there are iec62055-52, .*, and any whole number"):
        dialect("morse")


def test_a_seed_is_the_same_in_any_process() -> None:
    program = "from vtctap.sniffer.simulated import drawn, dialect; print(dialect.to_json(drawn.draw(7)))"
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
        )
        assert from_json(done.stdout) == draw(7)
