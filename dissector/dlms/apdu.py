"""Decodes APDUs with the library dlms-cosem, which is imported at the first one.

Without the library nothing of an APDU is shown, and :func:`missing` says once which extra shows it. The library raises
for whatever it does not know; then the service alone is shown, or its invoke id and result.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from types import ModuleType
from typing import Any, Final, NamedTuple

from vtctap.base.extras import extra
from vtctap.dissector.protocol import dlms
from vtctap.errors import MissingExtra


class Object(NamedTuple):
    """An attribute or a method of a COSEM object: class, OBIS code (``1-0:129.129.2.255``) and number."""

    class_id: int
    obis: str
    member: int


@dataclass(frozen=True, slots=True)
class Apdu:
    """One APDU. Attributes are fields of the catalogue, but for ``data``: the value that a SET or ACTION request
    carries or a GET response returns, encoded (A-XDR)."""

    dlms_service: str
    dlms_ciphered: bool | None = None
    dlms_invoke_id: int | None = None
    dlms_class: int | None = None
    dlms_obis: str | None = None
    dlms_attribute: int | None = None
    dlms_method: int | None = None
    dlms_result: int | None = None
    dlms_result_name: str | None = None
    data: bytes = field(default=b"", repr=False)

    @property
    def object(self) -> Object | None:
        """The attribute or method that a request names."""
        member = self.dlms_method if self.dlms_attribute is None else self.dlms_attribute
        if self.dlms_class is None or self.dlms_obis is None or member is None:
            return None
        return Object(self.dlms_class, self.dlms_obis, member)

    def attributes(self) -> dict[str, str | int]:
        """Returns the fields that apply, by their names in Python, in catalogue order."""
        values = {name: getattr(self, name) for name in self.__slots__ if name != "data"}
        return {name: value for name, value in values.items() if value is not None}


def decode(octets: bytes) -> Apdu | None:
    """Decodes the APDU of an HDLC frame whose check sequences are good. Returns None if the frame holds none, or if the
    library is not installed."""
    apdu = dlms.apdu_of(octets)
    service = dlms.SERVICES.get(apdu[0]) if apdu else None
    library = _library() if service else None
    if service is None or library is None:
        return None
    if apdu[0] in dlms.CIPHERED:
        return Apdu(service, dlms_ciphered=True)
    return Apdu(service, **_contents(library, apdu))


_missed: Final[list[str]] = []


def missing() -> str | None:
    """Returns the advice to install the library, if an APDU was met without it since the last call."""
    return _missed.pop() if _missed else None


@cache
def _library() -> ModuleType | None:
    try:
        with extra("dlms", "DLMS in HDLC frames (tokens over mode E)"):
            from dlms_cosem.protocol import xdlms
    except MissingExtra as error:
        _missed.append(str(error))
        return None
    return xdlms  # type: ignore[no-any-return]


_REFUSALS: Final = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RuntimeError,  # NotImplementedError, and RecursionError for data that is nested deeply.
    TypeError,
    ValueError,
)
"""What the library raises for octets that it does not know."""
_NORMAL: Final = 1
"""The choice of a request or response that is neither in blocks nor in lists."""


def _contents(library: ModuleType, apdu: bytes) -> dict[str, Any]:
    """Returns the attributes that the library reads from an APDU, none where it refuses it."""
    read = _READERS.get(apdu[0])
    if read is None or apdu[1:2] != bytes([_NORMAL]):
        return {}
    try:
        return read(library, apdu)
    except _REFUSALS:
        return {}


def _get_request(library: ModuleType, apdu: bytes) -> dict[str, Any]:
    request = library.GetRequestNormal.from_bytes(apdu)
    return _named(request, request.cosem_attribute, "attribute")


def _set_request(library: ModuleType, apdu: bytes) -> dict[str, Any]:
    request = library.SetRequestNormal.from_bytes(apdu)
    return _named(request, request.cosem_attribute, "attribute") | {"data": bytes(request.data)}


def _action_request(library: ModuleType, apdu: bytes) -> dict[str, Any]:
    request = library.ActionRequestNormal.from_bytes(apdu)
    return _named(request, request.cosem_method, "method") | {"data": bytes(request.data or b"")}


def _named(request: Any, named: Any, member: str) -> dict[str, Any]:
    return {
        "dlms_invoke_id": request.invoke_id_and_priority.invoke_id,
        "dlms_class": int(named.interface),
        "dlms_obis": named.instance.to_string(),
        f"dlms_{member}": getattr(named, member),
    }


def _get_response(library: ModuleType, apdu: bytes) -> dict[str, Any]:
    if apdu[3:4] != b"\0":  # The choice: a value, or the reason why there is none.
        return _answer(library, apdu, apdu[4])
    response = library.GetResponseNormal.from_bytes(apdu)
    return {"dlms_invoke_id": response.invoke_id_and_priority.invoke_id, "data": bytes(response.data)}


def _result_response(library: ModuleType, apdu: bytes) -> dict[str, Any]:
    """A response to SET or ACTION. The library refuses results that the standard does not list, so they are read
    here."""
    return _answer(library, apdu, apdu[3])


def _answer(library: ModuleType, apdu: bytes, result: int) -> dict[str, Any]:
    from dlms_cosem.enumerations import ActionResultStatus, DataAccessResult

    names = ActionResultStatus if apdu[0] == library.ActionResponseNormal.TAG else DataAccessResult
    known = result in {each.value for each in names}
    return {
        "dlms_invoke_id": library.InvokeIdAndPriority.from_bytes(apdu[2:3]).invoke_id,
        "dlms_result": result,
        "dlms_result_name": names(result).name.lower().replace("_", "-") if known else None,
    }


_READERS: Final[dict[int, Callable[[ModuleType, bytes], dict[str, Any]]]] = {
    0xC0: _get_request,
    0xC1: _set_request,
    0xC3: _action_request,
    0xC4: _get_response,
    0xC5: _result_response,
    0xC7: _result_response,
}
"""The reader of each tag."""
