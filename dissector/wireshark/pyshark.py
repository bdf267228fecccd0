"""Decodes traces and live links with Wireshark through pyshark.

:func:`open_trace` and :func:`open_live` return pyshark captures with the generated dissector loaded; it is made for the
profile and deleted with the capture. Packets have a layer ``vtc`` whose fields are named as in Wireshark, without
``vtc.``: ``packet.vtc.message``.

Limits: pyshark's ``use_ek`` knows no Lua protocols and is refused. The default, XML, works best: a layer holds all its
fields by name, and ``packet.vtc.get_field("value").all_fields`` holds those of a repeated field, each with its
``show``. With ``use_json`` they are in subtrees, which pyshark shows as nameless layers of text. Wireshark from 4.4 on
loads no Lua for root.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Final

from vtctap.base.extras import extra
from vtctap.dissector.profiles.files import load
from vtctap.dissector.profiles.model import Profile
from vtctap.dissector.profiles.names import DEFAULT
from vtctap.dissector.profiles.stated import settled
from vtctap.dissector.wireshark import generator as lua
from vtctap.errors import Error
from vtctap.pcap import trace

with extra("pyshark", "decoding with pyshark"):
    from pyshark import FileCapture
    from pyshark.capture.pipe_capture import PipeCapture
    from pyshark.packet.packet import Packet

_STOP: Final = 5
"""Seconds to wait for a capture to end by itself."""


class TraceCapture(FileCapture):  # type: ignore[misc]  # pyshark has no types
    """A pyshark capture of a trace; see :func:`open_trace`."""

    def __init__(self, belongings: ExitStack, path: str | os.PathLike[str], **options: Any) -> None:
        self._belongings = belongings
        super().__init__(os.fspath(path), **options)
        _unwatch_later(belongings)

    def close(self) -> None:
        """Ends tshark."""
        if not self.eventloop.is_closed():
            super().close()
        self._belongings.close()


class LiveCapture(PipeCapture):  # type: ignore[misc]
    """A pyshark capture of a running ``vtctap capture``; see :func:`open_live`."""

    def __init__(self, belongings: ExitStack, arguments: list[str], **options: Any) -> None:
        self._belongings = belongings
        command = [sys.executable, "-m", "vtctap", "capture", "-q", "-w", "-", *arguments]
        self._capture = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        assert self._capture.stdout is not None
        super().__init__(os.dup(self._capture.stdout.fileno()), **options)
        _unwatch_later(belongings)
        self._capture.stdout.close()  # Only tshark keeps reading; the capture ends with it.

    def sniff_continuously(self, packet_count: int | None = None) -> Iterator[Packet]:
        """Yields the packets as they arrive, at most ``packet_count``; the name is that of pyshark's live captures."""
        yield from self._packets_from_tshark_sync(packet_count=packet_count)

    def close(self) -> None:
        """Ends the capture and tshark; both release their ports and files."""
        self._capture.terminate()
        try:
            self._capture.wait(_STOP)
        except subprocess.TimeoutExpired:
            self._capture.kill()
            self._capture.wait()
        if not self.eventloop.is_closed():
            super().close()
        self._belongings.close()


def open_trace(path: str | os.PathLike[str], *, profile: str | None = None, **options: Any) -> TraceCapture:
    """Opens a trace as a ``pyshark.FileCapture``.

    ``profile`` is a shipped profile's name or a profile file's path; without it, the trace's own applies. ``options``
    are FileCapture's (``display_filter``, ``use_json``, ``keep_packets``, ...). Raises ValueError for ``use_ek``,
    :class:`~vtctap.dissector.profiles.model.ProfileError`, and what pyshark raises.
    """
    return TraceCapture(_prepare(load(profile) if profile else _stated(path), options), path, **options)


def _stated(path: str | os.PathLike[str]) -> Profile:
    """Returns the profile that a trace states. tshark reports errors of the file."""
    with suppress(OSError, Error), trace.open_trace(path) as records:
        return settled(records)[1]
    return load()


def open_live(
    port: str | None = None,
    *,
    client: str | None = None,
    server: str | None = None,
    speed: int | str | None = None,
    line: str | None = None,
    profile: str = DEFAULT,
    **options: Any,
) -> LiveCapture:
    """Captures a link with pyshark: iterate it (or ``sniff_continuously()``) for its packets, and close it.

    The arguments are those of ``vtctap capture``, which runs in the background: ``port`` for a wire with both
    directions, or ``client`` and ``server``; ``options`` are those of ``pyshark.PipeCapture``. Raises ValueError for
    ``use_ek``, and ProfileError. If a port cannot be opened, the capture says so on stderr and yields no packets.
    """
    arguments = ["--profile", profile]
    for option, value in (
        ("-i", port),
        ("--client", client),
        ("--server", server),
        ("--speed", speed),
        ("--line", line),
    ):
        if value is not None:
            arguments += [option, str(value)]
    return LiveCapture(_prepare(load(profile), options), arguments, **options)


def _prepare(profile: Profile, options: dict[str, Any]) -> ExitStack:
    """Adds the generated dissector to the options of a capture, and an event loop where pyshark no longer creates one.
    Returns the resources to release with the capture."""
    if options.get("use_ek"):
        raise ValueError("pyshark's use_ek knows no protocols written in Lua: leave it out, or take use_json=True")
    belongings = ExitStack()
    # pyshark's own way of creating an event loop is deprecated and fails from Python 3.14 on.
    if sys.version_info >= (3, 12) and "eventloop" not in options:
        options["eventloop"] = loop = asyncio.new_event_loop()
        belongings.callback(loop.close)
    folder = belongings.enter_context(tempfile.TemporaryDirectory(prefix="vtctap-"))
    script = Path(folder, "vtctap.lua")
    script.write_text(lua.generate(profile, version="pyshark"), "ascii")
    os.chmod(folder, 0o755)  # tshark may run as another user.
    more = options.get("custom_parameters") or []
    if isinstance(more, dict):
        more = [word for pair in more.items() for word in pair]
    options["custom_parameters"] = [*more, "-l", "-X", f"lua_script:{script}"]
    return belongings


def _unwatch_later(belongings: ExitStack) -> None:
    """Makes the end of a capture remove the handler of SIGCHLD that pyshark sets before Python 3.12.

    The handler writes to an event loop that nobody runs any more: after some hundred subprocesses its pipe is full, and
    Python warns at each further one.
    """
    if sys.version_info < (3, 12) and threading.current_thread() is threading.main_thread():
        watcher = asyncio.get_child_watcher()
        belongings.callback(lambda: watcher.attach_loop(None) if asyncio.get_child_watcher() is watcher else None)
