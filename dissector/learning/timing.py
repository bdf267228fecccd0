"""Questions about times: reactions, pauses, gaps and timeouts of both sides, as ranges with their uncertainty.

The observed range lies within the device's own limits, but does not show these limits: the range widens with further
captures. Times that a tap did not measure itself (imports, synthetic times) are not used.
"""

from itertools import pairwise
from typing import Final

from vtctap.dissector.dissect import Frame
from vtctap.dissector.learning.evidence import Notes
from vtctap.dissector.learning.flows import Flow
from vtctap.dissector.learning.question import Question, about, measured
from vtctap.dissector.learning.turns import CERTAIN, Fate, Turn
from vtctap.dissector.protocol.rules import MessageName
from vtctap.pcap.record import Flag, Record


def _doubt(*records: Record) -> int | None:
    """Returns the uncertainty of a time between records, ns; None if the tap did not measure the time."""
    total = 0
    for record in records:
        if record.uncertainty is None or record.flags & Flag.SYNTHETIC:
            return None
        total += record.uncertainty
    return total


def _reaction(turn: Turn, notes: Notes) -> None:
    request, response = turn.request, turn.exchange.response
    if request is None or response is None or turn.asks is None or turn.fate not in CERTAIN:
        return
    if request.name == MessageName.HDLC:  # It has limits of its own.
        return
    time_ns, doubt = response.place.response_time_ns, _doubt(request.record, response.record)
    if time_ns is not None and doubt is not None:
        notes.feed(turn.at(response), about(time_ns), measure=time_ns, doubt=doubt)


def _pause(turn: Turn, notes: Notes) -> None:
    """Notes the client's pause before a new request, after an answer that it could use. The subject is whether the
    client asks for the same or for other registers; a request for the same one that differs may be damaged."""
    before, request = turn.before, turn.request
    if before is None or request is None or turn.rest_ns is None or not turn.is_new or turn.opening:
        return
    certain = turn.is_certain and before.is_certain and before.fate in CERTAIN and before.fate is not Fate.SILENT
    if not (certain and turn.asks and before.asks):
        return
    if turn.asks == before.asks:
        _note(turn, notes, request, turn.rest_ns, "poll")
    elif turn.asks.register != before.asks.register:
        _note(turn, notes, request, turn.rest_ns, "next")


def _session_pause(turn: Turn, notes: Notes) -> None:
    if turn.opening and turn.before is not None and turn.request and turn.rest_ns is not None:
        _note(turn, notes, turn.request, turn.rest_ns)


def _time_out(turn: Turn, notes: Notes) -> None:
    """Notes how long the client waits for an answer before it repeats its request."""
    before, request = turn.before, turn.request
    if before is None or request is None or before.fate is not Fate.SILENT or turn.rest_ns is None:
        return
    if not turn.is_new and request.name != MessageName.NAK:
        _note(turn, notes, request, turn.rest_ns)


def _note(turn: Turn, notes: Notes, frame: Frame, time_ns: int, subject: str = "") -> None:
    doubt = _doubt(frame.record)
    if doubt is not None:
        notes.feed(turn.at(frame), about(time_ns), subject, measure=time_ns, doubt=2 * doubt)


_LONG: Final = 4
"""The pause between characters is the mean of a frame with at least this many characters."""


def _gap(turn: Turn, notes: Notes) -> None:
    """Notes the mean pause between the characters of each frame."""
    for frame in turn.undamaged:
        record = frame.record
        doubt, side = _doubt(record), record.sender.name.lower()
        if doubt is None or not record.line or not record.speed or len(record.octets) < _LONG:
            continue
        if frame.message.bcc_status != "good":  # Octets may be missing, and with them their time.
            continue
        pauses = len(record.octets) - 1
        idle_ns = record.duration - len(record.octets) * record.line.character_time_ns(record.speed)
        gap_ns = max(idle_ns, 0) // pauses
        notes.feed(turn.at(frame), about(gap_ns), side, measure=gap_ns, doubt=2 * doubt // pauses)


def _processing(flow: Flow, notes: Notes) -> None:
    """Notes the bounds of the time at which a token's status lost its first value: the last read with that value, and
    the first read with another one."""
    status = flow.reads[0].subject if flow.reads else ""
    reads = [read for read in flow.reads if read.subject == status]
    for read, after in pairwise(reads):
        if read.value == after.value or flow.end_ns is None:
            continue
        if read.value == reads[0].value and read.asked_ns is not None and after.time_ns is not None:
            doubt = read.uncertainty_ns + after.uncertainty_ns
            for time_ns in (read.asked_ns, after.time_ns):
                notes.feed(read.place, ("seen",), measure=max(time_ns - flow.end_ns, 0), doubt=doubt)
        return


_NEEDS: Final = "a capture by a tap of one's own, which measures times"
QUESTIONS: Final = (
    Question("reaction", "How soon does the meter answer?", _reaction, _NEEDS, measured),
    Question("pause", "How soon after an answer does the client ask again?", _pause, _NEEDS, measured),
    Question("gap", "How long are the pauses between a message's characters?", _gap, _NEEDS, measured, aside=10),
    Question(
        "response time-out",
        "How long does the client wait for an answer before it repeats its request?",
        _time_out,
        "a request that is not answered",
        measured,
    ),
    Question(
        "session pause", "How long are the pauses between sessions?", _session_pause, "several sessions", measured
    ),
)
OF_FLOWS: Final = (
    Question(
        "processing",
        "How long does the meter process what was written?",
        _processing,
        "a token whose result is polled",
        measured,
        read=False,
        enough=4,  # Both bounds of two writes: a value that damage changed would show a wrong time once.
    ),
)
