"""Verdicts: finds the token that a token status is about.

A :class:`Verdicts` is fed the frames of a trace in order and keeps three values per link. The Lua dissector follows the
same rules:

- The server takes over a token when it answers the token's WriteCommand with ACK, or the DLMS request that writes it
  with the result 0; of a repeated write, the answered one counts.
- Each later token status in the same session is about that token, up to the verdict: the first status that the profile
  does not call pending. The next token that is taken over replaces it.

- After an outage of a tap, another token may have been taken over meanwhile: no status is about one before it.

A damaged answer gives no status. The flow is derived: only the names in IEC 62055-52 are public.
"""

from dataclasses import dataclass

from vtctap.dissector.meaning import Meaning
from vtctap.dissector.pairing import Place, is_damaged
from vtctap.dissector.protocol.messages import Message
from vtctap.dissector.protocol.rules import MessageName
from vtctap.pcap.record import Flag, Record, Sender


@dataclass(slots=True)
class _LinkTokens:
    """The tokens of a link: the record of the last written token, and of the one still waiting for its verdict."""

    session: int
    written: int | None = None
    taken: int | None = None


class Verdicts:
    """Finds the token of each token status of one trace, fed in order."""

    def __init__(self) -> None:
        self.links: dict[int, _LinkTokens] = {}
        """The links on which a token was written, and what is kept of each."""

    def feed(self, number: int, record: Record, message: Message, meaning: Meaning, place: Place) -> int | None:
        """Returns the number of the record whose token the status in frame ``number`` is about, or None."""
        link = self.links.get(record.link)
        if meaning.token and writes(message, meaning) and _is_clients(record):
            if link is None or link.session != place.session:
                link = self.links[record.link] = _LinkTokens(place.session)
            link.written = number
        if place.request_in is None or link is None or link.session != place.session:
            return None
        if takes_over(message, meaning, place) and place.request_in == link.written:
            link.taken = link.written
        about = link.taken
        if meaning.status_token is None or about is None or is_damaged(record, message):
            return None
        if meaning.status_token_outcome != "pending":
            link.taken = None
        return about

    def interrupt(self, link: int) -> None:
        """Forgets a link's tokens after an outage."""
        self.links.pop(link, None)


def writes(message: Message, meaning: Meaning) -> bool:
    """Whether a client's message may write a token."""
    return message.message == MessageName.WriteCommand or bool(meaning.apdu and meaning.token)


def takes_over(message: Message, meaning: Meaning, place: Place) -> bool:
    """Whether a server's message takes over what the request wrote."""
    return message.message == MessageName.ACK or _result(meaning, place) == 0


def refuses(message: Message, meaning: Meaning, place: Place) -> bool:
    """Whether a server's message refuses what the request wrote. An HDLC frame without a result says nothing."""
    if message.message == MessageName.HDLC:
        return bool(_result(meaning, place))
    return message.message != MessageName.ACK


def _result(meaning: Meaning, place: Place) -> int | None:
    """Returns the result of a DLMS request, in its answer."""
    return meaning.apdu.dlms_result if meaning.apdu and place.object_asked else None


def _is_clients(record: Record) -> bool:
    return record.sender is Sender.CLIENT and not record.flags & Flag.ECHO
