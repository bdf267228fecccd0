"""Sessions in every dialect, captured and checked in virtual time: nothing is lost, and the findings are those of the
story."""

from collections import Counter

import pytest

from equipment.sampling import sampled
from vtctap.dissector.analysis.check import check
from vtctap.dissector.dissect import Dissector
from vtctap.dissector.profiles.files import load
from vtctap.pcap.record import Kind, Line, Sender
from vtctap.sniffer import virtual
from vtctap.sniffer.simulated.dialect import Dialect
from vtctap.sniffer.simulated.drawn import draw
from vtctap.sniffer.simulated.faults import FAULTS
from vtctap.sniffer.simulated.named import NAMED
from vtctap.sniffer.simulated.session import EPOCH, play
from vtctap.sniffer.simulated.wire import WireOctet

DIALECTS = [*NAMED.values(), *map(draw, range(60))]
MANY = [*NAMED.values(), *sampled(map(draw, range(60)), 4)]
PROFILE = load("iec62056-21")
"""A profile without these devices' registers, so that no value is judged."""


def findings(dialect: Dialect, faults: frozenset[str]) -> tuple[Counter[str], Counter[str]]:
    """Returns the codes of the findings in two sessions (without notes), and the codes of the faults that happened."""
    line = Line.parse(dialect.wiring.format)
    playing = play(3, dialect=dialect, sessions=2, faults=faults if line.has_parity else faults - {"parity"})
    octets: list[WireOctet] = []

    def noted(octet: WireOctet) -> WireOctet:
        octets.append(octet)
        return octet

    records = list(
        virtual.capture(
            map(noted, playing),
            start=EPOCH,
            speed=dialect.wiring.opening_speed,
            line=line,
            gap_limit_ns=1_500_000_000,
            profile=PROFILE.name,
        )
    )
    mask = 0x7F if line.has_parity else 0xFF
    for side, sender in (("client", Sender.CLIENT), ("server", Sender.SERVER)):
        heard = b"".join(
            record.octets for record in records if record.sender is sender and record.kind is not Kind.EVENT
        )
        assert heard == bytes(octet.octet & mask for octet in octets if octet.side == side)
    dissections = list(map(Dissector(PROFILE).dissect, records))
    assert [each.record.kind for each in dissections].count(Kind.NOISE) == 2 * len(faults & {"noise", "break"})
    found = Counter(finding.code for finding in check(dissections, PROFILE) if finding.severity != "note")
    return found, Counter(fault.code for fault in playing.faults)


def story(dialect: Dialect) -> set[str]:
    """Returns the codes of the findings that the dialect's own story may cause, besides its faults."""
    pieces, refusals = set(dialect.story.pieces), dialect.refusals
    codes = {"nak"} if pieces & {"unknown register", "write refused"} else set()
    if "undefined command" in pieces:
        codes |= {"undefined-command", *({"no-response"} if refusals.undefined_command == "silence" else ())}
        codes |= {"nak-loop"} if pieces & {"unknown register", "write refused"} else set()
    if "early read" in pieces and dialect.session.ends_with_break:
        codes.add("out-of-sequence")
    if "bcc-bad" in dialect.story.faults and refusals.bad_check == "silence":
        codes.add("no-response")
    return codes


@pytest.mark.parametrize("dialect", MANY, ids=lambda dialect: dialect.name)
def test_a_check_finds_the_story_and_nothing_else(dialect: Dialect) -> None:
    found, faults = findings(dialect, frozenset())
    assert {code: found[code] for code in faults if code != "no-response"} == {
        code: count for code, count in faults.items() if code != "no-response"
    }
    assert found["no-response"] >= faults["no-response"]
    assert set(found) - set(faults) <= story(dialect)


@pytest.mark.parametrize("dialect", DIALECTS[::4], ids=lambda dialect: dialect.name)
def test_faults_in_every_dialect(dialect: Dialect) -> None:
    """Every fault is found as often as it happened. The reactions of a device to it may be found as well."""
    found, faults = findings(dialect, FAULTS)
    assert set(faults) >= FAULTS - {"parity", "bcc-bad"}
    assert faults - found == Counter()
    assert set(found) - set(faults) <= story(dialect) | {"nak", "nak-loop", "no-response"}
