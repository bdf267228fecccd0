"""The learner: traces merge, devices are compared, hostile traces do no harm, and memory is bounded."""

import gc
import pickle
import random
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equipment.conversation import (
    ACK,
    BREAK,
    CALL,
    NAK,
    answers,
    block,
    data,
    identification,
    learn,
    read,
    records,
    said,
    write,
)
from vtctap.dissector.dissect import Dissector
from vtctap.dissector.learning import evidence, flows, turns
from vtctap.dissector.learning import learner as learner_module
from vtctap.dissector.learning.draft import draft
from vtctap.dissector.learning.learner import QUESTIONS, Learner
from vtctap.dissector.learning.page import html, markdown
from vtctap.dissector.learning.question import measured
from vtctap.dissector.profiles.files import load, parse
from vtctap.pcap.record import Kind, Line, Record, Sender
from vtctap.sniffer import virtual
from vtctap.sniffer.simulated.named import GUESS
from vtctap.sniffer.simulated.session import EPOCH, play

FIRST = [read("2006"), data("(1234)")]
OTHER = [read("2006", rule="sum"), data("2006(1234)", rule="sum")]


def demo(seed: int, *, sessions: int = 1) -> list[Record]:
    line, speed = Line(7, "E", 1), 9600
    octets = play(seed, dialect=GUESS, speed=speed, line=line, sessions=sessions)
    return list(virtual.capture(octets, start=EPOCH, speed=speed, line=line, gap_limit_ns=10**9, profile="iec62055-52"))


def contents(learner: Learner) -> object:
    return [
        (
            device,
            [
                sorted(
                    (subject, explaining, tally.count, tally.places, tally.low, tally.high)
                    for subject, explaining, tally in notes
                )
                for notes in own
            ],
        )
        for device, own in sorted(learner.devices.items())
    ]


def test_questions_have_names_of_their_own() -> None:
    assert len({question.name for question in QUESTIONS}) == len(QUESTIONS)
    assert all(question.needs and question.title.endswith("?") for question in QUESTIONS)


def test_devices_that_differ_are_named() -> None:
    learner = learn(records(FIRST * 4), records(OTHER * 4), records(FIRST * 4))
    found = {(difference.question, difference.subject): difference.readings for difference in learner.differences()}
    assert found["ids", ""] == {"no": [(1, 0), (3, 0)], "yes": [(2, 0)]}
    assert found["check rule", "server"] == {"xor": [(1, 0), (3, 0)], "sum": [(2, 0)]}
    assert said({(answer.question, answer.subject): answer for answer in learner.answers()}, "ids") == "mixed"
    assert "# The devices differ, ids: no (trace 1, 3); yes (trace 2)\n" in draft(
        learner, load(), parent="iec62055-52", name="n", traces=["t"]
    )
    assert "ids: no (trace 1, 3); yes (trace 2)" in markdown(learner)


def test_learners_of_the_same_devices_add_up() -> None:
    one, other = learn(demo(1)), learn(demo(2))
    both = contents(one + other)
    assert both == contents(other + one)
    assert sum(tally.count for notes in one.devices[1, 0] for _, _, tally in notes) > 100
    assert (one + other).records == one.records + other.records


def learned_apart(traces: list[list[Record]]) -> list[Learner]:
    """Returns a learner of each trace by itself, pickled as if it came from another process."""
    learners = []
    for number, trace in enumerate(traces, 1):
        learner, dissector = Learner(), Dissector(load())
        learner.begin(number)
        for record in trace:
            learner.feed(dissector.dissect(record))
        learner.close()
        learners.append(pickle.loads(pickle.dumps(learner)))
    return learners


@pytest.mark.parametrize(("devices", "keys"), [(64, 2000), (3, 2000), (3, 12)])
def test_learners_merge_to_the_same_in_any_order_and_grouping(
    monkeypatch: pytest.MonkeyPatch, devices: int, keys: int
) -> None:
    """The result is the same even with more devices, and more counts, than are kept."""
    monkeypatch.setattr(learner_module, "MAX_DEVICES", devices)
    monkeypatch.setattr(evidence, "MAX_KEYS", keys)
    traces = [demo(1), records(FIRST * 4), records(OTHER * 4), demo(2), records(OTHER * 2, link=3)]
    apart = learned_apart(traces)
    wanted = everything(sum(apart, Learner()))
    if keys == 2000:
        assert everything(learn(*traces)) == wanted
    chance = random.Random(1)
    for _ in range(5):
        learners = chance.sample(apart, len(apart))
        while len(learners) > 1:
            at = chance.randrange(len(learners) - 1)
            learners[at : at + 2] = [learners[at] + learners[at + 1]]
        assert everything(learners[0]) == wanted
        assert len(learners[0].devices) == min(devices, len(traces))


def test_devices_that_are_not_told_apart_are_not_taken_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """With more devices than are kept, different identifications are not taken for those of one device that counts."""
    monkeypatch.setattr(learner_module, "MAX_DEVICES", 3)
    traces = [records([CALL, identification(f"ABC5{number:09}")] * 3) for number in (11, 23, 35, 47, 58, 69)]
    parts = [answer.reading for answer in learn(*traces).answers() if answer.question == "identification parts"]
    assert parts
    assert "counting" not in parts[0]


def test_links_are_devices() -> None:
    merged = sorted([*records(FIRST * 3), *records(OTHER * 3, link=1)], key=lambda record: record.time)
    assert set(learn(merged).devices) == {(1, 0), (1, 1)}


def everything(learner: Learner) -> list[str]:
    """Returns the draft and both pages of a learner; the draft is a valid profile."""
    text = draft(learner, load(), parent="iec62055-52", name="n", traces=["t"])
    parse(text, "made.toml")
    return [text, html(learner), markdown(learner)]


PIECES = (
    *FIRST,
    *OTHER,
    CALL,
    BREAK,
    identification(),
    ("C", ACK),
    ("M", ACK),
    ("C", NAK),
    ("M", NAK),
    write("2006", "1"),
    data("(ER01)"),
    ("C", b"\x06051\r\n"),
    ("C", block("\x01R\x0220060")),
    ("C", block("\x01Q")),
    data("a(1)b(2*V)(3)"),
    ("M", b"\x02"),
    ("C", b"\x01"),
)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.sampled_from(PIECES)
        | st.tuples(st.sampled_from("CM"), st.binary(min_size=1, max_size=20))
        | st.sampled_from((0.5, 200.0)),
        max_size=30,
    )
)
def test_any_conversation_is_learned_from(frames: list[tuple[str, bytes] | float]) -> None:
    everything(learn(records(frames)))


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.builds(
            Record,
            st.integers(-(10**18), 2 * 10**18),
            st.binary(max_size=30),
            st.sampled_from(Kind),
            st.sampled_from(Sender),
            st.booleans(),
            st.integers(0, 2),
            st.integers(0, 2),
            st.none() | st.just(Line(7, "E", 1)),
            st.integers(0, 255),
            st.sampled_from((0, 300, 2**32 - 1)),
            st.none() | st.integers(0, 10**10),
            st.integers(0, 2**63),
        ),
        max_size=20,
    )
)
def test_any_record_is_learned_from(made: list[Record]) -> None:
    everything(learn(made))


HOSTILE = ('"] = 1 } x', "'''", "\\", "Z\xe4hler", "#", "\x7f", "<script>", "|x|", "count 1", "=", "a=b count 3")


@pytest.mark.parametrize("text", HOSTILE)
def test_text_of_a_trace_is_no_toml_and_no_html(text: str) -> None:
    frames = [*[read(text), data(f"{text}(1*{text})")] * 3, *[write(text, text), data("(ER01)")] * 3]
    texts = everything(learn(records(frames)))
    assert "<script>" not in texts[1]


MEASURED = {question.name for question in QUESTIONS if question.judge is measured}


def test_a_damaged_capture_shows_nothing_false() -> None:
    """What a capture with one damaged frame in a hundred shows, the undamaged one shows too, or leaves open."""
    clean = demo(3, sessions=12)
    right = answers(clean)
    chance = random.Random(5)
    for _ in range(3):
        damaged = [_damaged(each, chance) if each.octets and not chance.randrange(100) else each for each in clean]
        for about, answer in answers(damaged).items():
            if answer.reading and answer.question not in MEASURED:
                assert right[about].reading in (answer.reading, ""), about


def _damaged(record: Record, chance: random.Random) -> Record:
    octets = bytearray(record.octets)
    octets[chance.randrange(len(octets))] = chance.randrange(128)
    return Record(
        record.time,
        bytes(octets),
        record.kind,
        record.sender,
        line=record.line,
        tap=record.tap,
        speed=record.speed,
        uncertainty=record.uncertainty,
        duration=record.duration,
    )


def test_memory_does_not_grow_with_the_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ever new registers, values and identifications take no more memory."""
    for module, name in ((evidence, "MAX_KEYS"), (turns, "MAX_VALUES"), (flows, "MAX_REGISTERS")):
        monkeypatch.setattr(module, name, 50)

    def held(turns_of: int) -> int:
        chance = random.Random(1)
        frames: list[tuple[str, bytes]] = []
        for number in range(turns_of):
            frames += [read(f"{number:04X}"), data(f"({chance.randrange(10**8)})"), CALL]
            frames += [identification(f"ABC5{chance.randrange(10**9)}"), write("FFFF", f"{number:020}"), ("M", ACK)]
        dissector, learner = Dissector(load()), Learner()
        dissections = list(map(dissector.dissect, records(frames)))
        tracemalloc.start()
        for dissection in dissections:
            learner.feed(dissection)
        learner.close()
        gc.collect()
        size = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        assert all(len(list(notes)) <= 50 for own in learner.devices.values() for notes in own)
        return size

    few = held(60)
    assert held(480) < 2 * few  # Tables grow by jumps; eight times the records would show.
