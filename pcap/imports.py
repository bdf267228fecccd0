"""The import formats: recordings of other tools, read as bursts.

A new format needs a function that reads bursts from a file, and a line in :data:`IMPORTERS`; text logs have their own
table, :data:`~vtctap.pcap.importers.forms.FORMS`. Times are taken unchanged. Most tools stamp octets when they have
read them, so these times are closer to the end of a burst than to its start.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Final

from vtctap.pcap import exchange, rtac
from vtctap.pcap.burst import Burst, ImportFormatError, foreign_packet
from vtctap.pcap.capture_file import NotATrace
from vtctap.pcap.formats import open_capture
from vtctap.pcap.importers import levels, logs, saleae, sigrok
from vtctap.pcap.importers.account import Account
from vtctap.pcap.importers.forms import FORMS, PLAIN, Form
from vtctap.pcap.importers.lines import lines_of
from vtctap.pcap.importers.refusals import SEEN, refusal
from vtctap.pcap.record import LINKTYPES, MAGIC, VERSION, Flag, Sender
from vtctap.pcap.streams import Input, Source, is_stream
from vtctap.pcap.trace import INBOUND, OUTBOUND


@dataclass(frozen=True, slots=True)
class Importer:
    """An import format. ``read`` gets a path or a binary file object, and the account in which it notes what could not
    be used."""

    read: Callable[[Source, Account], Iterator[Burst]]
    description: str


_PART: Final = 1 << 14


def read_raw(source: Source, account: Account) -> Iterator[Burst]:
    """Reads a file of plain octets, in chunks, without direction or times. Raises OSError and TraceError."""
    file = Input(source)
    try:
        while file.more():
            for at in range(file.at, len(file.buffer), _PART):
                yield Burst(file.buffer[at : at + _PART])
            file.at = len(file.buffer)
        if file.cut:
            account.fault(file.cut)
    finally:
        file.close()


_DIRECTIONS: Final = {INBOUND: Sender.CLIENT, OUTBOUND: Sender.SERVER}
_OWN_PACKET: Final = MAGIC + bytes([VERSION])
_OWN: Final = "{}: a trace of vtctap needs no import; 'vtctap reframe' frames its octets again"


def read_user0(source: Source, account: Account) -> Iterator[Burst]:
    """Reads packets of a private link type that hold plain octets, as simple serial loggers write them.

    pcapng's packet flags state the direction, if any: inbound octets are the client's. A packet that was cut counts as
    one with lost octets. Raises ImportFormatError, TraceError and OSError.
    """
    with open_capture(source) as reader:
        for number, packet in enumerate(reader.packets(account.fault), 1):
            if packet.linktype not in LINKTYPES:
                error = foreign_packet(reader.name, number, packet.linktype, f"{LINKTYPES[0]} to {LINKTYPES[-1]}")
                if number == 1:
                    raise error
                account.fault(str(error))
                continue
            if packet.data.startswith(_OWN_PACKET):
                raise ImportFormatError(_OWN.format(reader.name))
            flags = Flag.OVERRUN if packet.original_length > len(packet.data) else 0
            yield Burst(packet.data, _DIRECTIONS.get(packet.flags & 3, Sender.UNKNOWN), packet.time or None, flags)
        if reader.cut:
            account.fault(reader.cut)


def _importer(form: Form) -> Importer:
    return Importer(partial(_read_log, form), form.program)


def _read_log(form: Form, source: Source, account: Account) -> Iterator[Burst]:
    return logs.read(source, form, account)


IMPORTERS: Final[Mapping[str, Importer]] = {
    "exchange": Importer(exchange.read, "text: lines of C> hex and M> hex"),
    "raw": Importer(read_raw, "a file of octets, without direction or times"),
    "rtac": Importer(rtac.read, "a capture of link type RTAC serial"),
    "user0": Importer(read_user0, "a capture of a private link type whose packets are plain octets"),
    "logic": Importer(levels.read, "levels of a logic analyser as CSV: Saleae Logic, sigrok-cli, PulseView"),
    "saleae": Importer(saleae.read, "Saleae Logic's table of an Async Serial analyser"),
    "sigrok": Importer(sigrok.read, "samples of sigrok or PulseView (.sr)"),
    **{form.name: _importer(form) for form in FORMS},
}

_LISTED: Final = "'vtctap help importing' lists the forms"
_SHOWN: Final = 60
"""Most characters shown of a line that no form fits."""
_SUFFIXES: Final = {".exchange": "exchange", ".bin": "raw", ".raw": "raw", ".dat": "raw"}


def detect(name: str | os.PathLike[str]) -> str:
    """Finds the import format of a file by its name or its content. Raises ImportFormatError if several or none are
    possible, TraceError and OSError."""
    suffix = os.path.splitext(name)[1].lower()
    if suffix in _SUFFIXES:
        return _SUFFIXES[suffix]
    if is_stream(name):
        # Looking into it would consume its octets.
        raise ImportFormatError(f"{os.fspath(name)}: say with --from which format it is in; {_LISTED}")
    try:
        return _capture_format(name)
    except NotATrace:
        analyser = _analyser_of(name)
        if analyser:
            return analyser
        forms = [form.name for form in logs.recognise(name)]
    if reason := refusal(list(islice(lines_of(name), SEEN))):
        raise ImportFormatError(f"{os.fspath(name)}: {reason}")
    if not forms:
        raise _unfit(name)
    if len(forms) > 1:
        raise _undecided(name, forms)
    return forms[0]


def _analyser_of(name: str | os.PathLike[str]) -> str | None:
    """Returns the format of a file of a logic analyser; None where it is none. Raises OSError."""
    with open(name, "rb") as file:
        if sigrok.recognises(file.read(64)):
            return "sigrok"
    first = next(lines_of(name), "").strip()
    heads = {"logic": levels.HEAD, "saleae": saleae.HEAD}
    return next((format for format, head in heads.items() if head.fullmatch(first)), None)


def disguised(name: str | os.PathLike[str]) -> str | None:
    """Names the log form of a file that the user calls raw octets, if it clearly is a log; None where it may be raw.
    Raises OSError and TraceError."""
    forms = [] if is_stream(name) else [form.name for form in logs.recognise(name) if form.rank < PLAIN]
    return forms[0] if forms else None


def _undecided(name: str | os.PathLike[str], formats: Iterable[str]) -> ImportFormatError:
    """Makes the error for a file that several formats fit, which asks for the right one."""
    choices = ", ".join(f"{format} ({IMPORTERS[format].description})" for format in formats)
    return ImportFormatError(f"{os.fspath(name)}: say with --from which format it is in: {choices}")


def _unfit(name: str | os.PathLike[str]) -> ImportFormatError:
    """Makes the error that shows the beginning of a file that no form fits. Raises OSError and TraceError."""
    line = next(lines_of(name), None)
    if line is None:
        return ImportFormatError(f"{os.fspath(name)} is empty")
    first = line.rstrip("\r\n")
    shown = ascii(first[:_SHOWN]) + ("..." if len(first) > _SHOWN else "")
    return ImportFormatError(
        f"{os.fspath(name)}: no form fits (first line: {shown}); {_LISTED}, and --from selects one"
    )


def _capture_format(name: str | os.PathLike[str]) -> str:
    """Finds the import format of a capture file. Raises NotATrace where it is no capture file, ImportFormatError,
    TraceError and OSError."""
    with open_capture(name) as reader:
        first = next(reader.packets(lambda _: None), None)
        if first is None:
            if not reader.interfaces:
                raise NotATrace(f"{reader.name} is empty")
            raise ImportFormatError(reader.cut or f"{reader.name} holds no packets")
    if first.linktype == rtac.LINKTYPE_RTAC_SERIAL:
        return "rtac"
    if first.linktype not in LINKTYPES:
        raise foreign_packet(reader.name, 1, first.linktype, "that of a serial line")
    if first.data.startswith(_OWN_PACKET):
        raise ImportFormatError(_OWN.format(reader.name))
    raise ImportFormatError(
        f"{reader.name}: its packets are of a private link type, which may hold anything; "
        "if they are the octets of a serial line, say --from user0"
    )
