"""Captures by vtctap in the guest, and the records of their traces."""

from collections.abc import Iterator
from types import TracebackType
from typing import Self

from adapters import Adapter
from machine import Done, Machine

import vtctap
from vtctap.pcap.record import Flag, Kind, Record


class Capture:
    """A capture with a link per adapter, or as ``options`` state. Inside the context it runs with all ports open;
    afterwards ``done`` and ``records`` hold its result. A ``fresh`` one imports its modules itself, as on a real
    machine, so what happens while ports are opened is observed as well."""

    def __init__(
        self, machine: Machine, *adapters: Adapter, options: str = "", ports: int = 0, fresh: bool = False
    ) -> None:
        self._machine = machine
        self._path = machine.share / "trace.pcapng"
        links = " ".join(f"--link {at}={adapter.port}" for at, adapter in enumerate(adapters))
        self._fresh = fresh
        self._command = f"vtctap capture {links} {options} -w /mnt/{self._path.name} --force"
        self._ports = ports or len(adapters)
        self.records: list[Record] = []

    def __enter__(self) -> Self:
        self._path.unlink(missing_ok=True)
        machine, command = self._machine, self._command
        self._job = machine.start(f"exec {command}") if self._fresh else machine.start_program(command)
        machine.until(lambda: self.opened() >= self._ports or self._job.done is not None, f"open ports: {command}")
        if self._job.done:
            raise TimeoutError(f"{command}: {self._job.done.output}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.done = self.finish()
        with vtctap.open(str(self._path)) as records:
            self.records = list(records)

    def opened(self) -> int:
        """Returns how often a port has been opened, including those that were plugged in again."""
        return self._path.read_bytes().count(b"opened profile") if self._path.is_file() else 0

    def finish(self) -> Done:
        """Ends the capture, and returns how it ended."""
        self._job.stop()
        return self._job.wait()

    def rest(self, after: float = 0.0, quiet: float = 2.0) -> None:
        """Waits for ``after`` seconds, and then until the trace has not grown for ``quiet`` ones."""
        self._machine.sleep(after)
        size = -1
        while size != (now := self._path.stat().st_size):
            size = now
            self._machine.sleep(quiet)

    def octets(self, link: int = 0, tap: int | None = None) -> bytes:
        """Returns all octets of a link, or of one of its taps."""
        return b"".join(
            record.octets for record in self.records if record.link == link and tap in (None, record.tap)
        )  # fmt: skip

    def events(self, link: int = 0) -> list[str]:
        """Returns the events of a link."""
        return [record.event for record in self.records if record.kind is Kind.EVENT and record.link == link]

    def words(self, event: str, link: int = 0) -> dict[str, str]:
        """Returns the words ``name=value`` of a link's last event with that name."""
        found = [text for text in self.events(link) if text.split()[0] == event]
        return dict(word.split("=", 1) for word in found[-1].split()[1:] if "=" in word) if found else {}

    def marked(self, link: int) -> list[str]:
        """Returns a link's octets: ``41``, ``42f`` with a framing error, ``00b`` for a break."""
        return [text for record in self.records if record.link == link for text in _marked(record)]


def _marked(record: Record) -> Iterator[str]:
    for at, octet in enumerate(record.octets):
        wrong = "f" if at in record.framing_errors else ""
        yield f"{octet:02x}{'b' if wrong and not octet and record.flags & Flag.BREAK else wrong}"
