"""Finds the object that an answer is about: that of the request which it answers, with the same invoke id."""

from vtctap.dissector.dlms.apdu import Apdu, Object

_ANSWERS = {"get-request": "get-response", "set-request": "set-response", "action-request": "action-response"}
"""The services with an object, and the service that answers each."""


class Requests:
    """The last request of each link of one trace, fed in order."""

    def __init__(self) -> None:
        self._links: dict[int, tuple[int, Apdu]] = {}

    def feed(self, number: int, link: int, apdu: Apdu, request_in: int | None) -> Object | None:
        """Takes the APDU of frame ``number``; returns the object that it answers about, None where it answers none.
        ``request_in`` is the number of the frame that it answers."""
        if apdu.dlms_service in _ANSWERS:
            self._links[link] = number, apdu
            return None
        asked_in, asked = self._links.get(link, (None, None))
        if asked is None or request_in is None or asked_in != request_in:
            return None
        fits = _ANSWERS[asked.dlms_service] == apdu.dlms_service and asked.dlms_invoke_id == apdu.dlms_invoke_id
        return asked.object if fits else None
