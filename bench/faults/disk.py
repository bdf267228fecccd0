"""Faults of the disk, and of the file that is written."""

import io
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from faults.oracle import Verdict, packets, read
from faults.scene import Failed, Impossible, Scene
from vtctap.pcap.streams import Output

_LIMIT: Final = 16_384
"""Octets of the disk that fills."""


def short_writes(scene: Scene) -> Verdict:
    """The system takes a part of each write."""

    def shorten() -> None:
        write = Output._write

        def part(self: Output, octets: bytes) -> int:
            return write(self, octets[: scene.random.randint(1, len(octets))])

        Output._write = part  # type: ignore[method-assign]

    return _undisturbed(scene, before=shorten)


def slow_disk(scene: Scene) -> Verdict:
    """A fifth of the writes takes up to 0.2 s."""

    def slow() -> None:
        write = Output._write

        def late(self: Output, octets: bytes) -> int:
            if scene.random.random() < 0.2:
                time.sleep(scene.random.random() / 5)
            return write(self, octets)

        Output._write = late  # type: ignore[method-assign]

    return _undisturbed(scene, before=slow)


def torn_end(scene: Scene) -> Verdict:
    """The trace is cut at any octet."""
    scene.capture()
    scene.traffic()
    copy = scene.trace()
    verdict = scene.finish()
    cut = copy[: scene.random.randint(200, len(copy))]
    content = read(io.BytesIO(cut))
    whole = len(list(packets(cut)))
    if len(content.times) != whole:
        raise Failed(f"{len(content.times)} of {whole} whole records are read of a torn trace")
    return verdict + scene.beginning([0], io.BytesIO(cut))


def file_limit(scene: Scene) -> Verdict:
    """RLIMIT_FSIZE of 16 KiB."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        sys.dont_write_bytecode = True  # Python keeps a compiled module that the limit cuts, and cannot import it.
        resource.setrlimit(resource.RLIMIT_FSIZE, (_LIMIT, _LIMIT))

    scene.capture(before=limit)
    return _filled(scene, "File too large")


def full_disk(scene: Scene) -> Verdict:
    """A file system of 16 KiB."""
    disk = scene.folder / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={_LIMIT}", "tmpfs", str(disk)]
    if os.geteuid() or subprocess.run(mount, stderr=subprocess.DEVNULL).returncode:
        raise Impossible
    try:
        scene.path = disk / "t.pcapng"
        scene.capture()
        return _filled(scene, "No space left on device")
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)


def _filled(scene: Scene, says: str) -> Verdict:
    scene.talk_until(lambda: scene.over, "the disk does not fill")
    scene.ended(4, f"{says}; the part written before is readable")
    if scene.path.stat().st_size != _LIMIT:
        raise Failed(f"{scene.path.stat().st_size} of {_LIMIT} octets of the disk used")
    return scene.beginning(scene.due(_LIMIT))


def deleted(scene: Scene) -> Verdict:
    """The trace is deleted."""
    if scene.random.random() < 0.5:
        scene.capture()
    else:
        scene.start(*scene.command("-w", "-"), streams={1: os.open(scene.path, os.O_WRONLY | os.O_CREAT)})
        scene.listening(scene.trace)
    with open(scene.path, "rb") as kept:
        scene.traffic()
        due = scene.due()
        scene.path.unlink()
        _until_noticed(scene, "was deleted while it was being written")
        return scene.beginning(due, kept)


def moved(scene: Scene) -> Verdict:
    """The trace is moved, another file takes its name."""
    scene.capture()
    scene.traffic()
    scene.path.rename(scene.folder / "moved")
    scene.path.write_bytes(b"another file")
    scene.traffic()
    scene.signal()
    scene.ended(4, "the moved file holds the whole trace")
    return scene.whole(scene.folder / "moved")


def overwritten(scene: Scene) -> Verdict:
    """Another program truncates or replaces the content."""
    scene.capture()
    scene.traffic()
    scene.path.write_bytes(scene.random.randbytes(scene.random.choice((0, 10, 100_000))))
    _until_noticed(scene, "was overwritten while it was being written")
    return Verdict()


def _until_noticed(scene: Scene, says: str) -> None:
    scene.talk_until(lambda: scene.over, "it is not noticed")
    scene.ended(4, says)


def shared(scene: Scene) -> Verdict:
    """A second capture into the trace, with --force."""
    scene.capture()
    scene.traffic(5)
    with Scene(_made(scene.folder / "second"), "second") as second:
        second.start(*second.command("-w", scene.path, "--force"))
        second.ended(4, "another program is writing it")
    scene.traffic(5)
    return scene.finish()


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _undisturbed(scene: Scene, before: Callable[[], object]) -> Verdict:
    scene.capture(before=before)
    scene.traffic()
    return scene.finish()
