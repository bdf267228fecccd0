"""Trace files: the record that vtctap stores, and the capture files that carry it. Standard library only; no ports,
threads or clocks.

- :mod:`~vtctap.pcap.record` is the layout of one record (the link type).
- :mod:`~vtctap.pcap.trace` reads and writes traces: records in a capture file. Start here: :func:`open_trace`,
  :func:`create_trace`.
- :mod:`~vtctap.pcap.formats` reads and writes capture files of every format, packet by packet. The formats are
  :mod:`~vtctap.pcap.pcapng` and :mod:`~vtctap.pcap.classic`.
- :mod:`~vtctap.pcap.capture_file` holds what the formats share, and the errors; :mod:`~vtctap.pcap.streams` reads and
  writes the octets."""

from vtctap.pcap.capture_file import ForeignTrace, Interface, NotATrace, Packet, TraceError, TraceExists
from vtctap.pcap.formats import FORMATS, CaptureReader, create_capture, open_capture
from vtctap.pcap.record import (
    LINKTYPE_USER0,
    LINKTYPES,
    Flag,
    ForeignRecord,
    Kind,
    Line,
    Record,
    RecordError,
    Sender,
)
from vtctap.pcap.skipped import Skipped
from vtctap.pcap.trace import TraceReader, TraceWriter, create_trace, open_trace

__all__ = [
    "FORMATS",
    "LINKTYPES",
    "LINKTYPE_USER0",
    "CaptureReader",
    "Flag",
    "ForeignRecord",
    "ForeignTrace",
    "Interface",
    "Kind",
    "Line",
    "NotATrace",
    "Packet",
    "Record",
    "RecordError",
    "Sender",
    "Skipped",
    "TraceError",
    "TraceExists",
    "TraceReader",
    "TraceWriter",
    "create_capture",
    "create_trace",
    "open_capture",
    "open_trace",
]
