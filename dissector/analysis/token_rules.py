"""The rules for tokens: those that the meter refuses or rejects, and lockouts.

The profile says what a token status means. A finding names the token where the trace shows its write.
"""

from collections.abc import Iterator

from vtctap.dissector.analysis.cases import Case, CheckRule, damaged, numbers
from vtctap.dissector.analysis.exchanges import Exchange
from vtctap.dissector.analysis.findings import OUTCOME_FINDINGS, Finding, finding
from vtctap.dissector.dissect import Frame
from vtctap.dissector.tokens.number import digits
from vtctap.dissector.verdicts import refuses, takes_over, writes


class TokenRules(CheckRule):
    """Finds a token that the meter does not accept, once per written token or when the token status changes."""

    by_order = False  # The meter reports it itself, about the token that it took last.

    def __init__(self) -> None:
        self._status: int | None = None
        self._written: Exchange | None = None
        """The write that waits for its verdict."""

    def feed(self, case: Case) -> Iterator[Finding]:
        """See :meth:`~vtctap.dissector.analysis.cases.CheckRule.feed`."""
        if self._written and self._written.session != case.exchange.session:
            self._written = None
        yield from self._judge(case)
        if case.blind:  # Another token may have been entered meanwhile.
            self._written = None

    def _judge(self, case: Case) -> Iterator[Finding]:
        request, response = case.request, case.response
        if request and response and writes(request.message, request.meaning):
            if takes_over(response.message, response.meaning, response.place):
                self._written = case.exchange
            yield from _refusal(request, response)
        status = response.meaning.status_token if response else None
        if response is None or status is None or damaged(response):
            return
        if self._written or status != self._status:
            yield from _verdict(self._written, response, status)
        if response.meaning and response.meaning.status_token_outcome not in (None, "pending"):
            self._written = None
        self._status = status


def _refusal(request: Frame, response: Frame) -> Iterator[Finding]:
    """Returns the finding that a DLMS result is which refuses a token."""
    token, apdu = request.meaning.token, response.meaning.apdu
    if token and apdu and refuses(response.message, response.meaning, response.place):
        said = apdu.dlms_result_name or "result"
        text = f"token {digits(token.number)}: the meter answers {said} ({apdu.dlms_result})"
        yield finding("token-rejected", numbers(request, response), text)


def _verdict(written: Exchange | None, response: Frame, status: int) -> Iterator[Finding]:
    """Returns the finding that a token status implies for the token that was ``written``."""
    meaning = response.meaning
    code = OUTCOME_FINDINGS.get(meaning.status_token_outcome or "")
    if not code:
        return
    request = written.request if written else None
    token = request.meaning.token if request else None
    about = f"token {digits(token.number)}: " if token else ""
    frames = numbers(request, response) if request else (response.number,)
    why = f": {meaning.status_token_meaning}" if meaning.status_token_meaning else ""
    yield finding(code, frames, f"{about}the meter says {meaning.status_token_name} ({status}){why}")
