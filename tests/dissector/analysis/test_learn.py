"""Learning from traces: what was said is learned of the register that was asked for, and of no other."""

from vtctap.dissector.analysis.learn import Learner
from vtctap.dissector.dissect import Dissector
from vtctap.dissector.profiles.files import load
from vtctap.pcap.record import Record, Sender
from vtctap.sniffer.simulated.octets import with_check

READ, OTHER = with_check(b"\x01R1\x022006()\x03"), with_check(b"\x01R1\x022010()\x03")
ANSWER, OTHER_ANSWER = with_check(b"\x02(1234)\x03"), with_check(b"\x02(0099.9*kWh)\x03")


def learned(*octets: bytes) -> dict[str, tuple[int, int]]:
    """How often each register was read and answered; client and server take turns, half a second apart."""
    dissector, learner = Dissector(load()), Learner()
    for at, text in enumerate(octets):
        sender = Sender.SERVER if at % 2 else Sender.CLIENT
        learner.feed(dissector.dissect(Record(at * 500_000_000, text, sender=sender, duration=10_000_000)))
    return {register: (seen.read, seen.answered) for register, seen in learner.registers.items()}


def test_an_answer_is_that_of_the_register_that_was_read() -> None:
    assert learned(READ, ANSWER, OTHER, OTHER_ANSWER) == {"2006": (1, 1), "2010": (1, 1)}


def test_a_damaged_request_asks_for_nothing_that_is_known() -> None:
    assert learned(READ, ANSWER, OTHER[:-1] + b"\0", OTHER_ANSWER) == {"2006": (1, 1)}


def test_who_never_sends_check_characters_is_learned_from() -> None:
    """From the second message on; a single one may have lost it."""
    assert learned(READ[:-1], ANSWER) == {}
    assert learned(*(READ[:-1], ANSWER) * 3) == {"2006": (2, 2)}
    assert learned(READ, ANSWER, OTHER[:-1], OTHER_ANSWER) == {"2006": (1, 1)}, "a check character was lost here"
